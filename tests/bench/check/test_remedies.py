from wsbench.check.remedies import ADVICE, Remedy
from wsbench.manifests import read_manifests, shipped


def test_every_remedy_has_words_and_its_manifest_is_there() -> None:
    assert set(ADVICE) == set(Remedy)
    for advice in ADVICE.values():
        assert advice.text.endswith((".", ";", "}", ")"))
        if advice.manifest is not None:
            assert read_manifests(shipped(advice.overlay or "") / advice.manifest)
