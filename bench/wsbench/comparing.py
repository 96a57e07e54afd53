"""Which arms are compared, in which figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wsbench import document
from wsbench.arms import Outcome
from wsbench.proof import Verdict
from wsbench.statistics import CONFIDENCE, precision_of, ratio_of_pairs, verdict_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_BASELINES = ("http1", "direct")
_CLOSED_LOOP = ("achieved_rate", "service_time.p50_us", "service_time.p99_us", "connect.p50_us")
_OPEN_LOOP = ("response_time.p50_us", "response_time.p99_us", "connect.p50_us")
_HIGHER_IS_BETTER = {"achieved_rate"}


def compare(arms: Mapping[str, document.ArmResult], *, open_loop: bool) -> list[document.Comparison]:
    """Every measured arm against its baselines, paired by round.

    Sidecar arms are compared with ``http1`` and ``direct``, targets with every arm and with the targets before them. An
    arm that was disproved, refused or given up is compared with nothing: it has no figures of its claim.
    """
    pairs = _pairs(arms)
    metrics = compared_metrics(open_loop=open_loop)
    shown = len(pairs) * len(metrics)
    return [
        _comparison(arms, baseline, candidate, metric, shown) for baseline, candidate in pairs for metric in metrics
    ]


def compared_metrics(*, open_loop: bool) -> tuple[str, ...]:
    """The metrics of every comparison, by their path in a round's figures. In the open loop the rate is set."""
    return _OPEN_LOOP if open_loop else _CLOSED_LOOP


def lower_is_better(metric: str) -> bool:
    """Whether less of this metric is better, as of latencies."""
    return metric not in _HIGHER_IS_BETTER


def widest(comparisons: Sequence[document.Comparison]) -> float | None:
    """The precision of the widest interval shown; None where one of them is not known yet, or there is none."""
    known = [found for comparison in comparisons if (found := comparison["precision"]) is not None]
    return max(known) if known and len(known) == len(comparisons) else None


def value_of(figures: document.Round, metric: str) -> float | None:
    """The figure that a metric names by its path in the document, as in ``service_time.p50_us``."""
    value: Any = figures
    for key in metric.split("."):
        if value is None:
            return None
        value = value[key]
    return None if value is None else float(value)


def _pairs(arms: Mapping[str, document.ArmResult]) -> list[tuple[str, str]]:
    measured = [
        name
        for name, arm in arms.items()
        if arm["outcome"] == Outcome.MEASURED and arm["proof"]["verdict"] != Verdict.DISPROVED
    ]
    pairs: list[tuple[str, str]] = []
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
    arms: Mapping[str, document.ArmResult], baseline: str, candidate: str, metric: str, shown: int
) -> document.Comparison:
    baseline_rounds = {figures["round"]: value_of(figures, metric) for figures in arms[baseline]["rounds"]}
    candidate_rounds = {figures["round"]: value_of(figures, metric) for figures in arms[candidate]["rounds"]}
    common = sorted(baseline_rounds.keys() & candidate_rounds.keys())
    estimate = ratio_of_pairs(
        [baseline_rounds[number] for number in common],
        [candidate_rounds[number] for number in common],
        comparisons=shown,
    )
    return document.Comparison(
        metric=metric,
        baseline=baseline,
        candidate=candidate,
        lower_is_better=lower_is_better(metric),
        rounds=estimate.rounds,
        ratio=estimate.ratio,
        ci_low=estimate.low,
        ci_high=estimate.high,
        confidence=CONFIDENCE,
        precision=precision_of(estimate.low, estimate.high),
        verdict=verdict_of(estimate, lower_is_better=lower_is_better(metric)),
    )
