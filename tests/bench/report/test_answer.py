from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bench.report import examples
from wsbench.report import answer

if TYPE_CHECKING:
    from wsbench import document

FASTER, SLOWER, EVEN = (0.7, 0.8, 0.9), (1.1, 1.2, 1.3), (0.9, 1.0, 1.1)
PROVED = "1 instead of 64 connections on the hop"


def asked(changed: dict[str, Any] | None = None, **intervals: Any) -> document.Result:
    arms = {"http1": examples.arm("http1", rounds=2, hop=64), "http2": examples.arm("http2", rounds=2, hop=1)}
    return examples.result(arms, examples.compared("http1", "http2", **intervals), **(changed or {}))


def said(result: document.Result) -> str:
    return answer.sentence(result, "http1", "http2")


def test_the_answer_has_the_figures_how_sure_they_are_and_what_proves_them() -> None:
    assert said(examples.closed_loop()) == (
        "On this machine, with HTTP/2 instead of HTTP/1.1: messages per second 31% higher (95% CI 24% to 38%), p50 "
        "round trip 24% lower (19% to 28%), 1 instead of 64 connections on the hop; no difference shown in p99 round "
        "trip and p50 connect; each proved by 3 witnesses."
    )


def test_under_mtls_it_says_so() -> None:
    arms = {name: examples.arm(name, rounds=2, hop=1) for name in ("http1+mtls", "http2+mtls")}
    made = examples.result(arms, examples.compared("http1+mtls", "http2+mtls"))
    assert answer.sentence(made, "http1+mtls", "http2+mtls").startswith(
        "On this machine, with HTTP/2 over mTLS instead of HTTP/1.1 over mTLS: messages per second 31% higher"
    )


@pytest.mark.parametrize(
    ("intervals", "words"),
    [
        (
            {"rate": EVEN, "p50": FASTER, "p99": SLOWER, "connect": None},
            (
                f"p50 round trip 20% lower (95% CI 10% to 30%), {PROVED}; but p99 round trip 20% higher (10% to 30%); "
                "no difference shown in messages per second; insufficient data for p50 connect; each proved by 3 "
                "witnesses."
            ),
        ),
        (
            {"rate": FASTER, "p50": (1.8, 2.5, 3.1), "p99": EVEN, "connect": EVEN},
            (
                "messages per second 20% lower (95% CI 10% to 30%), p50 round trip 2.50x as high (80% higher to 3.10x "
                f"as high), {PROVED}; no difference shown in p99 round trip and p50 connect; each proved by 3 "
                "witnesses."
            ),
        ),
        (
            {"rate": EVEN, "p50": EVEN, "p99": EVEN, "connect": EVEN},
            (
                "no difference shown in messages per second, p50 round trip, p99 round trip and p50 connect, "
                f"{PROVED}; each proved by 3 witnesses."
            ),
        ),
    ],
)
def test_the_answer_says_what_the_intervals_allow(intervals: dict[str, Any], words: str) -> None:
    assert said(asked(**intervals)) == f"On this machine, with HTTP/2 instead of HTTP/1.1: {words}"


def test_where_the_run_cannot_tell_it_says_why_and_no_figure() -> None:
    few = asked(rate=None, p50=None, p99=None, connect=None, rounds=3)
    assert said(few) == "Insufficient data: 3 paired rounds cannot tell HTTP/2 from HTTP/1.1. Run more rounds."
    assert said(examples.disproved()) == "No verdict on HTTP/2 against HTTP/1.1: http2 is disproved."


def test_what_is_wrong_with_the_run_goes_with_the_sentence() -> None:
    busy = {"too_busy": "other work used 1.0 of its 2 cores"}
    cut = {"complete": False, "incomplete_reason": "interrupted"}
    assert said(asked(busy)).startswith("On this machine, which had other work while it measured, with HTTP/2")
    assert said(asked(cut)).startswith("On this machine, in a run that did not finish, with HTTP/2")
    assert said(asked({**busy, **cut})).startswith(
        "On this machine, which had other work while it measured, in a run that did not finish, with HTTP/2"
    )


def test_what_is_not_proved_is_not_called_proved() -> None:
    made = asked()
    made["arms"]["http2"]["proof"] = examples.unproved()  # type: ignore[typeddict-item]
    assert said(made).endswith("; NOT PROVED: what http2 spoke.")
    targets = {name: examples.arm(name, kind="target", rounds=2) for name in ("blue", "green")}
    found = answer.sentence(examples.result(targets, examples.compared("blue", "green")), "blue", "green")
    assert found.startswith("In this run, with green instead of blue: messages per second 31% higher")
    assert found.endswith("; what either spoke is not proved.")


@given(
    ends=st.tuples(st.floats(min_value=0.01, max_value=100), st.floats(min_value=0.01, max_value=100)),
    verdict=st.sampled_from(["faster", "slower", "no difference shown"]),
)
def test_no_answer_is_better_than_its_interval(ends: tuple[float, float], verdict: str) -> None:
    low, high = sorted(ends)
    found = examples.comparison("service_time.p50_us", "http1", "http2", (low, (low + high) / 2, high))
    found["verdict"] = verdict  # a foreign file may claim what its interval does not show
    text = said({**_TWO, "comparisons": [found]})
    shown = (high < 1 or low > 1) and verdict != "no difference shown"
    assert ("no difference shown in p50 round trip" in text) == (not shown)
    assert ("CI" in text) == shown


_TWO = asked()
