"""From trials to the result document: pooling over rounds, and the comparisons."""

from __future__ import annotations

import statistics as pooling
from collections import Counter
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from wsbench import document, proof
from wsbench.statistics import CONFIDENCE, MIN_ROUNDS, ratio_of_pairs, verdict_of
from wsbench_client.histogram import LatencyHistogram

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from wsbench.plan import RunPlan
    from wsbench.trial import ProcessUse, Trial
    from wsbench_client import Recording

PERCENTILES = {"p50_us": 50.0, "p90_us": 90.0, "p99_us": 99.0, "p999_us": 99.9, "p9999_us": 99.99, "max_us": 100.0}
# Points of the percentile curves: ten steps for each further nine.
_CURVE_NINES = 5
_CURVE_STEPS = 10
_CLIENT_BOUND_CPU = 0.9
_CLIENT_BOUND_LAG = 0.1
_BASELINES = ("http1", "direct")


@dataclass(frozen=True, slots=True)
class Subject:
    """An arm or a target, and what was found of it: the trials of complete rounds, in order.

    ``failure`` is set where it was given up.
    """

    name: str
    kind: str
    summary: str
    url: str
    claim: document.Claim
    trials: tuple[Trial, ...]
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """A run, finished or not: the last value before the document."""

    plan: RunPlan
    subjects: tuple[Subject, ...]
    environment: document.Environment
    wsbench_version: str
    command: str
    started_at: str
    finished_at: str
    incomplete_reason: str | None = None
    warnings: tuple[str, ...] = ()


def to_document(run: Run) -> document.Result:
    """The content of result.json."""
    arms = {subject.name: _arm(subject, open_loop=run.plan.open_loop) for subject in run.subjects}
    comparisons = compare(arms, open_loop=run.plan.open_loop)
    return document.Result(
        schema_version=document.SCHEMA_VERSION,
        wsbench_version=run.wsbench_version,
        complete=run.incomplete_reason is None,
        incomplete_reason=run.incomplete_reason,
        started_at=run.started_at,
        finished_at=run.finished_at,
        command=run.command,
        environment=run.environment,
        plan=_plan(run.plan),
        arms=arms,
        comparisons=comparisons,
        warnings=[*run.warnings, *_warnings(run.plan, arms)],
    )


def latency(histogram: LatencyHistogram) -> document.Latency:
    """A histogram's figures, microseconds."""
    values = histogram.percentiles_ns(PERCENTILES.values())
    mean_ns = histogram.mean_ns
    figures = {name: _us(value) for name, value in zip(PERCENTILES, values, strict=True)}
    return document.Latency(count=histogram.count, mean_us=None if mean_ns is None else _us(round(mean_ns)), **figures)  # type: ignore[typeddict-item]


def pooled(histograms: Iterable[LatencyHistogram]) -> LatencyHistogram:
    """All of them merged; nothing is lost."""
    total = LatencyHistogram()
    for histogram in histograms:
        total.add(histogram)
    return total


def _us(value_ns: int | None) -> float | None:
    return None if value_ns is None else value_ns / 1000


def _plan(plan: RunPlan) -> document.Plan:
    return document.Plan(
        arms=[arm.name for arm in plan.arms],
        targets={target.name: target.url for target in plan.targets},
        connections=plan.connections,
        duration_us=plan.duration_ns / 1000,
        warmup_us=plan.warmup_ns / 1000,
        rounds=plan.rounds,
        payload_bytes=plan.payload_bytes,
        payload_kind=plan.payload_kind,
        rate=plan.rate,
        connect_rate=plan.connect_rate,
        engine=plan.engine,
        server_engine=plan.server_engine,
        envoy_concurrency=plan.envoy_concurrency,
        sabotage=list(plan.sabotage),
        seed=plan.seed,
    )


# -- one arm


def _arm(subject: Subject, *, open_loop: bool) -> document.ArmResult:
    trials = subject.trials
    verdict = proof.merge([trial.proof for trial in trials])
    refusals = [trial.refusal for trial in trials if trial.refusal]
    service = pooled(trial.recording.service_time for trial in trials)
    response = _pooled_optional([trial.recording.response_time for trial in trials])
    connect = pooled(trial.recording.connect for trial in trials)
    return document.ArmResult(
        **_figures(trials, open_loop=open_loop),
        kind=subject.kind,
        summary=subject.summary,
        url=subject.url,
        claim=subject.claim,
        proof=_proof(verdict),
        outcome=_outcome(subject),
        failure=_failure(subject),
        refusal=_refusal(refusals) if refusals else None,
        curves=document.Curve(
            service_time=curve(service),
            response_time=None if response is None else curve(response),
            connect=curve(connect),
        ),
        rounds=[_round(trial, open_loop=open_loop) for trial in trials],
    )


def _outcome(subject: Subject) -> str:
    if _failure(subject) is not None:
        return "failed"
    return "refused" if subject.claim["refused_status"] is not None else "measured"


def _failure(subject: Subject) -> str | None:
    if subject.failure is None and not subject.trials:
        return "not measured: the run ended before its first complete round"
    return subject.failure


def _round(trial: Trial, *, open_loop: bool) -> document.Round:
    return document.Round(
        **_figures((trial,), open_loop=open_loop),
        round=trial.round,
        position=trial.position,
        proof=trial.proof.verdict,
        warmup_us=trial.recording.plan.warmup_ns / 1000,
        window_us=trial.recording.window_ns / 1000,
    )


def _figures(trials: Sequence[Trial], *, open_loop: bool) -> document.Figures:
    """The figures of any number of trials of one arm."""
    recordings = [trial.recording for trial in trials]
    echoes = sum(recording.echoes_in_window for recording in recordings)
    window_ns = sum(recording.window_ns for recording in recordings)
    opened = sum(recording.opened for recording in recordings)
    response = _pooled_optional([recording.response_time for recording in recordings])
    lag = _pooled_optional([recording.send_lag for recording in recordings])
    histograms = chain.from_iterable(_histograms(recording) for recording in recordings)
    return document.Figures(
        connect=latency(pooled(recording.connect for recording in recordings)),
        connect_tcp=latency(pooled(recording.connect_tcp for recording in recordings)),
        connect_upgrade=latency(pooled(recording.connect_upgrade for recording in recordings)),
        service_time=latency(pooled(recording.service_time for recording in recordings)),
        response_time=latency(response or LatencyHistogram()) if open_loop else None,
        send_lag=latency(lag or LatencyHistogram()) if open_loop else None,
        achieved_rate=echoes * 1e9 / window_ns if window_ns else None,
        sent=sum(recording.sent for recording in recordings),
        received=sum(recording.received for recording in recordings),
        unanswered=sum(recording.unanswered for recording in recordings),
        unsent=sum(recording.unsent for recording in recordings),
        mismatched=sum(recording.mismatched for recording in recordings),
        unrecorded=sum(histogram.unrecorded for histogram in histograms),
        errors=_summed(recording.errors for recording in recordings),
        closes=_summed(recording.closes for recording in recordings),
        driver=document.ProcessCost(
            cpu_us_per_message=_per_message(sum(recording.cpu_ns for recording in recordings), echoes)
        ),
        server=_process_cost([trial.server for trial in trials], echoes),
        sidecars=_sidecars(trials, echoes, opened),
    )


def _histograms(recording: Recording) -> list[LatencyHistogram]:
    found = (
        recording.connect,
        recording.connect_tcp,
        recording.connect_upgrade,
        recording.service_time,
        recording.response_time,
        recording.send_lag,
    )
    return [histogram for histogram in found if histogram is not None]


def _pooled_optional(histograms: Sequence[LatencyHistogram | None]) -> LatencyHistogram | None:
    found = [histogram for histogram in histograms if histogram is not None]
    return pooled(found) if found else None


def _summed(counts: Iterable[Mapping[str, int]] | Iterable[Mapping[int, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for count in counts:
        total.update({str(key): value for key, value in count.items()})
    return dict(sorted(total.items()))


def _per_message(cpu_ns: int, echoes: int) -> float | None:
    return cpu_ns / 1000 / echoes if echoes else None


def _process_cost(uses: Sequence[ProcessUse | None], echoes: int) -> document.ProcessCost | None:
    found = [use for use in uses if use is not None]
    if not found:
        return None
    return document.ProcessCost(cpu_us_per_message=_per_message(sum(use.cpu_ns for use in found), echoes))


def _sidecars(trials: Sequence[Trial], echoes: int, opened: int) -> document.Sidecars | None:
    client = [trial.client_sidecar for trial in trials if trial.client_sidecar is not None]
    server = [trial.server_sidecar for trial in trials if trial.server_sidecar is not None]
    if not client or not server or not opened:
        return None
    connections = opened / len(trials)
    return document.Sidecars(
        client=_sidecar(client, echoes, connections), server=_sidecar(server, echoes, connections)
    )


def _sidecar(uses: Sequence[ProcessUse], echoes: int, connections: float) -> document.SidecarCost:
    growth = [use.rss_growth_bytes for use in uses if use.rss_growth_bytes is not None]
    hop = [use.hop_connections for use in uses if use.hop_connections is not None]
    return document.SidecarCost(
        cpu_us_per_message=_per_message(sum(use.cpu_ns for use in uses), echoes),
        # A process keeps much of the memory it once had: the median round is above idle, not above the round before.
        rss_kib_per_connection=max(pooling.median(growth), 0) / 1024 / connections if growth else None,
        hop_connections=max(hop) if hop else None,
    )


def _proof(verdict: proof.Proof) -> document.Proof:
    return document.Proof(
        verdict=verdict.verdict,
        summary=verdict.summary,
        witnesses=[
            document.Witness(
                witness=testimony.witness,
                says=testimony.says,
                websockets=testimony.websockets,
                verdict=testimony.verdict,
                detail=testimony.detail,
                sample=testimony.sample,
            )
            for testimony in verdict.testimonies
        ],
    )


def _refusal(refusals: Sequence[proof.Refusal]) -> document.Refusal:
    first = refusals[0]
    return document.Refusal(
        status=first.status,
        count=sum(refusal.count for refusal in refusals),
        reason=first.reason,
        remedy=first.remedy,
    )


def curve(histogram: LatencyHistogram) -> list[tuple[float, float]]:
    """Points of a percentile curve, evenly spaced in nines, as far as there are values to tell them apart."""
    count = histogram.count
    if not count:
        return []
    percentiles = [0.0]
    for step in range(1, _CURVE_NINES * _CURVE_STEPS + 1):
        beyond = 10 ** (-step / _CURVE_STEPS)
        if beyond * count < 1:
            break
        percentiles.append(100 * (1 - beyond))
    percentiles.append(100.0)
    values = histogram.percentiles_ns(percentiles)
    return [
        (round(percentile, 5), value / 1000)
        for percentile, value in zip(percentiles, values, strict=True)
        if value is not None
    ]


# -- comparing


def compare(arms: Mapping[str, document.ArmResult], *, open_loop: bool) -> list[document.Comparison]:
    """Every measured arm against its baselines, paired by round.

    Sidecar arms are compared with ``http1`` and ``direct``, targets with every arm and with the targets before them. An
    arm that was disproved, refused or given up is compared with nothing: it has no figures of its claim.
    """
    pairs = _pairs(arms)
    metrics = _metrics(open_loop=open_loop)
    shown = len(pairs) * len(metrics)
    return [
        _comparison(arms, baseline, candidate, metric, shown) for baseline, candidate in pairs for metric in metrics
    ]


@dataclass(frozen=True, slots=True)
class _Metric:
    name: str
    lower_is_better: bool
    of: Callable[[document.Round], float | None]


def _metrics(*, open_loop: bool) -> list[_Metric]:
    def response(figures: document.Round, key: str) -> float | None:
        return None if figures["response_time"] is None else figures["response_time"][key]  # type: ignore[literal-required,no-any-return]

    connect = _Metric("connect.p50_us", lower_is_better=True, of=lambda figures: figures["connect"]["p50_us"])
    if open_loop:
        return [
            _Metric("response_time.p50_us", lower_is_better=True, of=lambda figures: response(figures, "p50_us")),
            _Metric("response_time.p99_us", lower_is_better=True, of=lambda figures: response(figures, "p99_us")),
            connect,
        ]
    return [
        _Metric("achieved_rate", lower_is_better=False, of=lambda figures: figures["achieved_rate"]),
        _Metric("service_time.p50_us", lower_is_better=True, of=lambda figures: figures["service_time"]["p50_us"]),
        _Metric("service_time.p99_us", lower_is_better=True, of=lambda figures: figures["service_time"]["p99_us"]),
        connect,
    ]


def _pairs(arms: Mapping[str, document.ArmResult]) -> list[tuple[str, str]]:
    measured = [
        name
        for name, arm in arms.items()
        if arm["outcome"] == "measured" and arm["proof"]["verdict"] != proof.Verdict.DISPROVED
    ]
    pairs = []
    for place, candidate in enumerate(measured):
        if arms[candidate]["kind"] == "target":
            baselines = [name for name in measured if arms[name]["kind"] != "target" or measured.index(name) < place]
        elif arms[candidate]["kind"] == "sidecar":
            baselines = [name for name in _BASELINES if name in measured and name != candidate]
        else:
            baselines = []
        pairs.extend((baseline, candidate) for baseline in baselines)
    return pairs


def _comparison(
    arms: Mapping[str, document.ArmResult], baseline: str, candidate: str, metric: _Metric, shown: int
) -> document.Comparison:
    baseline_rounds = {figures["round"]: metric.of(figures) for figures in arms[baseline]["rounds"]}
    candidate_rounds = {figures["round"]: metric.of(figures) for figures in arms[candidate]["rounds"]}
    common = sorted(baseline_rounds.keys() & candidate_rounds.keys())
    estimate = ratio_of_pairs(
        [baseline_rounds[number] for number in common],
        [candidate_rounds[number] for number in common],
        comparisons=shown,
    )
    return document.Comparison(
        metric=metric.name,
        baseline=baseline,
        candidate=candidate,
        lower_is_better=metric.lower_is_better,
        rounds=estimate.rounds,
        ratio=estimate.ratio,
        ci_low=estimate.low,
        ci_high=estimate.high,
        confidence=CONFIDENCE,
        verdict=verdict_of(estimate, lower_is_better=metric.lower_is_better),
    )


# -- warnings


def _warnings(plan: RunPlan, arms: Mapping[str, document.ArmResult]) -> list[str]:
    found = []
    measured = {name: arm for name, arm in arms.items() if arm["outcome"] == "measured" and arm["rounds"]}
    rounds = max((len(arm["rounds"]) for arm in measured.values()), default=0)
    if measured and rounds < MIN_ROUNDS:
        found.append(f"{rounds} complete rounds: comparisons need {MIN_ROUNDS}, ask for more with --rounds")
    for name, arm in measured.items():
        found.extend(_client_bound(name, arm))
        lost = arm["unanswered"] + arm["unsent"] + arm["mismatched"]
        if lost:
            found.append(
                f"{name}: {arm['unanswered']} unanswered, {arm['unsent']} unsent, {arm['mismatched']} wrong echoes"
            )
        if arm["errors"]:
            found.append(f"{name}: " + ", ".join(f"{count} x {kind}" for kind, count in arm["errors"].items()))
        if arm["unrecorded"]:
            found.append(f"{name}: {arm['unrecorded']} values did not fit the histogram")
    if plan.sabotage:
        found.append(f"sabotaged on purpose (--sabotage): {', '.join(plan.sabotage)}")
    return found


def _client_bound(name: str, arm: document.ArmResult) -> list[str]:
    """Where the driver, not the way of the message, may be what was measured."""
    found = []
    cpu_us, rate = arm["driver"]["cpu_us_per_message"], arm["achieved_rate"]
    share = (cpu_us or 0) * (rate or 0) / 1e6
    if share > _CLIENT_BOUND_CPU:
        found.append(f"{name}: client-bound, the driver used {share:.0%} of one core")
    lag, response = arm["send_lag"], arm["response_time"]
    if lag is not None and response is not None:
        lag_us, response_us = lag["p99_us"], response["p99_us"]
        if lag_us is not None and response_us is not None and lag_us > _CLIENT_BOUND_LAG * response_us:
            found.append(
                f"{name}: client-bound, send lag p99 {lag_us:.0f} us is {lag_us / response_us:.0%} of response time p99"
            )
    return found
