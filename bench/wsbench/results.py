"""From trials to the result document: pooling over rounds, and the comparisons."""

from __future__ import annotations

import statistics as pooling
from collections import Counter
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

from wsbench import document, proof
from wsbench.arms import Outcome
from wsbench.cautions import cautions
from wsbench.comparing import compare
from wsbench_client.histogram import LatencyHistogram

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from wsbench.plan import RunPlan
    from wsbench.trial import ProcessUse, Trial
    from wsbench_client import Recording

PERCENTILES = {"p50_us": 50.0, "p90_us": 90.0, "p99_us": 99.0, "p999_us": 99.9, "p9999_us": 99.99, "max_us": 100.0}
# Points of the percentile curves: ten steps for each further nine.
_CURVE_NINES = 5
_CURVE_STEPS = 10


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
        warnings=[*run.warnings, *cautions(run.plan, arms)],
    )


def latency(histogram: LatencyHistogram) -> document.Latency:
    """A histogram's figures, microseconds."""
    values = histogram.percentiles_ns(PERCENTILES.values())
    mean_ns = histogram.mean_ns
    return cast(
        "document.Latency",
        {
            "count": histogram.count,
            "mean_us": None if mean_ns is None else _us(round(mean_ns)),
            **{name: _us(value) for name, value in zip(PERCENTILES, values, strict=True)},
        },
    )


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


def _outcome(subject: Subject) -> Outcome:
    if _failure(subject) is not None:
        return Outcome.FAILED
    return Outcome.MEASURED if subject.claim["refused_status"] is None else Outcome.REFUSED


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


def _summed(counts: Iterable[Mapping[Any, int]]) -> dict[str, int]:
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
    return document.Sidecars(client=_sidecar(client, echoes, connections), server=_sidecar(server, echoes, connections))


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
