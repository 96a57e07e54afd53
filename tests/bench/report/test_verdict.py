from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bench.report import examples
from wsbench.report import reading, verdict
from wsbench.report.reading import Judgement

FASTER, SLOWER, EVEN = (0.7, 0.8, 0.9), (1.1, 1.2, 1.3), (0.9, 1.0, 1.1)


def judged(**intervals: Any) -> verdict.Verdict:
    """The verdict on http2 against http1 where these are the intervals."""
    arms = {"http1": examples.arm("http1", rounds=2, hop=64), "http2": examples.arm("http2", rounds=2, hop=1)}
    return verdict.of(examples.result(arms, examples.compared("http1", "http2", **intervals)))


def test_of_several_envoys_the_question_is_asked_of_the_last_and_its_version_is_said() -> None:
    names = [f"{way}@{version}" for version in ("1.36.2", "1.40.0") for way in ("http1", "http2")]
    arms = {name: examples.arm(name, rounds=2, hop=1) for name in names}
    faster: Any = {"rate": SLOWER, "p50": FASTER, "p99": FASTER, "connect": FASTER}
    found = verdict.of(examples.result(arms, examples.compared("http1@1.40.0", "http2@1.40.0", **faster)))
    assert (found.baseline, found.candidate) == ("http1@1.40.0", "http2@1.40.0")
    assert found.title.startswith("On this machine, HTTP/2 on Envoy 1.40.0 was faster than HTTP/1.1 on Envoy 1.40.0 in")


def test_where_all_was_under_mtls_the_question_is_asked_there() -> None:
    arms = {name: examples.arm(name, rounds=2, hop=1) for name in ("direct", "http1+mtls", "http2+mtls")}
    assert verdict.of(examples.result(arms, [])).candidate == ""
    slower: Any = {"rate": FASTER, "p50": SLOWER, "p99": SLOWER, "connect": SLOWER}
    found = verdict.of(examples.result(arms, examples.compared("http1+mtls", "http2+mtls", **slower)))
    assert "HTTP/2 over mTLS was slower than HTTP/1.1 over mTLS" in found.title


@pytest.mark.parametrize(
    ("intervals", "judgement", "title"),
    [
        (
            {"rate": SLOWER, "p50": FASTER, "p99": FASTER, "connect": FASTER},
            Judgement.FASTER,
            (
                "On this machine, HTTP/2 was faster than HTTP/1.1 in messages per second, p50 round trip, p99 "
                "round trip and p50 connect."
            ),
        ),
        (
            {"rate": FASTER, "p50": SLOWER, "p99": EVEN, "connect": EVEN},
            Judgement.SLOWER,
            (
                "On this machine, HTTP/2 was slower than HTTP/1.1 in messages per second and p50 round trip; no "
                "difference shown in p99 round trip and p50 connect."
            ),
        ),
        (
            {"rate": EVEN, "p50": FASTER, "p99": SLOWER, "connect": None},
            None,
            (
                "A trade: on this machine, HTTP/2 was faster than HTTP/1.1 in p50 round trip, but slower in p99 "
                "round trip; no difference shown in messages per second; insufficient data for p50 connect."
            ),
        ),
        (
            {"rate": EVEN, "p50": EVEN, "p99": EVEN, "connect": EVEN},
            Judgement.NO_DIFFERENCE,
            (
                "On this machine, no difference was shown between HTTP/2 and HTTP/1.1 in messages per second, "
                "p50 round trip, p99 round trip and p50 connect."
            ),
        ),
        (
            {"rate": None, "p50": None, "p99": None, "connect": None, "rounds": 3},
            Judgement.INSUFFICIENT,
            "Insufficient data: 3 paired rounds cannot tell HTTP/2 from HTTP/1.1. Run more rounds.",
        ),
    ],
)
def test_the_title_says_what_the_intervals_allow(
    intervals: dict[str, Any], judgement: Judgement | None, title: str
) -> None:
    said = judged(**intervals)
    assert (said.judgement, said.title) == (judgement, title)


def test_the_detail_says_by_how_much_and_how_sure_and_that_it_is_corrected() -> None:
    said = verdict.of(examples.closed_loop())
    assert said.detail == (
        "Over all rounds: messages per second 31% higher (24% to 38% higher), p50 round trip 24% lower (19% to 28% "
        "lower); 95% intervals, widened so that all 12 hold at once."
    )
    assert said.evidence == (
        "http1 is proved to speak HTTP/1.1 by 3 witnesses and http2 is proved to speak HTTP/2 by 3 witnesses. "
        "Connections on the hop for 64 WebSockets: 64 over HTTP/1.1 and 1 over HTTP/2."
    )


def test_no_difference_shown_is_not_called_equality() -> None:
    said = judged(rate=EVEN, p50=EVEN, p99=EVEN, connect=EVEN)
    assert said.detail.startswith("That is not proof that they are equal; what the data leave possible:")
    assert "10% lower to 10% higher" in said.detail


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("disproved", "No verdict on HTTP/2 against HTTP/1.1: http2 is disproved."),
        ("failed", "No verdict on HTTP/2 against HTTP/1.1: http2 failed."),
        ("incomplete", "Insufficient data: 1 paired round cannot tell HTTP/2 from HTTP/1.1. Run more rounds."),
        ("lone_target", "Nothing was compared: only one arm has figures."),
        ("no_arms", "No verdict: no arm has figures that stand."),
    ],
)
def test_where_there_is_no_verdict_the_title_says_why(name: str, title: str) -> None:
    assert verdict.of(examples.EXAMPLES[name]()).title == title


def test_without_both_http_arms_the_first_comparison_that_stands_is_the_verdict() -> None:
    arms = {name: examples.arm(name, kind="target", rounds=2) for name in ("blue", "green")}
    said = verdict.of(examples.result(arms, examples.compared("blue", "green")))
    assert said.title.startswith("In this run, green was faster than blue in messages per second")
    assert said.evidence == "No protocol is proved for blue and green: a target claims nothing of its hop."


@given(
    low=st.floats(min_value=0.01, max_value=100),
    high=st.floats(min_value=0.01, max_value=100),
    verdict_said=st.sampled_from(["faster", "slower", "no difference shown", "insufficient data"]),
    lower_is_better=st.booleans(),
)
def test_no_judgement_is_better_than_its_interval(
    low: float, high: float, verdict_said: str, lower_is_better: bool
) -> None:
    low, high = sorted((low, high))
    found = examples.comparison("p", "http1", "http2", (low, (low + high) / 2, high))
    found["verdict"] = verdict_said
    found["lower_is_better"] = lower_is_better
    judgement = reading.judge(_TWO, found)
    if judgement is Judgement.FASTER:
        assert (high < 1) if lower_is_better else (low > 1)
    if low <= 1 <= high or verdict_said == "no difference shown":
        assert judgement in {Judgement.NO_DIFFERENCE, Judgement.INSUFFICIENT}
    assert (judgement is Judgement.INSUFFICIENT) == (verdict_said == "insufficient data")


_TWO = examples.result({name: examples.arm(name, rounds=1) for name in ("http1", "http2")})


def test_the_questions_of_a_mesh_are_in_plaintext_first_and_of_the_last_envoy_first() -> None:
    ways = ("http2+mtls", "http1+mtls", "http2", "http1", "direct")
    arms = {way: examples.arm(way, rounds=1) for way in ways}
    assert verdict.questions(examples.result(arms)) == [("http1", "http2"), ("http1+mtls", "http2+mtls")]
    names = [f"{way}@{version}" for version in ("1.36.2", "1.40.0") for way in ("http1", "http2")]
    versions = examples.result({name: examples.arm(name, rounds=1) for name in names})
    assert verdict.questions(versions) == [("http1@1.40.0", "http2@1.40.0"), ("http1@1.36.2", "http2@1.36.2")]
    assert verdict.questions(examples.lone_target()) == []


def test_a_verdict_may_be_asked_of_any_pair() -> None:
    said = verdict.of(examples.closed_loop(), ("direct", "http1"))
    assert (said.baseline, said.candidate, said.judgement) == ("direct", "http1", Judgement.SLOWER)
