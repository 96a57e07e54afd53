"""saturation.json, schema version 1: the types of its content, and how it is made. Times are microseconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from wsbench import document, proof
from wsbench.comparing import compared_pairs
from wsbench.figures import figures_of
from wsbench.limits import too_busy
from wsbench.results import mix_document, proof_document
from wsbench.saturation import CapacityVerdict, Limit, capacity, judge, outcome, rate_of, ratio, setting_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wsbench.results import Subject
    from wsbench.saturation import SaturationPlan
    from wsbench.trial import Trial

SCHEMA_VERSION = 1
KIND = "saturation"


class Objective(TypedDict):
    """What a percentile of the response time must stay under."""

    percentile: float
    limit_us: float


class Plan(TypedDict):
    """What was asked for. Rates are messages per second over all connections; ``max_lost`` is a share."""

    arms: list[str]
    targets: dict[str, str]
    objectives: list[Objective]
    max_lost: float
    first_rate: float
    lowest_rate: float
    highest_rate: float
    growth: float
    resolution: float
    repeats: int
    max_duration_us: float | None
    connections: int
    duration_us: float
    warmup_us: float
    payload_bytes: int
    payload_mix: list[document.PayloadShare] | None
    payload_kind: str
    pattern: str
    engine: str
    workers: int
    server_engine: str
    envoy_concurrency: int
    seed: int


class Cores(TypedDict):
    """CPU seconds a second of every part in a trial's window; null where there is no such part, or it is not ours."""

    driver: float | None
    server: float | None
    client_sidecar: float | None
    server_sidecar: float | None
    machine: float | None


class Step(TypedDict):
    """A trial: one rate tried on one arm. ``missed`` says, in words, which objectives did not hold."""

    round: int
    position: int
    rate: float
    carried: bool
    missed: list[str]
    achieved_rate: float | None
    sent: int
    unanswered: int
    unsent: int
    mismatched: int
    response_time: document.Latency
    send_lag: document.Latency
    cpu_cores: Cores
    errors: dict[str, int]


class Capacity(TypedDict):
    """``low`` was carried, ``high`` was not, messages per second; see ``saturation.Capacity``."""

    low: float | None
    high: float | None
    limit: str


class Arm(TypedDict):
    """One arm or target: what it claims, whether that is proved, what it carries, every trial."""

    kind: str
    summary: str
    url: str
    claim: document.Claim
    proof: document.Proof
    outcome: str
    failure: str | None
    capacity: Capacity | None
    steps: list[Step]


class Comparison(TypedDict):
    """A candidate's capacity over its baseline's: from bracket to bracket, no confidence interval."""

    baseline: str
    candidate: str
    ratio_low: float | None
    ratio_high: float | None
    verdict: str


class Saturation(TypedDict):
    """The whole document."""

    kind: str
    schema_version: int
    wsbench_version: str
    complete: bool
    incomplete_reason: str | None
    too_busy: str | None
    started_at: str
    finished_at: str
    command: str
    environment: document.Environment
    plan: Plan
    arms: dict[str, Arm]
    comparisons: list[Comparison]
    warnings: list[str]


@dataclass(frozen=True, slots=True)
class SaturationRun:
    """A search, finished or not: the last value before the document."""

    plan: SaturationPlan
    subjects: tuple[Subject, ...]
    environment: document.Environment
    wsbench_version: str
    command: str
    started_at: str
    finished_at: str
    incomplete_reason: str | None = None
    warnings: tuple[str, ...] = ()


def to_document(run: SaturationRun) -> Saturation:
    """The content of saturation.json."""
    cpus = run.environment["cpu_count"]
    arms = {subject.name: _arm(subject, run.plan, cpus) for subject in run.subjects}
    uses = [
        figures_of([trial], setting_of(run.plan, cpus))["machine"]
        for subject in run.subjects
        for trial in subject.trials
    ]
    return Saturation(
        kind=KIND,
        schema_version=SCHEMA_VERSION,
        wsbench_version=run.wsbench_version,
        complete=run.incomplete_reason is None,
        incomplete_reason=run.incomplete_reason,
        too_busy=too_busy(uses, cpu_count=cpus, load_average=run.environment["load_average"]),
        started_at=run.started_at,
        finished_at=run.finished_at,
        command=run.command,
        environment=run.environment,
        plan=_plan(run.plan),
        arms=arms,
        comparisons=_comparisons(run.subjects, run.plan, cpus),
        warnings=[*run.warnings, *_warnings(arms)],
    )


def _plan(plan: SaturationPlan) -> Plan:
    load, search = plan.load, plan.search
    return Plan(
        arms=[arm.name for arm in load.arms],
        targets={target.name: target.url for target in load.targets},
        objectives=[Objective(percentile=one.percentile, limit_us=one.limit_ns / 1000) for one in plan.objectives],
        max_lost=plan.max_lost,
        first_rate=search.first,
        lowest_rate=search.lowest,
        highest_rate=search.highest,
        growth=search.growth,
        resolution=search.resolution,
        repeats=search.repeats,
        max_duration_us=None if load.max_duration_ns is None else load.max_duration_ns / 1000,
        connections=load.connections,
        duration_us=load.duration_ns / 1000,
        warmup_us=load.warmup_ns / 1000,
        payload_bytes=load.payload_bytes,
        payload_mix=mix_document(load.payload_mix) if load.payload_mix else None,
        payload_kind=load.payload_kind,
        pattern=str(load.pattern),
        engine=load.engine,
        workers=load.workers,
        server_engine=load.server_engine,
        envoy_concurrency=load.envoy_concurrency,
        seed=load.seed,
    )


def _arm(subject: Subject, plan: SaturationPlan, cpus: int) -> Arm:
    found = capacity(subject, plan, cpus)
    return Arm(
        kind=subject.kind,
        summary=subject.summary,
        url=subject.url,
        claim=subject.claim,
        proof=proof_document(proof.merge([trial.proof for trial in subject.trials])),
        outcome=outcome(subject),
        failure=subject.failure if subject.trials or subject.failure else "not measured: the search ended before it",
        capacity=None if found is None else Capacity(low=found.low, high=found.high, limit=found.limit),
        steps=[_step(trial, plan, cpus) for trial in subject.trials],
    )


def _step(trial: Trial, plan: SaturationPlan, cpus: int) -> Step:
    figures = figures_of([trial], setting_of(plan, cpus))
    judged = judge(trial, plan)
    response, lag, sidecars, machine = (
        figures["response_time"], figures["send_lag"], figures["sidecars"], figures["machine"],
    )  # fmt: skip
    assert response is not None, "a search drives the open loop"
    assert lag is not None, "a search drives the open loop"
    return Step(
        round=trial.round,
        position=trial.position,
        rate=rate_of(trial),
        carried=judged.carried,
        missed=list(judged.missed),
        achieved_rate=figures["achieved_rate"],
        sent=figures["sent"],
        unanswered=figures["unanswered"],
        unsent=figures["unsent"],
        mismatched=figures["mismatched"],
        response_time=response,
        send_lag=lag,
        cpu_cores=Cores(
            driver=_cores(figures["driver"]),
            server=_cores(figures["server"]),
            client_sidecar=_cores(sidecars["client"] if sidecars else None),
            server_sidecar=_cores(sidecars["server"] if sidecars else None),
            machine=machine["busy_cores"] if machine else None,
        ),
        errors=figures["errors"],
    )


def _cores(cost: document.ProcessCost | None) -> float | None:
    return cost["cpu_cores"] if cost else None


def _comparisons(subjects: Iterable[Subject], plan: SaturationPlan, cpus: int) -> list[Comparison]:
    found = {subject.name: capacity(subject, plan, cpus) for subject in subjects}
    known = {name: one for name, one in found.items() if one is not None}
    kinds = {subject.name: subject.kind for subject in subjects if subject.name in known}
    comparisons = []
    for baseline, candidate in compared_pairs(kinds):
        over = ratio(known[baseline], known[candidate])
        comparisons.append(
            Comparison(
                baseline=baseline,
                candidate=candidate,
                ratio_low=over.low,
                ratio_high=over.high,
                verdict=CapacityVerdict(over.verdict).value,
            )
        )
    return comparisons


def _warnings(arms: Mapping[str, Arm]) -> list[str]:
    found = []
    for name, arm in arms.items():
        limit = arm["capacity"]["limit"] if arm["capacity"] else None
        if limit == Limit.MACHINE:
            found.append(f"{name}: all CPUs of this machine were in use: on a larger one the hop may carry more")
        if limit == Limit.DRIVER:
            found.append(f"{name}: the driver was at its limit: try --workers auto, or a larger machine")
        if limit == Limit.SERVER:
            found.append(f"{name}: the echo server was at its limit: try --server-engine picows")
        if limit == Limit.UNFINISHED:
            found.append(f"{name}: the search was cut short: its bracket is wider than asked")
    return found
