import shutil
from pathlib import Path

import pytest

from wsbench.arms import ARMS
from wsbench.errors import UsageError
from wsbench.manifests import read_manifests, shipped

RULE = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: mine}\nspec: {host: h}\n"
KUSTOMIZATION = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def kinds(path: Path) -> list[str]:
    return sorted(f"{manifest.kind}/{manifest.name}" for manifest in read_manifests(path))


@pytest.mark.parametrize("overlay", [arm.overlay for arm in ARMS.values() if arm.overlay])
def test_the_projects_own_overlays_are_read_without_a_renderer(overlay: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    found = kinds(shipped(overlay))
    assert "DestinationRule/websockets-server" in found
    assert ("EnvoyFilter/allow-connect" in found) is (overlay == "http2")
    assert {"Deployment/websockets-server", "Job/websockets-client"} <= set(found)


def test_a_file_a_folder_and_a_list(tmp_path: Path) -> None:
    write(tmp_path, {"a.yaml": f"{RULE}---\n---\n{RULE.replace('mine', 'other')}", "b.yml": RULE, "c.txt": "{"})
    assert kinds(tmp_path / "a.yaml") == ["DestinationRule/mine", "DestinationRule/other"]
    assert kinds(tmp_path) == ["DestinationRule/mine", "DestinationRule/mine", "DestinationRule/other"]
    (tmp_path / "list.yaml").write_text("apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod}\n")
    assert kinds(tmp_path / "list.yaml") == ["Pod/"]


def test_a_manifest_names_itself_and_its_file(tmp_path: Path) -> None:
    (manifest,) = read_manifests(write(tmp_path, {"a.yaml": RULE}) / "a.yaml")
    assert str(manifest) == f"DestinationRule 'mine' in {tmp_path / 'a.yaml'}"
    assert manifest.group == "networking.istio.io"


def test_resources_and_components_are_followed(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "base/kustomization.yaml": f"{KUSTOMIZATION}resources: [rule.yaml]\n",
            "base/rule.yaml": RULE,
            "part/kustomization.yaml": f"{KUSTOMIZATION}resources: [more.yaml]\n",
            "part/more.yaml": RULE.replace("mine", "more"),
            "top/kustomization.yaml": f"{KUSTOMIZATION}resources: [../base]\ncomponents: [../part]\n",
            "top/not-named.yaml": RULE,
        },
    )
    assert kinds(tmp_path / "top") == ["DestinationRule/mine", "DestinationRule/more"]


RENDERED = {
    "generators": f"{KUSTOMIZATION}resources: [rule.yaml]\nnamePrefix: my-\n",
    "patch": f"{KUSTOMIZATION}resources: [rule.yaml]\npatches:\n- patch: |-\n"
    "    - op: replace\n      path: /spec/host\n      value: other\n  target: {kind: DestinationRule}\n",
}


@pytest.mark.parametrize("text", RENDERED.values(), ids=RENDERED)
def test_what_only_a_renderer_can_do_is_refused_without_one(
    tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {"kustomization.yaml": text, "rule.yaml": RULE})
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(UsageError, match=r"kustomization.yaml has .*: install kubectl, or give the rendered YAML"):
        read_manifests(tmp_path)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not on PATH")
def test_what_only_a_renderer_can_do_is_left_to_kubectl(tmp_path: Path) -> None:
    for name, expected in (("generators", ("my-mine", "h")), ("patch", ("mine", "other"))):
        folder = write(tmp_path / name, {"kustomization.yaml": RENDERED[name], "rule.yaml": RULE})
        (manifest,) = read_manifests(folder)
        assert (manifest.name, manifest.content["spec"]["host"]) == expected
        assert "(rendered)" in str(manifest)
    with pytest.raises(UsageError, match="kubectl cannot render"):
        read_manifests(write(tmp_path / "bad", {"kustomization.yaml": f"{KUSTOMIZATION}namePrefix: [1]\n"}))


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"a.yaml": "a: [1"}, r"a.yaml is not YAML: .*line 1"),
        ({"a.yaml": "just words"}, "a.yaml is no manifest: every document needs apiVersion and kind"),
        ({"a.yaml": "kind: 5\napiVersion: v1"}, "is no manifest"),
        ({"a.yaml": "\x00"}, "is not YAML"),
        ({}, "has no \\*.yaml with an object in it"),
        ({"a.yaml": "# nothing"}, "has no \\*.yaml with an object in it"),
        ({"kustomization.yaml": f"{KUSTOMIZATION}resources: [gone.yaml]"}, "names 'gone.yaml', which is not there"),
        ({"kustomization.yaml": "- a list"}, "is no kustomization"),
        ({"kustomization.yaml": f"{KUSTOMIZATION}resources: [.]"}, "includes itself"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, files: dict[str, str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read_manifests(write(tmp_path, files))


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no manifests at .*nowhere: there is no such file or folder"):
        read_manifests(tmp_path / "nowhere")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match=r"cannot read .*bytes.yaml"):
        read_manifests(tmp_path / "bytes.yaml")
