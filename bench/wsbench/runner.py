"""The run: rounds of trials, each with its driver, its witnesses and its costs.

An ``Experiment`` holds what has been found so far, so that an interrupted run has a result: the complete rounds.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from wsbench import __version__, document, environment
from wsbench.cost import ProcessCosts
from wsbench.driver_process import driver_process
from wsbench.errors import LabDownError, LabError, TargetError
from wsbench.evidence import Observer
from wsbench.lab import LabPlan, open_lab
from wsbench.progress import Step
from wsbench.proof import judge, refusal_of
from wsbench.results import Run, Subject
from wsbench.trial import ProcessUse, Trial
from wsbench_client import DrivePlan, Phase

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from wsbench.arms import Claim
    from wsbench.cost import Sample
    from wsbench.driver_process import DriverProcess
    from wsbench.envoy import EnvoyBinary
    from wsbench.lab import Lab, LabTarget
    from wsbench.plan import RunPlan, Target
    from wsbench.progress import Watcher
    from wsbench.proof import Evidence
    from wsbench_client import Progress as DriveProgress
    from wsbench_client import Recording

_PROBE_NS = 50_000_000
"""How long a target is tried before the run."""


@dataclass(frozen=True, slots=True)
class _Measured:
    """One name of the round: where it is, what it claims, and its part of the lab if it has one."""

    name: str
    kind: str
    summary: str
    url: str
    claim: Claim | None
    place: LabTarget | None


class Experiment:
    """One run of a plan.

    ``run`` measures; ``result`` gives what has been found, at any time. ``on_round`` is called after every complete
    round.
    """

    def __init__(
        self,
        plan: RunPlan,
        output: Path,
        envoy: EnvoyBinary | None,
        command: str,
        watcher: Watcher,
        on_round: Callable[[Run], None],
    ) -> None:
        self._plan = plan
        self._output = output
        self._envoy = envoy
        self._command = command
        self._watcher = watcher
        self._on_round = on_round
        self._environment = environment.capture(envoy.version if envoy else None)
        self._started_at = _now()
        self._measured: tuple[_Measured, ...] = ()
        self._rounds: list[list[Trial]] = []
        self._failures: dict[str, str] = {}
        self._warnings: list[str] = []
        self._round = 0

    @property
    def where(self) -> str:
        """Where the run is, in words."""
        if not self._round:
            return "before the first round"
        return f"in round {self._round} of {self._plan.rounds}"

    @property
    def measured_anything(self) -> bool:
        """Whether a round is complete."""
        return bool(self._rounds)

    def result(self, incomplete_reason: str | None = None) -> Run:
        """What the complete rounds have found."""
        return Run(
            plan=self._plan,
            subjects=tuple(self._subject(measured) for measured in self._measured),
            environment=self._environment,
            wsbench_version=__version__,
            command=self._command,
            started_at=self._started_at,
            finished_at=_now(),
            incomplete_reason=incomplete_reason,
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
        async with AsyncExitStack() as stack:
            driver = await stack.enter_async_context(driver_process(self._output / "driver.log"))
            for target in plan.targets:
                await self._probe(driver, target)
            lab = await stack.enter_async_context(open_lab(self._lab_plan())) if plan.arms else None
            self._measured = tuple(_measured(plan, lab))
            trial_of = _Trials(plan, driver, lab, self._watcher)
            await trial_of.note_idle()
            for number in range(1, plan.rounds + 1):
                self._round = number
                trials = await self._measure_round(number, trial_of)
                if not trials:
                    break
                self._rounds.append(trials)
                self._on_round(self.result("still running"))
        self._watcher.finished()

    async def _measure_round(self, number: int, trial_of: _Trials) -> list[Trial]:
        plan = self._plan
        by_name = {measured.name: measured for measured in self._measured}
        trials = []
        for position, name in enumerate(plan.order(number), 1):
            if name in self._failures:
                continue
            done = (number - 1) * len(by_name) + position - 1
            self._watcher.step(Step(number, plan.rounds, name, done, plan.rounds * len(by_name)))
            try:
                trial = await trial_of.measure(by_name[name], number, position)
            except LabDownError:
                raise
            except LabError as error:
                trial_of.check_alive()
                self._give_up(name, f"round {number}: {error}")
                continue
            if trial.failure:
                trial_of.check_alive()
                self._give_up(name, f"round {number}: {trial.failure}")
            trials.append(trial)
        return trials

    def _give_up(self, name: str, why: str) -> None:
        self._failures[name] = why
        self._watcher.note(f"{name}: given up: {why}")

    def _subject(self, measured: _Measured) -> Subject:
        claim = measured.claim
        return Subject(
            name=measured.name,
            kind=measured.kind,
            summary=measured.summary,
            url=measured.url,
            claim=document.Claim(
                hop_protocol=claim.hop_protocol if claim else None,
                refused_status=claim.refused_status if claim else None,
            ),
            trials=tuple(trial for trials in self._rounds for trial in trials if trial.name == measured.name),
            failure=self._failures.get(measured.name),
        )

    def _lab_plan(self) -> LabPlan:
        plan = self._plan
        return LabPlan(
            arms=plan.arms,
            output=self._output,
            envoy=self._envoy,
            envoy_concurrency=plan.envoy_concurrency,
            server_engine=plan.server_engine,
            max_message_bytes=plan.payload_bytes,
        )

    async def _probe(self, driver: DriverProcess, target: Target) -> None:
        """One short exchange before the run: a dead target is no matter of minutes."""
        plan = DrivePlan(
            target.url,
            connections=1,
            warmup_ns=0,
            duration_ns=_PROBE_NS,
            payload_bytes=self._plan.payload_bytes,
            payload_kind=self._plan.payload_kind,
            engine=self._plan.engine,
        )
        recording = await driver.drive(plan, _unheard)
        words = _words(recording)
        if not recording.opened:
            raise TargetError(f"target {target.name!r} ({target.url}) cannot be measured: {words}")
        if not recording.received:
            found = words or f"{recording.mismatched} wrong, {recording.unanswered} missing of {recording.sent}"
            raise TargetError(f"target {target.name!r} ({target.url}) does not echo what it is sent: {found}")


class _Trials:
    """Makes trials: drives, watches what the lab's processes use meanwhile, hears the witnesses."""

    def __init__(self, plan: RunPlan, driver: DriverProcess, lab: Lab | None, watcher: Watcher) -> None:
        self._plan = plan
        self._driver = driver
        self._lab = lab
        self._watcher = watcher
        self._idle: Mapping[int, Sample] = {}
        self._costs = ProcessCosts(_pids(lab))

    async def note_idle(self) -> None:
        """Note what every process of the lab weighs before its first connection."""
        self._idle = self._costs.sample(_pids(self._lab))

    def check_alive(self) -> None:
        """Raise LabDownError where what every arm needs is gone."""
        if self._lab:
            self._lab.check_alive()

    async def measure(self, measured: _Measured, number: int, position: int) -> Trial:
        """One trial. Raises LabError where a part of the lab has died."""
        place = measured.place
        observer = Observer(place.client, place.server) if place and place.client and place.server else None
        if observer:
            await observer.begin()
        # Of this arm only: what has become of another one is not this one's matter.
        pids = [*self._lab.server_pids, *_sidecar_pids(place)] if place and self._lab else []
        moments: dict[Phase, Mapping[int, Sample]] = {}
        hop: tuple[int | None, int | None] = (None, None)

        async def on_progress(progress: DriveProgress) -> None:
            nonlocal hop
            self._watcher.drive(progress)
            if progress.phase in moments:
                return
            if progress.phase in (Phase.MEASURING, Phase.DRAINING):
                moments[progress.phase] = self._costs.sample(pids)
            elif progress.phase is Phase.WARMUP and observer:
                # Every connection is open, nothing is being measured yet.
                moments[progress.phase] = {}
                hop = await observer.hop_connections()

        refusal_claimed = bool(measured.claim and measured.claim.refused_status)
        plan = self._plan.drive_plan(measured.url, number, refusal_claimed=refusal_claimed)
        recording = await self._driver.drive(plan, on_progress)
        refused = sum(recording.rejections.values())
        evidence = await observer.finish(recording.opened, refused) if observer else None
        return self._trial(measured, number, position, recording, evidence, moments, hop)

    def _trial(
        self,
        measured: _Measured,
        number: int,
        position: int,
        recording: Recording,
        evidence: Evidence | None,
        moments: Mapping[Phase, Mapping[int, Sample]],
        hop: tuple[int | None, int | None],
    ) -> Trial:
        proof = judge(
            measured.claim,
            opened=recording.opened,
            refused=recording.rejections,
            hop_protocols=recording.hop_protocols,
            evidence=evidence,
        )
        refusal = refusal_of(recording.rejections, evidence) if recording.rejections else None
        place = measured.place
        sidecars = (place.client, place.server) if place else (None, None)
        uses = [
            self._use([sidecar.pid], moments, connections) if sidecar and moments else None
            for sidecar, connections in zip(sidecars, hop, strict=True)
        ]
        return Trial(
            name=measured.name,
            round=number,
            position=position,
            recording=recording,
            proof=proof,
            refusal=refusal,
            server=self._use(list(self._lab.server_pids), moments, None) if place and self._lab else None,
            client_sidecar=uses[0],
            server_sidecar=uses[1],
            failure=_failure(measured.claim, recording),
        )

    def _use(
        self, pids: list[int], moments: Mapping[Phase, Mapping[int, Sample]], hop_connections: int | None
    ) -> ProcessUse | None:
        before, after = moments.get(Phase.MEASURING), moments.get(Phase.DRAINING)
        if before is None or after is None:
            return None
        return ProcessUse(
            cpu_ns=sum(after[pid].cpu_ns - before[pid].cpu_ns for pid in pids),
            rss_growth_bytes=sum(after[pid].rss_bytes - self._idle[pid].rss_bytes for pid in pids),
            hop_connections=hop_connections,
        )


def _measured(plan: RunPlan, lab: Lab | None) -> list[_Measured]:
    found = []
    for arm in plan.arms:
        assert lab is not None, "a plan with arms has a lab"
        place = lab.targets[arm.name]
        kind = "sidecar" if arm.hop else "direct"
        found.append(_Measured(arm.name, kind, arm.summary, place.url, arm.claim, place))
    found.extend(
        _Measured(target.name, "target", "a target of the user's own", target.url, None, None)
        for target in plan.targets
    )
    return found


def _pids(lab: Lab | None) -> list[int]:
    if lab is None:
        return []
    return [*lab.server_pids, *(pid for place in lab.targets.values() for pid in _sidecar_pids(place))]


def _sidecar_pids(place: LabTarget) -> list[int]:
    return [sidecar.pid for sidecar in (place.client, place.server) if sidecar]


async def _unheard(_progress: DriveProgress) -> None:
    pass


def _failure(claim: Claim | None, recording: Recording) -> str | None:
    """Why a trial did not give what its arm claims; None where it did."""
    if claim is not None and claim.refused_status is not None:
        return (
            None if recording.rejections else f"nothing was refused: {_words(recording) or 'every upgrade succeeded'}"
        )
    if not recording.opened:
        return f"no connection could be opened: {_words(recording)}"
    if not recording.received:
        return f"no echo came back: {_words(recording) or f'{recording.unanswered} unanswered'}"
    return None


def _words(recording: Recording) -> str:
    return "; ".join(
        f"{count} x {kind} ({recording.details.get(kind, 'no words')})" for kind, count in recording.errors.items()
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
