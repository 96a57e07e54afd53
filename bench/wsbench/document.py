"""result.json as types: the contract that scripts, dashboards and our own reports read.

The document is plain data, so that a report is a function of one finished value and an old file renders as a new one
does. ``schema/result-1.schema.json`` says the same to other languages; a test holds the two together. Every time is in
microseconds and its name ends in ``_us``.
"""

from __future__ import annotations

from typing import TypedDict

SCHEMA_VERSION = 1


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
    """What an arm says of its hop: the protocol it speaks, and the status it is expected to be refused with."""

    hop_protocol: str | None
    refused_status: int | None


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
    """CPU of one process (all its threads) in the measured window, per message echoed."""

    cpu_us_per_message: float | None


class SidecarCost(ProcessCost):
    """Cost of one Envoy: CPU, memory above its idle size, and its TCP connections on the hop."""

    rss_kib_per_connection: float | None
    hop_connections: int | None


class Sidecars(TypedDict):
    """The two Envoys of an arm."""

    client: SidecarCost
    server: SidecarCost


class Figures(TypedDict):
    """What is measured of an arm, over all rounds or in one.

    ``achieved_rate`` is echoes per second read inside the measured window. ``unsent`` messages were due but never left
    (open loop), ``unrecorded`` values did not fit the histogram.
    """

    connect: Latency
    connect_tcp: Latency
    connect_upgrade: Latency
    service_time: Latency
    response_time: Latency | None
    send_lag: Latency | None
    achieved_rate: float | None
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


class Round(Figures):
    """One trial of the arm."""

    round: int
    position: int
    proof: str
    warmup_us: float
    window_us: float


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
    """Candidate over baseline, paired by round. ``ratio`` and its interval are null where data are insufficient."""

    metric: str
    baseline: str
    candidate: str
    lower_is_better: bool
    rounds: int
    ratio: float | None
    ci_low: float | None
    ci_high: float | None
    confidence: float
    verdict: str


class Plan(TypedDict):
    """What was asked for. ``rate`` and ``connect_rate`` are null for "max"; ``rate`` null is the closed loop."""

    arms: list[str]
    targets: dict[str, str]
    connections: int
    duration_us: float
    warmup_us: float
    rounds: int
    payload_bytes: int
    payload_kind: str
    rate: float | None
    connect_rate: float | None
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


class Result(TypedDict):
    """The whole of result.json."""

    schema_version: int
    wsbench_version: str
    complete: bool
    incomplete_reason: str | None
    started_at: str
    finished_at: str
    command: str
    environment: Environment
    plan: Plan
    arms: dict[str, ArmResult]
    comparisons: list[Comparison]
    warnings: list[str]
