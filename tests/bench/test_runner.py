"""When a run ends: the only thing of the runner that its commands' tests do not show."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.bench import samples
from wsbench import document
from wsbench.comparing import rounds_for
from wsbench.echo_server import running_echo_server
from wsbench.plan import RunPlan, Target
from wsbench.progress import Silence, Step
from wsbench.results import EndedBy, to_document
from wsbench.runner import Experiment


class Steps(Silence):
    def __init__(self) -> None:
        self.steps: list[Step] = []

    def step(self, step: Step) -> None:
        self.steps.append(step)


def plan(url: str, **changes: Any) -> RunPlan:
    settings: dict[str, Any] = {
        "arms": (),
        "targets": (Target("a", url), Target("b", url)),
        "connections": 1,
        "duration_ns": 10_000_000,
        "warmup_ns": 1_000_000,
        "rounds": 3,
    }
    return samples.plan(**{**settings, **changes})


@pytest.fixture
def run(on_loop: Callable[..., Any], tmp_path: Path) -> Callable[..., tuple[document.Result, Steps]]:
    def whole(**changes: Any) -> tuple[document.Result, Steps]:
        steps = Steps()

        async def work() -> document.Result:
            async with running_echo_server(tmp_path / "server.log", engine="picows") as server:
                experiment = Experiment(plan(server.url, **changes), tmp_path, None, "", steps, lambda _so_far: None)
                await experiment.run()
                return to_document(experiment.result())

        return on_loop(work), steps

    return whole


def rounds_of(result: document.Result) -> int:
    return len(result["arms"]["a"]["rounds"])


def test_the_rounds_asked_for_are_the_end(run: Callable[..., tuple[document.Result, Steps]]) -> None:
    result, steps = run()
    assert (result["ended_by"], rounds_of(result), result["complete"]) == (EndedBy.ROUNDS, 3, True)
    assert [(step.round, step.aim, step.done, step.total) for step in steps.steps[-2:]] == [
        (3, "of 3", 4, 6),
        (3, "of 3", 5, 6),
    ]


def test_time_ends_a_run_after_the_round_that_is_on(run: Callable[..., tuple[document.Result, Steps]]) -> None:
    result, _ = run(max_duration_ns=1)
    assert (result["ended_by"], rounds_of(result), result["complete"]) == (EndedBy.MAX_DURATION, 1, True)


def test_rounds_go_on_until_every_interval_is_as_narrow_as_asked(
    run: Callable[..., tuple[document.Result, Steps]],
) -> None:
    result, steps = run(rounds=2, until_precision=0.99, max_duration_ns=60 * 10**9)
    assert result["ended_by"] == EndedBy.PRECISION
    # Fewer rounds could show nothing, however narrow the interval.
    assert rounds_of(result) >= rounds_for(len(result["comparisons"]), by_precision=True)
    assert all(comparison["precision"] <= 0.99 for comparison in result["comparisons"] if comparison["precision"])
    assert steps.steps[0].aim == "until within 99%"
    assert [warning for warning in result["warnings"] if "stayed open" in warning] == []


def test_what_cannot_be_known_so_precisely_stays_open(run: Callable[..., tuple[document.Result, Steps]]) -> None:
    result, _ = run(rounds=2, until_precision=0.0011, max_duration_ns=10**8)
    assert result["ended_by"] == EndedBy.MAX_DURATION
    assert result["complete"] is True
    assert any("stayed open: b against a" in warning for warning in result["warnings"])
