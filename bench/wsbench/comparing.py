"""Which arms are compared, in which figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wsbench import document
from wsbench.arms import ARMS, MTLS_SUFFIX, Outcome, name_of, version_of, way_of
from wsbench.proof import Verdict
from wsbench.statistics import CONFIDENCE, precision_of, ratio_of_pairs, rounds_needed, verdict_of

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

LOOKS_ALLOWANCE = 1.25
"""Who stops when an interval is narrow stops sooner where it is narrow by luck: 5% would be up to 6% (simulated)."""

_FLOOR = "direct"
_BASELINE = "http1"
_CLOSED_LOOP = ("achieved_rate", "service_time.p50_us", "service_time.p99_us", "connect.p50_us")
_OPEN_LOOP = ("response_time.p50_us", "response_time.p99_us", "connect.p50_us")
_ONE_WAY = ("goodput_mb_per_s", "connect.p50_us")
_HIGHER_IS_BETTER = {"achieved_rate", "goodput_mb_per_s"}


def compare(
    arms: Mapping[str, document.ArmResult],
    *,
    open_loop: bool,
    one_way: bool = False,
    rounds_by_precision: bool = False,
) -> list[document.Comparison]:
    """Every measured arm against its baselines, paired by round.

    ``rounds_by_precision``: the intervals' own width decided how many rounds there are, and they are widened for it.

    Sidecar arms are compared with ``direct`` and with HTTP/1.1 carried alike: plaintext arms with ``http1``, encrypted
    ones with ``http1+mtls`` (with ``http1`` where that was not measured); of several Envoys, on the same one, and with
    themselves on the first one. Targets are compared with every arm and with the targets before them. An arm that was
    disproved, refused or given up is compared with nothing: it has no figures of its claim.
    """
    measured = {
        name: arm["kind"]
        for name, arm in arms.items()
        if arm["outcome"] == Outcome.MEASURED and arm["proof"]["verdict"] != Verdict.DISPROVED
    }
    pairs = compared_pairs(measured)
    metrics = compared_metrics(open_loop=open_loop, one_way=one_way)
    shown = len(pairs) * len(metrics) * (LOOKS_ALLOWANCE if rounds_by_precision else 1.0)
    return [
        _comparison(arms, baseline, candidate, metric, shown) for baseline, candidate in pairs for metric in metrics
    ]


def compared_metrics(*, open_loop: bool, one_way: bool = False) -> tuple[str, ...]:
    """The metrics of every comparison, by their path in a round's figures.

    In the open loop the rate is set. One-way nothing is echoed, so there is no round trip.
    """
    if one_way:
        return _ONE_WAY
    return _OPEN_LOOP if open_loop else _CLOSED_LOOP


def lower_is_better(metric: str) -> bool:
    """Whether less of this metric is better, as of latencies."""
    return metric not in _HIGHER_IS_BETTER


def rounds_for(comparisons: int, *, by_precision: bool = False) -> int:
    """The least number of rounds with which so many comparisons can show anything at all."""
    return rounds_needed(comparisons * (LOOKS_ALLOWANCE if by_precision else 1.0))


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


def compared_pairs(kinds: Mapping[str, str]) -> list[tuple[str, str]]:
    """Who is compared with whom, as (baseline, candidate), of the arms measured: their kind by name, in order."""
    pairs: list[tuple[str, str]] = []
    names = list(kinds)
    for place, candidate in enumerate(names):
        if kinds[candidate] == "target":
            baselines = [name for name in names if kinds[name] != "target" or names.index(name) < place]
        elif kinds[candidate] == "sidecar":
            baselines = [
                name
                for name in (*_upgrades_alike(candidate, kinds), *_other_version(candidate, names), _FLOOR)
                if name in kinds
            ]
        else:
            baselines = []
        pairs.extend((baseline, candidate) for baseline in baselines)
    return pairs


def _upgrades_alike(candidate: str, measured: Container[str]) -> tuple[str, ...]:
    """The HTTP/1.1 arm on the same Envoy that a sidecar arm is compared with; none for ``http1`` itself."""
    encrypted, plain = (name_of(way, version_of(candidate)) for way in (f"{_BASELINE}{MTLS_SUFFIX}", _BASELINE))
    if ARMS[way_of(candidate)].claim.encrypted and candidate != encrypted and encrypted in measured:
        return (encrypted,)
    return () if candidate == plain else (plain,)


def _other_version(candidate: str, names: Sequence[str]) -> tuple[str, ...]:
    """The same way on the first of several Envoys, where this is not the first."""
    first = next(name for name in names if way_of(name) == way_of(candidate))
    return (first,) if version_of(first) != version_of(candidate) else ()


def _comparison(
    arms: Mapping[str, document.ArmResult], baseline: str, candidate: str, metric: str, shown: float
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
