"""From trials to the result document: pooling over rounds, and the comparisons."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from wsbench import document, proof
from wsbench.arms import Outcome
from wsbench.cautions import cautions
from wsbench.comparing import compare
from wsbench.figures import Setting, curve, figures_of, pooled, pooled_optional, series_of
from wsbench.limits import too_busy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wsbench.plan import RunPlan
    from wsbench.trial import Trial
    from wsbench_client import PayloadMix


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


class EndedBy(StrEnum):
    """Why no further round was begun."""

    ROUNDS = "rounds"
    PRECISION = "precision"
    MAX_DURATION = "max_duration"
    SIGNAL = "signal"
    ERROR = "error"


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
    ended_by: EndedBy | None = None
    warnings: tuple[str, ...] = ()


def to_document(run: Run) -> document.Result:
    """The content of result.json."""
    setting = Setting(
        open_loop=run.plan.open_loop,
        cpu_count=run.environment["cpu_count"],
        workers=run.plan.workers,
        envoy_concurrency=run.plan.envoy_concurrency,
    )
    arms = {subject.name: _arm(subject, setting) for subject in run.subjects}
    comparisons = compare(
        arms,
        open_loop=run.plan.open_loop,
        one_way=run.plan.pattern.one_way,
        rounds_by_precision=run.plan.until_precision is not None,
    )
    return document.Result(
        schema_version=document.SCHEMA_VERSION,
        wsbench_version=run.wsbench_version,
        complete=run.incomplete_reason is None,
        incomplete_reason=run.incomplete_reason,
        ended_by=run.ended_by,
        too_busy=too_busy(
            [figures["machine"] for arm in arms.values() for figures in arm["rounds"]],
            cpu_count=run.environment["cpu_count"],
            load_average=run.environment["load_average"],
        ),
        started_at=run.started_at,
        finished_at=run.finished_at,
        command=run.command,
        environment=run.environment,
        plan=_plan(run.plan),
        arms=arms,
        comparisons=comparisons,
        warnings=[*run.warnings, *cautions(run.plan, arms, comparisons)],
    )


def _plan(plan: RunPlan) -> document.Plan:
    return document.Plan(
        arms=[arm.name for arm in plan.arms],
        targets={target.name: target.url for target in plan.targets},
        connections=plan.connections,
        duration_us=plan.duration_ns / 1000,
        warmup_us=plan.warmup_ns / 1000,
        rounds=plan.rounds,
        until_precision=plan.until_precision,
        max_duration_us=None if plan.max_duration_ns is None else plan.max_duration_ns / 1000,
        workers=plan.workers,
        payload_bytes=plan.payload_bytes,
        payload_mix=mix_document(plan.payload_mix) if plan.payload_mix else None,
        payload_kind=plan.payload_kind,
        pattern=str(plan.pattern),
        rate=plan.rate,
        connect_rate=plan.connect_rate,
        ramp_us=None if plan.ramp_ns is None else plan.ramp_ns / 1000,
        engine=plan.engine,
        server_engine=plan.server_engine,
        envoy_concurrency=plan.envoy_concurrency,
        sabotage=list(plan.sabotage),
        seed=plan.seed,
    )


def mix_document(mix: PayloadMix) -> list[document.PayloadShare]:
    """A payload mix as result.json has it."""
    return [document.PayloadShare(bytes=size, share=share) for size, share in mix.shares]


# -- one arm


def _arm(subject: Subject, setting: Setting) -> document.ArmResult:
    trials = subject.trials
    verdict = proof.merge([trial.proof for trial in trials])
    refusals = [trial.refusal for trial in trials if trial.refusal]
    service = pooled(trial.recording.service_time for trial in trials)
    response = pooled_optional([trial.recording.response_time for trial in trials])
    connect = pooled(trial.recording.connecting.connect for trial in trials)
    return document.ArmResult(
        **figures_of(trials, setting),
        kind=subject.kind,
        summary=subject.summary,
        url=subject.url,
        claim=subject.claim,
        proof=proof_document(verdict),
        outcome=_outcome(subject),
        failure=_failure(subject),
        refusal=_refusal(refusals) if refusals else None,
        curves=document.Curve(
            service_time=curve(service),
            response_time=None if response is None else curve(response),
            connect=curve(connect),
        ),
        rounds=[_round(trial, setting) for trial in trials],
    )


def _outcome(subject: Subject) -> Outcome:
    if _failure(subject) is not None:
        return Outcome.FAILED
    return Outcome.MEASURED if subject.claim["refused_status"] is None else Outcome.REFUSED


def _failure(subject: Subject) -> str | None:
    if subject.failure is None and not subject.trials:
        return "not measured: the run ended before its first complete round"
    return subject.failure


def _round(trial: Trial, setting: Setting) -> document.Round:
    return document.Round(
        **figures_of((trial,), setting),
        round=trial.round,
        position=trial.position,
        proof=trial.proof.verdict,
        warmup_us=trial.recording.plan.warmup_ns / 1000,
        window_us=trial.recording.window_ns / 1000,
        series=series_of(trial.recording),
    )


def proof_document(verdict: proof.Proof) -> document.Proof:
    """A proof as result.json has it."""
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
