"""The run: rounds of trials, each with its driver, its witnesses and its costs.

An ``Experiment`` holds what has been found so far, so that an interrupted run has a result: the complete rounds.
"""

from __future__ import annotations

import math
import time
from itertools import chain
from typing import TYPE_CHECKING

from wsbench import __version__, document, environment
from wsbench.comparing import widest
from wsbench.errors import LabDownError, LabError
from wsbench.progress import Step
from wsbench.results import EndedBy, Run, to_document
from wsbench.stage import staged

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from wsbench.measuring import Contender, Trials
    from wsbench.mesh import Mesh
    from wsbench.plan import RunPlan
    from wsbench.progress import Watcher
    from wsbench.trial import Trial

_LOOKS_APART = 1.2


class Experiment:
    """One run of a plan.

    ``run`` measures; ``result`` gives what has been found, at any time. ``on_round`` is called after every complete
    round.
    """

    def __init__(
        self,
        plan: RunPlan,
        output: Path,
        mesh: Mesh | None,
        command: str,
        watcher: Watcher,
        on_round: Callable[[document.Result], None],
    ) -> None:
        self._plan = plan
        self._output = output
        self._mesh = mesh
        self._command = command
        self._watcher = watcher
        self._on_round = on_round
        self._environment = environment.capture(mesh.versions if mesh else None)
        self._started_at = environment.now()
        self._contenders: tuple[Contender, ...] = ()
        self._rounds: list[list[Trial]] = []
        self._failures: dict[str, str] = {}
        self._warnings: list[str] = []
        self._round = 0
        self._ended_by: EndedBy | None = None
        self._precision: float | None = None
        self._next_look = plan.rounds

    @property
    def where(self) -> str:
        """Where the run is, in words."""
        if not self._round:
            return "before the first round"
        return f"in round {self._round} {self._aim()}"

    @property
    def measured_anything(self) -> bool:
        """Whether a round is complete."""
        return bool(self._rounds)

    def result(self, incomplete_reason: str | None = None, ended_by: EndedBy | None = None) -> Run:
        """What the complete rounds have found. ``ended_by`` is known here unless the run was cut short."""
        return Run(
            plan=self._plan,
            subjects=tuple(
                contender.subject(chain.from_iterable(self._rounds), self._failures.get(contender.name))
                for contender in self._contenders
            ),
            environment=self._environment,
            wsbench_version=__version__,
            command=self._command,
            started_at=self._started_at,
            finished_at=environment.now(),
            incomplete_reason=incomplete_reason,
            ended_by=ended_by or self._ended_by,
            warnings=tuple(self._warnings),
        )

    async def run(self) -> None:
        """Start the lab, measure every round, end the lab.

        Raises LabError where the lab does not start, LabDownError where a part dies that every arm needs, TargetError
        where a target cannot be measured at all. What goes wrong with one arm later fails that arm and no other.
        """
        plan = self._plan
        load, cpus = self._environment["load_average"], self._environment["cpu_count"]
        if load > cpus / 2:
            self._warnings.append(f"the machine was busy before the run began: load average {load} on {cpus} CPUs")
        async with staged(plan, self._output, self._mesh, self._watcher) as stage:
            self._contenders, trials = stage.contenders, stage.trials
            begun_s = time.monotonic()
            while self._ended_by is None:
                self._round += 1
                found = await self._measure_round(self._round, trials)
                if found:
                    self._rounds.append(found)
                so_far = to_document(self.result("still running"))
                if found:
                    self._on_round(so_far)
                self._ended_by = self._end(so_far, time.monotonic() - begun_s, measured=bool(found))
        self._watcher.finished()

    def _end(self, so_far: document.Result, elapsed_s: float, *, measured: bool) -> EndedBy | None:
        """Whether the round just measured was the last one, and why."""
        plan = self._plan
        if not measured:
            # Every arm has been given up.
            return EndedBy.ERROR
        if plan.until_precision is None and self._round >= plan.rounds:
            return EndedBy.ROUNDS
        if plan.until_precision is not None and self._round >= self._next_look:
            # Seldom: every look is a chance to stop at an interval that is narrow by luck.
            self._next_look = max(self._round + 1, math.ceil(self._round * _LOOKS_APART))
            self._precision = widest(so_far["comparisons"])
            if self._precision is not None and self._precision <= plan.until_precision:
                return EndedBy.PRECISION
        if plan.max_duration_ns is not None and elapsed_s >= plan.max_duration_ns / 1e9:
            return EndedBy.MAX_DURATION
        return None

    async def _measure_round(self, number: int, trials: Trials) -> list[Trial]:
        plan = self._plan
        by_name = {contender.name: contender for contender in self._contenders}
        found = []
        for position, name in enumerate(plan.order(number), 1):
            if name in self._failures:
                continue
            contender = by_name[name]
            done, total = (number - 1) * len(by_name) + position - 1, max(plan.rounds, number) * len(by_name)
            refusal_claimed = contender.refusal_claimed
            self._watcher.step(Step(number, self._aim(), name, done, total, refusal_claimed=refusal_claimed))
            try:
                drive = plan.drive_plan(contender.url, number, refusal_claimed=refusal_claimed)
                trial = await trials.measure(contender, drive, number, position)
            except LabDownError:
                raise
            except LabError as error:
                trials.check_alive()
                self._give_up(name, f"round {number}: {error}")
                continue
            if trial.failure:
                trials.check_alive()
                self._give_up(name, f"round {number}: {trial.failure}")
            found.append(trial)
        return found

    def _aim(self) -> str:
        """How many rounds there will be, in words."""
        plan = self._plan
        if plan.until_precision is None:
            return f"of {plan.rounds}"
        now = f", now {self._precision:.1%}" if self._precision is not None else ""
        return f"until within {plan.until_precision * 100:.4g}%{now}"

    def _give_up(self, name: str, why: str) -> None:
        self._failures[name] = why
        self._watcher.note(f"{name}: given up: {why}")
