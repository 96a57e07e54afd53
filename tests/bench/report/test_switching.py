from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.bench.report import examples
from tests.bench.report.test_answer import EVEN, FASTER, SLOWER, asked
from wsbench.report import switching

if TYPE_CHECKING:
    from wsbench import document
    from wsbench.report.switching import Advice


def advice(result: document.Result) -> Advice:
    found = switching.advice(result)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("intervals", "words"),
    [
        ({"rate": SLOWER, "p50": FASTER, "p99": EVEN, "connect": EVEN}, "For this load the figures speak for HTTP/2:"),
        ({"rate": FASTER, "p50": SLOWER, "p99": EVEN, "connect": EVEN}, "For this load the figures speak for staying"),
        ({"rate": SLOWER, "p50": FASTER, "p99": SLOWER, "connect": EVEN}, "The figures do not decide:"),
        ({"rate": EVEN, "p50": EVEN, "p99": EVEN, "connect": EVEN}, "For this load the figures show no gain in speed:"),
        ({"rate": None, "p50": None, "p99": None, "connect": None}, "Do not decide on this run: it has too few rounds"),
    ],
)
def test_it_speaks_for_what_the_intervals_speak_for(intervals: dict[str, Any], words: str) -> None:
    assert advice(asked(**intervals)).say.startswith(words)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"too_busy": "other work used a core"}, "the machine had other work while it measured"),
        ({"complete": False, "incomplete_reason": "interrupted"}, "it did not finish"),
    ],
)
def test_nobody_is_told_to_decide_on_a_run_that_is_not_sound(changed: dict[str, Any], words: str) -> None:
    assert advice(asked(changed)).say == f"Do not decide on this run: {words}."


def test_nor_on_one_that_is_not_proved_or_does_not_stand() -> None:
    made = asked()
    made["arms"]["http2"]["proof"] = examples.unproved()  # type: ignore[typeddict-item]
    assert advice(made).say == "Do not decide on this run: what the arms spoke is not proved."
    assert advice(examples.disproved()).say == "Do not decide on this run: an arm of it has no figures that stand."


def test_reasons_to_stay_follow_from_the_figures() -> None:
    made = asked(rate=SLOWER, p50=FASTER, p99=SLOWER, connect=EVEN)
    made["arms"]["http2"]["driver"] = {"cpu_us_per_message": 20.0, "cpu_cores": 0.6, "rss_kib_per_connection": None}
    stay = advice(made).stay
    assert stay[0] == "P99 round trip is what counts: with HTTP/2 it was 20% higher (10% to 30% higher)."
    assert stay[1] == "P50 connect is what counts: no difference was shown there; the interval says what is possible."
    assert stay[2].startswith(
        "CPU is what you pay for: a message took 77.0 us of it in all processes with HTTP/2, 71.2 us"
    )


def test_and_from_what_no_such_run_can_show() -> None:
    stay = " ".join(advice(examples.closed_loop()).stay)
    assert "CPU is what you pay for" not in stay  # it cost the same
    assert "64 WebSockets shared 1 TCP connection in this run, and all of a connection wait for one lost packet" in stay
    assert "refused with 503, as 640 WebSockets of http2-blocked were in this run." in stay
    assert "far fewer than 64 WebSockets between them" in stay
    assert "Each sidecar had 1 worker thread in this run." in stay
    assert "Add --arms http1+mtls,http2+mtls." in stay


def test_a_run_that_has_them_is_not_told_to_measure_mtls_nor_one_without_the_trap_of_it() -> None:
    arms = {name: examples.arm(name, rounds=2, hop=1) for name in ("http1", "http2", "http1+mtls")}
    arms["http1+mtls"]["claim"]["transport"] = "mTLS"
    stay = " ".join(advice(examples.result(arms, examples.compared("http1", "http2"))).stay)
    assert "Add --arms" not in stay
    assert "refused with 503." in stay


def test_a_run_that_does_not_ask_the_question_gives_no_advice() -> None:
    assert switching.advice(examples.lone_target()) is None
    assert switching.advice(examples.no_arms()) is None
    arms = {name: examples.arm(name, kind="target", rounds=2) for name in ("blue", "green")}
    assert switching.advice(examples.result(arms, examples.compared("blue", "green"))) is None


def test_targets_that_claim_their_hops_ask_it_too() -> None:
    arms = {name: examples.arm(name, kind="target", rounds=2) for name in ("blue", "green")}
    for name, protocol in (("blue", "HTTP/1.1"), ("green", "HTTP/2")):
        arms[name].update(claim=examples.claim(protocol, kind="target"), proof=examples.proof(protocol, 64))
    assert advice(examples.result(arms, examples.compared("blue", "green"))).say.startswith("For this load")
