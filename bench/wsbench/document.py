"""result.json as types: the contract that scripts, dashboards and our own reports read.

The document is plain data, so that a report is a function of one finished value and an old file renders as a new one
does. ``schema/result-2.schema.json`` says the same to other languages; a test holds the two together. Every time is in
microseconds and its name ends in ``_us``. A file of version 1 is read as one of version 2 (``upgrading``), null in all
that version 1 did not know.
"""

from __future__ import annotations

from typing import NotRequired, TypedDict

SCHEMA_VERSION = 2


class Latency(TypedDict):
    """Percentiles of one latency, microseconds; all but ``count`` are null where nothing was recorded."""

    count: int
    mean_us: float | None
    p50_us: float | None
    p90_us: float | None
    p99_us: float | None
    p999_us: float | None
    p9999_us: float | None
    max_us: float | None


class Claim(TypedDict):
    """What an arm says of its hop: the protocol it speaks, and the status it is expected to be refused with.

    ``transport``: plaintext, mTLS, HBONE or QUIC; ``sidecars``: none, both, clientonly or serveronly. Null of a target.
    """

    hop_protocol: str | None
    refused_status: int | None
    transport: str | None
    sidecars: str | None


class Witness(TypedDict):
    """What one independent source said about the hop, over all trials of the arm."""

    witness: str
    says: str | None
    websockets: int
    verdict: str
    detail: str
    sample: str | None


class Proof(TypedDict):
    """The verdict when the claim and the witnesses are held together: proved, disproved or unproved."""

    verdict: str
    summary: str
    witnesses: list[Witness]


class Refusal(TypedDict):
    """How upgrades were refused, why, and what to do about it."""

    status: int
    count: int
    reason: str
    remedy: str


class ProcessCost(TypedDict):
    """What one part (all its processes and threads) cost: its CPU in the measured windows, and its memory.

    CPU per message echoed, and in cores: CPU seconds a second. Memory above its idle size, per open connection: the
    driver's before traffic, the others' at the end of the window.
    """

    cpu_us_per_message: float | None
    cpu_cores: float | None
    rss_kib_per_connection: float | None


class SidecarCost(ProcessCost):
    """Cost of one Envoy, and its connections on the hop (TCP, or QUIC of HTTP/3)."""

    hop_connections: int | None


class Sidecars(TypedDict):
    """The Envoys of an arm; null on a side that has none."""

    client: SidecarCost | None
    server: SidecarCost | None


class ConnectPhases(TypedDict):
    """The parts of connecting: TCP, upgrade (with TLS) to the 101, these together, and from there to the first echo."""

    connect: Latency
    connect_tcp: Latency
    connect_upgrade: Latency
    first_echo: Latency


class MachineUse(TypedDict):
    """What the whole machine did in the measured windows, in cores (CPU seconds a second) of ``cpu_count``.

    ``others_cores`` is what neither the driver nor the lab used; the kernel's work on their packets is in it. ``steal``
    is what the hypervisor kept.
    """

    busy_cores: float
    others_cores: float | None
    steal_cores: float


class Figures(TypedDict):
    """What is measured of an arm, over all rounds or in one.

    ``achieved_rate`` is echoes per second read inside the measured window; one-way, messages that the server
    acknowledged in it, and ``goodput_mb_per_s`` is their payload in 10^6 bytes per second (null for other patterns).
    ``unsent`` messages were due but never left (open loop), ``unrecorded`` values did not fit the histogram. ``cold``
    is the first connection of each trial, over a fresh hop, ``warm`` all further ones; ``connect`` and its parts are
    both together. ``connect_rate`` is how many connections were opened a second, each with its first echo. ``loop_lag``
    is how late the driver's own event loop was. ``bound_by`` names what was saturated: see ``limits.Bound``.
    """

    connect: Latency
    connect_tcp: Latency
    connect_upgrade: Latency
    first_echo: Latency | None
    cold: ConnectPhases | None
    warm: ConnectPhases | None
    connect_rate: float | None
    service_time: Latency
    response_time: Latency | None
    send_lag: Latency | None
    loop_lag: Latency | None
    achieved_rate: float | None
    goodput_mb_per_s: float | None
    sent: int
    received: int
    unanswered: int
    unsent: int
    mismatched: int
    unrecorded: int
    errors: dict[str, int]
    closes: dict[str, int]
    driver: ProcessCost
    server: ProcessCost | None
    sidecars: Sidecars | None
    machine: MachineUse | None
    bound_by: list[str] | None


class Second(TypedDict):
    """A second of a trial (the last one may be shorter), from ``start_us`` after the window's begin.

    Echoes read in it, and the round trips (response time in the open loop) of the messages that began in it.
    """

    start_us: float
    width_us: float
    received: int
    p50_us: float | None
    p99_us: float | None
    max_us: float | None


class Round(Figures):
    """One trial of the arm."""

    round: int
    position: int
    proof: str
    warmup_us: float
    window_us: float
    series: list[Second] | None


class Curve(TypedDict):
    """A percentile curve: points of (percentile 0 to 100, value in microseconds), in rising order."""

    service_time: list[tuple[float, float]]
    response_time: list[tuple[float, float]] | None
    connect: list[tuple[float, float]]


class ArmResult(Figures):
    """One arm, over all rounds. ``outcome``: measured, refused (as claimed) or failed."""

    kind: str
    summary: str
    url: str
    claim: Claim
    proof: Proof
    outcome: str
    failure: str | None
    refusal: Refusal | None
    curves: Curve
    rounds: list[Round]


class Comparison(TypedDict):
    """Candidate over baseline, paired by round. ``ratio`` and its interval are null where data are insufficient.

    ``precision`` is how far either end of the interval is from its middle, as a ratio less one: 0.05 for "within 5%".
    """

    metric: str
    baseline: str
    candidate: str
    lower_is_better: bool
    rounds: int
    ratio: float | None
    ci_low: float | None
    ci_high: float | None
    confidence: float
    precision: float | None
    verdict: str


class PayloadShare(TypedDict):
    """A size of messages and its share of all of them, as asked for."""

    bytes: int
    share: float


class Plan(TypedDict):
    """What was asked for. ``rate`` and ``connect_rate`` are null for "max"; ``rate`` null is the closed loop.

    ``payload_bytes`` is the mean where there is a ``payload_mix``. ``pattern``: echo, burst:N or one-way. ``ramp_us``:
    the time over which connections are opened, null where ``connect_rate`` says how fast.

    ``rounds`` is the least number where ``until_precision`` (a ratio less one) asks for as many as it takes.
    """

    arms: list[str]
    targets: dict[str, str]
    connections: int
    duration_us: float
    warmup_us: float
    rounds: int
    until_precision: float | None
    max_duration_us: float | None
    workers: int
    payload_bytes: int
    payload_mix: list[PayloadShare] | None
    payload_kind: str
    pattern: str
    rate: float | None
    connect_rate: float | None
    ramp_us: float | None
    engine: str
    server_engine: str
    envoy_concurrency: int
    sabotage: list[str]
    seed: int


class Environment(TypedDict):
    """The machine and the versions. ``load_average`` is the one-minute figure when the run began."""

    platform: str
    kernel: str
    cpu_model: str
    cpu_count: int
    memory_mib: int
    python: str
    libraries: dict[str, str]
    envoy: str | None
    load_average: float
    congestion_control: str | None


class LocustWorker(TypedDict):
    """One worker of a Locust test: what it did over the whole of it, and how much of that is known.

    ``last_report_us`` is how far into the test its last report reaches; ``finished`` says that it told all it had.
    ``messages_lost`` are answered messages that it counted in reports, of which one or more did not come.
    """

    worker: str
    users: dict[str, int]
    finished: bool
    reports: int
    reports_lost: int
    messages_lost: int
    last_report_us: float
    opened: int
    sent: int
    received: int
    unanswered: int
    unsent: int
    mismatched: int
    errors: dict[str, int]
    driver: ProcessCost
    connect: Latency
    first_echo: Latency
    service_time: Latency
    response_time: Latency | None


class LocustTest(TypedDict):
    """What Locust was asked for, and its workers. ``users`` by class; ``run_time_us`` null without a limit."""

    locust_version: str
    users: dict[str, int]
    spawn_rate: float | None
    run_time_us: float | None
    workers: list[LocustWorker]


class Result(TypedDict):
    """The whole of result.json.

    ``ended_by``: rounds, precision, max_duration, or why it is not complete (signal, error); null where not known.
    ``too_busy`` says why the machine was too busy to measure on; null where it was not. ``locust`` is there where
    Locust drove the load.
    """

    schema_version: int
    wsbench_version: str
    complete: bool
    incomplete_reason: str | None
    ended_by: str | None
    too_busy: str | None
    started_at: str
    finished_at: str
    command: str
    environment: Environment
    plan: Plan
    arms: dict[str, ArmResult]
    comparisons: list[Comparison]
    warnings: list[str]
    locust: NotRequired[LocustTest]
