"""One trial: the load driven, what the lab's processes and the machine did meanwhile, the witnesses heard."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wsbench import document, machine
from wsbench.cost import ProcessCosts
from wsbench.evidence import Observer
from wsbench.mesh_proof import judge_target
from wsbench.proof import judge, refusal_of
from wsbench.results import Subject
from wsbench.trial import ProcessUse, Trial
from wsbench_client import Phase

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wsbench.arms import Claim
    from wsbench.cost import Sample
    from wsbench.driver_process import DriverProcess
    from wsbench.lab import Lab, LabTarget
    from wsbench.mesh_proof import Destination, SidecarEvidence
    from wsbench.pod_sidecar import PodMesh
    from wsbench.progress import Watcher
    from wsbench.proof import Proof
    from wsbench.witnesses import Evidence
    from wsbench_client import DrivePlan, Recording
    from wsbench_client import Progress as DriveProgress


@dataclass(frozen=True, slots=True)
class Contender:
    """One name of a round: where it is, what it claims, and its part of the lab if it has one."""

    name: str
    kind: str
    summary: str
    url: str
    claim: Claim | None
    place: LabTarget | None

    @property
    def refusal_claimed(self) -> bool:
        """Whether it claims that its upgrades are refused."""
        return bool(self.claim and self.claim.refused_status)

    def subject(self, trials: Iterable[Trial], failure: str | None) -> Subject:
        """What was found of it: those of ``trials`` that are its own, and why it was given up."""
        claim = document.Claim(
            hop_protocol=self.claim.hop_protocol if self.claim else None,
            refused_status=self.claim.refused_status if self.claim else None,
            # A target may claim a protocol; what carries it, and where proxies are, is the mesh's own.
            transport=self.claim.transport if self.claim and self.place else None,
            sidecars=self.claim.sidecars if self.claim and self.place else None,
        )
        own = tuple(trial for trial in trials if trial.name == self.name)
        return Subject(self.name, self.kind, self.summary, self.url, claim, own, failure)


@dataclass(frozen=True, slots=True)
class _Moment:
    """The lab's processes and the machine at one moment of a trial."""

    processes: Mapping[int, Sample]
    machine: machine.Sample


class Trials:
    """Makes trials: drives, watches what processes use meanwhile, hears the witnesses."""

    def __init__(
        self, driver: DriverProcess, lab: Lab | None, watcher: Watcher, mesh_around: PodMesh | None = None
    ) -> None:
        self._driver = driver
        self._lab = lab
        self._watcher = watcher
        self._mesh_around = mesh_around
        self._idle: Mapping[int, Sample] = {}
        self._driver_idle_kib: int | None = None
        self._costs = ProcessCosts(_pids(lab))

    async def note_idle(self) -> None:
        """Note what every process of the lab weighs before its first connection."""
        self._idle = self._costs.sample(_pids(self._lab))

    def check_alive(self) -> None:
        """Raise LabDownError where what every arm needs is gone."""
        if self._lab:
            self._lab.check_alive()

    async def measure(self, contender: Contender, plan: DrivePlan, number: int, position: int) -> Trial:
        """One trial: ``plan`` driven as trial ``position`` of round ``number``.

        Raises LabError where a part of the lab has died.
        """
        place = contender.place
        observer = None
        if place and place.arm.has_sidecars:
            observer = Observer(place.client, place.server, place.arm.claim.opened_status)
        fresh_hop = True
        if observer:
            fresh_hop = await observer.fresh_hop()
            await observer.begin()
        # A target's claim has other witnesses: those within reach of the driver's pod.
        watch = self._mesh_around.watch(contender.url) if self._mesh_around and contender.claim and not place else None
        if watch:
            await watch.begin()
        # Of this arm only: what has become of another one is not this one's matter.
        pids = [*self._lab.server.pids, *_sidecar_pids(place)] if place and self._lab else []
        moments: dict[Phase, _Moment] = {}
        hop: tuple[int | None, int | None] = (None, None)

        async def on_progress(progress: DriveProgress) -> None:
            nonlocal hop
            if progress.phase in moments:
                self._watcher.drive(progress)
                return
            if progress.phase in (Phase.MEASURING, Phase.DRAINING):
                moments[progress.phase] = _Moment(self._costs.sample(pids), machine.sample())
            elif progress.phase is Phase.WARMUP and (observer or watch):
                # Every connection is open, nothing is being measured yet.
                moments[progress.phase] = _Moment({}, machine.sample())
                if observer:
                    hop = await observer.hop_connections()
                if watch:
                    await watch.while_open()
            # Whoever draws this does so when the moment has been taken, not before.
            self._watcher.drive(progress)

        recording = await self._driver.drive(plan, on_progress)
        refused = sum(recording.rejections.values())
        evidence = await observer.finish(recording.opened, refused) if observer else None
        trial = self._trial(contender, number, position, recording, evidence, moments, hop)
        if watch and contender.claim:
            seen = await watch.finish()
            # Istio keeps a connection for an hour: the trial's first WebSocket may have found one.
            fresh_hop = not seen.open_before(watch.destination)
            trial = replace(trial, proof=_proof_of_target(contender.claim, watch.destination, recording, seen))
        trial = replace(trial, fresh_hop=fresh_hop)
        self._watcher.measured(trial)
        return trial

    def _trial(
        self,
        contender: Contender,
        number: int,
        position: int,
        recording: Recording,
        evidence: Evidence | None,
        moments: Mapping[Phase, _Moment],
        hop: tuple[int | None, int | None],
    ) -> Trial:
        proof = judge(
            contender.claim,
            opened=recording.opened,
            refused=recording.rejections,
            hop_protocols=recording.hop_protocols,
            evidence=evidence,
        )
        refusal = refusal_of(recording.rejections, evidence) if recording.rejections else None
        place = contender.place
        sidecars = (place.client, place.server) if place else (None, None)
        uses = [
            self._use([sidecar.pid], moments, connections) if sidecar and moments else None
            for sidecar, connections in zip(sidecars, hop, strict=True)
        ]
        return Trial(
            name=contender.name,
            round=number,
            position=position,
            recording=recording,
            proof=proof,
            refusal=refusal,
            server=self._use(list(self._lab.server.pids), moments, None) if place and self._lab else None,
            driver_growth_bytes=self._driver_growth(recording),
            client_sidecar=uses[0],
            server_sidecar=uses[1],
            machine=_machine_use(moments),
            failure=failure_of(contender.claim, recording),
        )

    def _driver_growth(self, recording: Recording) -> int | None:
        """A process keeps much of what it once had: the idle size is that before the first drive of all."""
        if self._driver_idle_kib is None:
            self._driver_idle_kib = recording.rss_idle_kib
        if self._driver_idle_kib is None or recording.rss_connected_kib is None:
            return None
        return (recording.rss_connected_kib - self._driver_idle_kib) * 1024

    def _use(self, pids: list[int], moments: Mapping[Phase, _Moment], hop_connections: int | None) -> ProcessUse | None:
        begin, end = moments.get(Phase.MEASURING), moments.get(Phase.DRAINING)
        if begin is None or end is None:
            return None
        before, after = begin.processes, end.processes
        return ProcessUse(
            cpu_ns=sum(after[pid].cpu_ns - before[pid].cpu_ns for pid in pids),
            rss_growth_bytes=sum(after[pid].rss_bytes - self._idle[pid].rss_bytes for pid in pids),
            hop_connections=hop_connections,
        )


def _proof_of_target(claim: Claim, destination: Destination, recording: Recording, evidence: SidecarEvidence) -> Proof:
    return judge_target(
        claim,
        destination,
        opened=recording.opened,
        refused=recording.rejections,
        hop_protocols=recording.hop_protocols,
        evidence=evidence,
    )


def failure_words(recording: Recording) -> str:
    """What went wrong with a drive's connections, in words; empty where nothing did."""
    return "; ".join(
        f"{count} x {kind} ({recording.details.get(kind, 'no words')})" for kind, count in recording.errors.items()
    )


def failure_of(claim: Claim | None, recording: Recording) -> str | None:
    """Why a trial did not give what its arm claims; None where it did."""
    words = failure_words(recording)
    if claim is not None and claim.refused_status is not None:
        return None if recording.rejections else f"nothing was refused: {words or 'every upgrade succeeded'}"
    if not recording.opened:
        return f"no connection could be opened: {words}"
    if not recording.received:
        missing = "nothing was acknowledged" if recording.plan.pattern.one_way else "no echo came back"
        return f"{missing}: {words or f'{recording.unanswered} unanswered'}"
    return None


def _machine_use(moments: Mapping[Phase, _Moment]) -> machine.Use | None:
    begin, end = moments.get(Phase.MEASURING), moments.get(Phase.DRAINING)
    if begin is None or end is None:
        return None
    return machine.use_between(begin.machine, end.machine)


def _pids(lab: Lab | None) -> list[int]:
    if lab is None:
        return []
    return [*lab.server.pids, *(pid for place in lab.targets.values() for pid in _sidecar_pids(place))]


def _sidecar_pids(place: LabTarget) -> list[int]:
    return [sidecar.pid for sidecar in (place.client, place.server) if sidecar]
