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
    assert warnings_of(rounds=3) == ["3 complete rounds: comparisons need 6, ask for more with --rounds"]


def test_a_driver_that_lags_behind_is_said() -> None:
    (warning,) = warnings_of(open_loop=True, send_lag=samples.histogram([10**9] * 100))
    assert "client-bound, the driver used 0.01 cores and its send lag p99 is" in warning


def test_sabotage_is_said() -> None:
    plan = samples.plan(sabotage=("http2",))
    run = samples.run(samples.subject("direct", samples.trials("direct", 1.0)), of=plan)
    assert "sabotaged on purpose (--sabotage): http2" in to_document(run)["warnings"]
