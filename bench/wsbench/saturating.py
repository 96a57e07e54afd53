"""The search made: every arm still searching is measured once a round, in shuffled order, until all brackets close."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from wsbench import __version__, environment
from wsbench.errors import LabDownError, LabError
from wsbench.progress import Step
from wsbench.proof import Verdict
from wsbench.saturation import judge
from wsbench.saturation_document import SaturationRun
from wsbench.search import Search
from wsbench.stage import staged

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from wsbench.measuring import Contender, Trials
    from wsbench.mesh import Mesh
    from wsbench.progress import Watcher
    from wsbench.saturation import SaturationPlan
    from wsbench.trial import Trial


class Saturation:
    """One search on every arm of a plan.

    ``run`` measures; ``result`` gives what has been found, at any time. ``on_round`` is called after every round.
    """

    def __init__(
        self,
        plan: SaturationPlan,
        output: Path,
        mesh: Mesh | None,
        command: str,
        watcher: Watcher,
        on_round: Callable[[SaturationRun], None],
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
        self._searches: dict[str, Search] = {}
        self._trials: list[Trial] = []
        self._failures: dict[str, str] = {}
        self._round = 0
        self._warnings: list[str] = []

    @property
    def measured_anything(self) -> bool:
        """Whether there is a trial."""
        return bool(self._trials)

    @property
    def where(self) -> str:
        """Where the search is, in words."""
        return f"in round {self._round}" if self._round else "before the first round"

    def result(self, incomplete_reason: str | None = None) -> SaturationRun:
        """What has been found so far."""
        return SaturationRun(
            plan=self._plan,
            subjects=tuple(
                contender.subject(self._trials, self._failures.get(contender.name)) for contender in self._contenders
            ),
            environment=self._environment,
            wsbench_version=__version__,
            command=self._command,
            started_at=self._started_at,
            finished_at=environment.now(),
            incomplete_reason=incomplete_reason,
            warnings=tuple(self._warnings),
        )

    async def run(self) -> None:
        """Start the lab, search, end the lab.

        Raises LabError where the lab does not start, LabDownError where a part dies that every arm needs, TargetError
        where a target cannot be measured at all. What goes wrong with one arm fails that arm and no other.
        """
        load = self._plan.load
        async with staged(load, self._output, self._mesh, self._watcher) as stage:
            self._contenders = stage.contenders
            self._searches = {contender.name: Search(self._plan.search) for contender in stage.contenders}
            begun_s = time.monotonic()
            while searching := self._searching():
                if load.max_duration_ns is not None and time.monotonic() - begun_s >= load.max_duration_ns / 1e9:
                    self._warnings.append(f"--max-duration ended the search for {', '.join(searching)}")
                    break
                self._round += 1
                await self._measure_round(searching, stage.trials)
                if self._trials:
                    self._on_round(self.result("still searching"))
        self._watcher.finished()

    def _searching(self) -> list[str]:
        """Whose search goes on, in the shuffled order of the next round."""
        return [
            name
            for name in self._plan.load.order(self._round + 1)
            if name not in self._failures and self._searches[name].next_rate() is not None
        ]

    async def _measure_round(self, names: list[str], trials: Trials) -> None:
        by_name = {contender.name: contender for contender in self._contenders}
        for position, name in enumerate(names, 1):
            rate = self._searches[name].next_rate()
            assert rate is not None, "only those that search are measured"
            done, left = len(self._trials), sum(self._searches[other].trials_left for other in names)
            self._watcher.step(Step(self._round, "of the search", f"{name} at {rate:,.0f}/s", done, done + left))
            contender = by_name[name]
            try:
                drive = self._plan.drive_plan(contender.url, rate, self._round)
                trial = await trials.measure(contender, drive, self._round, position)
            except LabDownError:
                raise
            except LabError as error:
                trials.check_alive()
                self._give_up(name, f"round {self._round}: {error}")
                continue
            self._trials.append(trial)
            self._take(trial, rate)
            if name in self._failures:
                trials.check_alive()

    def _take(self, trial: Trial, rate: float) -> None:
        """Tell the search; give up an arm that cannot be connected to, or is not what it claims."""
        judged = judge(trial, self._plan)
        if trial.proof.verdict is Verdict.DISPROVED:
            self._give_up(trial.name, f"its claim is disproved: {trial.proof.summary}")
        elif trial.failure and not trial.recording.opened:
            self._give_up(trial.name, f"round {self._round}: {trial.failure}")
        else:
            self._searches[trial.name].tell(rate, carried=judged.carried)
            says = "carried" if judged.carried else ", ".join(judged.missed)
            self._watcher.note(f"round {self._round}: {trial.name} at {rate:,.0f}/s: {says}")

    def _give_up(self, name: str, why: str) -> None:
        self._failures[name] = why
        self._watcher.note(f"{name}: given up: {why}")
