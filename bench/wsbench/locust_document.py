"""From what a Locust master was told to the result document: a target without a lab, a round each interval of time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wsbench import document, hlog
from wsbench.figures import latency
from wsbench.plan import RunPlan, Target
from wsbench.proof import judge
from wsbench.results import EndedBy, Run, Subject, to_document
from wsbench.trial import Trial
from wsbench_client import DrivePlan, EngineName, PayloadKind
from wsbench_client.stretch import Stretch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wsbench.locust_fleet import Fleet, Member

TARGET = "target"
"""The name of what is measured: that of a ``--target`` given without one, so that the two compare."""

_ENGINE = "websocket-client"
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Asked:
    """What Locust was asked for: ``users`` by class, of which ``drivers`` hold a driver of ``driver_connections`` each.

    ``user_rate`` is messages a second of each user; None for no limit.
    """

    url: str
    users: Mapping[str, int]
    spawn_rate: float | None
    run_time_s: float | None
    payload_bytes: int
    payload_kind: PayloadKind
    user_rate: float | None
    drivers: int = 0
    driver_connections: int = 0

    @property
    def connections(self) -> int:
        """Of all users."""
        return sum(self.users.values()) - self.drivers + self.drivers * self.driver_connections

    @property
    def all_drivers(self) -> bool:
        """Whether there is no other user."""
        return 0 < self.drivers == sum(self.users.values())

    @property
    def rate(self) -> float | None:
        """Messages due each second: only where drivers send them, for others wait for the echo before."""
        return self.user_rate * self.drivers if self.user_rate and self.all_drivers else None


@dataclass(frozen=True, slots=True)
class About:
    """What is known of the test besides."""

    environment: document.Environment
    wsbench_version: str
    locust_version: str
    command: str
    started_at: str
    finished_at: str
    incomplete_reason: str | None
    ended_by: EndedBy
    warnings: tuple[str, ...] = ()


def locust_document(asked: Asked, fleet: Fleet, about: About) -> document.Result:
    """The content of result.json. Raises ValueError where nothing at all was reported."""
    rounds = fleet.rounds()
    if not rounds:
        raise ValueError("no worker has reported anything")
    run = Run(
        plan=_plan(asked, fleet, len(rounds)),
        subjects=(_subject(asked, rounds),),
        environment=about.environment,
        wsbench_version=about.wsbench_version,
        command=about.command,
        started_at=about.started_at,
        finished_at=about.finished_at,
        incomplete_reason=about.incomplete_reason,
        ended_by=about.ended_by,
        warnings=(*about.warnings, *fleet.latecomers()),
    )
    result = to_document(run)
    if not asked.all_drivers:
        result["plan"]["engine"] = _ENGINE
    result["locust"] = document.LocustTest(
        locust_version=about.locust_version,
        users=dict(asked.users),
        spawn_rate=asked.spawn_rate,
        run_time_us=None if asked.run_time_s is None else asked.run_time_s * 1e6,
        workers=[_worker(member, fleet, asked) for member in fleet.members.values()],
    )
    return result


def logs(fleet: Fleet) -> dict[str, str]:
    """Histogram logs by file name: an interval a round of all workers together, and one interval of each worker."""
    found = {}
    for name, stretches in (
        (TARGET, fleet.rounds()),
        *((member.name, (member.total,)) for member in fleet.members.values() if member.total),
    ):
        for what, histograms in (
            ("connect", [stretch.histogram("connect") for stretch in stretches]),
            ("rtt", [stretch.round_trip for stretch in stretches]),
        ):
            intervals = [
                hlog.Interval(stretch.begin_unix_ns / _NS, (stretch.end_unix_ns - stretch.begin_unix_ns) / _NS, one)
                for stretch, one in zip(stretches, histograms, strict=True)
                if one.count
            ]
            if intervals:
                found[f"{name}.{what}.hlog"] = hlog.render(name, intervals)
    return found


def _plan(asked: Asked, fleet: Fleet, rounds: int) -> RunPlan:
    # Every driver is a process; the other users of a Locust worker share its one.
    processes = asked.drivers if asked.all_drivers else len(fleet.members) + asked.drivers
    connections = max(asked.connections, 1)
    return RunPlan(
        arms=(),
        targets=(Target(TARGET, asked.url),),
        connections=connections,
        duration_ns=fleet.interval_ns,
        warmup_ns=0,
        rounds=rounds,
        payload_bytes=asked.payload_bytes,
        payload_kind=asked.payload_kind,
        rate=asked.rate,
        connect_rate=None,
        engine=EngineName.PICOWS,
        server_engine=EngineName.WEBSOCKETS,
        envoy_path=None,
        envoy_concurrency=1,
        seed=0,
        workers=min(max(processes, 1), connections),
    )


def _subject(asked: Asked, rounds: Sequence[Stretch]) -> Subject:
    plan = DrivePlan(asked.url, max(asked.connections, 1), payload_bytes=asked.payload_bytes, rate=asked.rate)
    trials = tuple(
        Trial(
            name=TARGET,
            round=number,
            position=1,
            recording=stretch.recording(plan),
            proof=judge(None, opened=stretch.opened, refused={}, hop_protocols=stretch.hop_protocols, evidence=None),
        )
        for number, stretch in enumerate(rounds, 1)
    )
    nothing = document.Claim(hop_protocol=None, refused_status=None, transport=None, sidecars=None)
    failure = None
    if not any(stretch.received for stretch in rounds):
        words = [f"{count} x {kind}" for stretch in rounds for kind, count in stretch.errors.items()]
        failure = f"no echo came back: {'; '.join(words[:5]) or 'no user sent anything'}"
    return Subject(TARGET, "target", "driven by Locust", asked.url, nothing, trials, failure)


def _worker(member: Member, fleet: Fleet, asked: Asked) -> document.LocustWorker:
    total = member.total or Stretch(member.joined_unix_ns, member.joined_unix_ns)
    window_ns = total.end_unix_ns - total.begin_unix_ns
    return document.LocustWorker(
        worker=member.name,
        users=dict(member.users),
        finished=member.final,
        reports=member.reports,
        reports_lost=member.reports_lost,
        messages_lost=member.messages_lost,
        last_report_us=max(member.last_heard_unix_ns - fleet.begun_unix_ns, 0) / 1000,
        opened=total.opened,
        sent=total.sent,
        received=total.received,
        unanswered=total.unanswered,
        unsent=total.unsent,
        mismatched=total.mismatched,
        errors={str(kind): count for kind, count in sorted(total.errors.items())},
        driver=document.ProcessCost(
            cpu_us_per_message=total.cpu_ns / 1000 / total.received if total.received else None,
            cpu_cores=total.cpu_ns / window_ns if window_ns else None,
            # A worker's memory is Locust's and its users', of every kind.
            rss_kib_per_connection=None,
        ),
        connect=latency(total.histogram("connect")),
        first_echo=latency(total.histogram("first_echo")),
        service_time=latency(total.histogram("service_time")),
        response_time=latency(total.histogram("response_time")) if asked.rate else None,
    )
