from typing import Any

import pytest

from tests.bench.report import examples
from tests.bench.report.test_terminal import printed
from wsbench.report import reading
from wsbench.report.reading import Gravity, Judgement


def gravities(result: Any) -> list[Gravity]:
    return [alert.gravity for alert in reading.alerts(result, result["arms"])]


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (examples.closed_loop, []),
        (examples.disproved, [Gravity.DISPROVED]),
        (examples.incomplete, [Gravity.INCOMPLETE]),
        (examples.failed, [Gravity.FAILED]),
    ],
)
def test_what_must_be_said_first(made: Any, expected: list[Gravity]) -> None:
    assert [gravity for gravity in gravities(made()) if gravity in expected] == expected
    assert expected or not gravities(made())


def test_the_gravest_comes_first() -> None:
    result: Any = {**examples.disproved(), "too_busy": "other work used 1.2 of its 2 cores", "complete": False}
    assert gravities(result)[:3] == [Gravity.DISPROVED, Gravity.BUSY, Gravity.INCOMPLETE]


def test_a_machine_too_busy_is_the_first_thing_said() -> None:
    busy = "the hypervisor kept 12% of its CPU time (steal) for others while it measured; the load average was 3.1"
    result: Any = {**examples.closed_loop(), "too_busy": busy}
    first, second = printed(result).splitlines()[:2]
    assert first.strip() == "TOO BUSY: this machine had other work while it measured"
    assert "12% of its CPU time (steal)" in second


BETTER: dict[str, Any] = {
    "metric": "service_time.p50_us",
    "baseline": "http1",
    "candidate": "http2",
    "lower_is_better": True,
    "ratio": 0.7,
    "ci_low": 0.6,
    "ci_high": 0.8,
    "verdict": "faster",
}


@pytest.mark.parametrize(
    ("changes", "judgement"),
    [
        ({}, Judgement.FASTER),
        ({"lower_is_better": False}, Judgement.SLOWER),
        # A verdict is trusted no further than its interval goes.
        ({"ci_high": 1.1}, Judgement.NO_DIFFERENCE),
        ({"ci_low": None}, Judgement.INSUFFICIENT),
        ({"ratio": None}, Judgement.INSUFFICIENT),
        ({"verdict": "insufficient data"}, Judgement.INSUFFICIENT),
        ({"verdict": "no difference shown"}, Judgement.NO_DIFFERENCE),
        ({"baseline": "http2-blocked"}, Judgement.VOID),
        ({"baseline": "nobody"}, Judgement.VOID),
    ],
)
def test_what_may_be_said_of_a_comparison(changes: dict[str, Any], judgement: Judgement) -> None:
    comparison: Any = {**BETTER, **changes}
    assert reading.judge(examples.closed_loop(), comparison) is judgement


@pytest.mark.parametrize(
    ("words", "said"),
    [("it died", "It died."), ("Why?", "Why?"), ("", ""), (" x ", "X.")],
)
def test_a_sentence(words: str, said: str) -> None:
    assert reading.sentence(words) == said


def test_what_is_not_printable_is_spelled_out() -> None:
    assert reading.cleaned({"a\x1b": ["\u202e", ("b\nc",), 1]}) == {"a\\x1b": ["\\u202e", ["b c"], 1]}
