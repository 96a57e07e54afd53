import pytest

from tests.bench import samples
from wsbench import document
from wsbench.comparing import compare, value_of
from wsbench.results import to_document


def document_of(*names: tuple[str, float], disproved: str | None = None) -> document.Result:
    return to_document(
        samples.run(
            *(
                samples.subject(
                    name,
                    samples.trials(name, scale, 12, proof=samples.DISPROVED if name == disproved else samples.PROVED),
                )
                for name, scale in names
            ),
            of=samples.plan(),
        )
    )


def pairs(result: document.Result) -> list[tuple[str, str]]:
    found = [(comparison["candidate"], comparison["baseline"]) for comparison in result["comparisons"]]
    return list(dict.fromkeys(found))


def test_sidecar_arms_are_compared_with_http1_and_direct() -> None:
    result = document_of(("direct", 1.0), ("http1", 3.0), ("http2", 2.0))
    assert pairs(result) == [("http1", "direct"), ("http2", "http1"), ("http2", "direct")]


def test_encrypted_hops_are_compared_with_the_encrypted_upgrade_where_it_was_measured() -> None:
    names = [(name, 1.0) for name in ("direct", "http1", "http1+mtls", "http2+mtls", "hbone", "http3", "clientonly")]
    baselines: dict[str, list[str]] = {}
    for candidate, baseline in pairs(document_of(*names)):
        baselines.setdefault(candidate, []).append(baseline)
    encrypted = ["http1+mtls", "direct"]
    assert baselines == {
        "http1": ["direct"],
        "http1+mtls": ["http1", "direct"],
        "http2+mtls": encrypted,
        "hbone": encrypted,
        "http3": encrypted,
        "clientonly": ["http1", "direct"],
    }
    assert pairs(document_of(("http1", 1.0), ("hbone", 1.0))) == [("hbone", "http1")]


def test_of_several_envoys_each_is_compared_on_its_own_and_with_the_first() -> None:
    names = ["direct", "http1@1.36.2", "http2@1.36.2", "http1@1.40.0", "http2@1.40.0"]
    assert pairs(document_of(*((name, 1.0) for name in names))) == [
        ("http1@1.36.2", "direct"),
        ("http2@1.36.2", "http1@1.36.2"),
        ("http2@1.36.2", "direct"),
        ("http1@1.40.0", "http1@1.36.2"),
        ("http1@1.40.0", "direct"),
        ("http2@1.40.0", "http1@1.40.0"),
        ("http2@1.40.0", "http2@1.36.2"),
        ("http2@1.40.0", "direct"),
    ]


def test_targets_are_compared_with_every_arm_and_with_the_targets_before() -> None:
    result = document_of(("http1", 1.0), ("a", 1.0), ("b", 1.0))
    assert pairs(result) == [("a", "http1"), ("b", "http1"), ("b", "a")]


def test_a_disproved_arm_is_compared_with_nothing() -> None:
    result = document_of(("direct", 1.0), ("http1", 3.0), ("http2", 2.0), disproved="http2")
    assert pairs(result) == [("http1", "direct")]


def test_verdicts_know_which_way_is_better() -> None:
    result = document_of(("http1", 3.0), ("http2", 1.0))
    verdicts = {comparison["metric"]: comparison["verdict"] for comparison in result["comparisons"]}
    assert verdicts == {
        "achieved_rate": "faster",
        "service_time.p50_us": "faster",
        "service_time.p99_us": "faster",
        "connect.p50_us": "faster",
    }
    rate = result["comparisons"][0]
    assert rate["ratio"] == pytest.approx(3.0, rel=0.01)
    assert rate["lower_is_better"] is False


def test_every_interval_allows_for_all_comparisons_shown() -> None:
    few = document_of(("http1", 3.0), ("http2", 2.9))["comparisons"]
    many = document_of(("http1", 3.0), ("http2", 2.9), ("a", 1.0), ("b", 1.0))["comparisons"]

    def width(comparisons: list[document.Comparison]) -> float:
        found = next(
            comparison
            for comparison in comparisons
            if comparison["candidate"] == "http2" and comparison["metric"] == "connect.p50_us"
        )
        assert found["ci_low"] is not None
        assert found["ci_high"] is not None
        return found["ci_high"] / found["ci_low"]

    assert width(many) > width(few)


def test_a_metric_is_a_path_in_the_document() -> None:
    figures = document_of(("direct", 1.0))["arms"]["direct"]["rounds"][0]
    assert value_of(figures, "achieved_rate") == 1000
    assert value_of(figures, "service_time.p50_us") == figures["service_time"]["p50_us"]
    assert value_of(figures, "response_time.p50_us") is None


def test_nothing_is_compared_with_itself_alone() -> None:
    assert compare(document_of(("http1", 1.0))["arms"], open_loop=False) == []
