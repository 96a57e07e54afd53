from dataclasses import replace
from typing import Any

import pytest

from tests.bench import samples
from wsbench.results import to_document
from wsbench_client import ErrorKind


def warnings_of(*, rounds: int = 8, open_loop: bool = False, **changes: Any) -> list[str]:
    trials = tuple(
        replace(trial, recording=replace(trial.recording, **changes))
        for trial in samples.trials("direct", 1.0, rounds, open_loop=open_loop)
    )
    plan = samples.plan(rate=1000.0 if open_loop else None)
    return to_document(samples.run(samples.subject("direct", trials), of=plan))["warnings"]


def test_a_sound_run_has_none() -> None:
    assert warnings_of() == []
    assert warnings_of(open_loop=True) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cpu_ns": 950_000_000}, "direct: client-bound, the driver used 0.95 cores"),
        ({"unanswered": 2}, "direct: 16 unanswered, 0 unsent, 0 wrong echoes"),
        ({"mismatched": 1}, "0 unanswered, 0 unsent, 8 wrong echoes"),
        ({"errors": {ErrorKind.LOST: 1}}, "direct: 8 x connection_lost"),
    ],
)
def test_what_is_wrong_is_said(changes: dict[str, Any], words: str) -> None:
    assert any(words in warning for warning in warnings_of(**changes))


def test_few_rounds_are_said() -> None:
    assert warnings_of(rounds=3) == []
    few = [samples.subject(name, samples.trials(name, scale, 3)) for name, scale in (("http1", 1.0), ("http2", 2.0))]
    assert "3 complete rounds: 4 comparisons need 8, see --rounds" in to_document(samples.run(*few))["warnings"]


def test_what_stayed_open_is_said() -> None:
    plan = samples.plan(until_precision=0.0012, max_duration_ns=1)
    found = [samples.subject(name, samples.trials(name, scale, 12)) for name, scale in (("http1", 1.0), ("http2", 2.0))]
    result = to_document(samples.run(*found, of=plan))
    known = {comparison["metric"]: comparison["precision"] for comparison in result["comparisons"]}
    said = [warning for warning in result["warnings"] if warning.startswith("stayed open")]
    wide = {metric for metric, precision in known.items() if precision is not None and precision > 0.0012}
    assert wide
    assert len(wide) < len(known)
    assert {warning.split(", ")[1].split()[0] for warning in said} == wide
    assert any("not 0.12%" in warning for warning in said)


def test_a_driver_that_lags_behind_is_said() -> None:
    (warning,) = warnings_of(open_loop=True, send_lag=samples.histogram([10**9] * 100))
    assert "client-bound, the driver used 0.01 cores and its send lag p99 is" in warning


def test_sabotage_is_said() -> None:
    plan = samples.plan(sabotage=("http2",))
    run = samples.run(samples.subject("direct", samples.trials("direct", 1.0)), of=plan)
    assert "sabotaged on purpose (--sabotage): http2" in to_document(run)["warnings"]
