"""Comparing two arms: paired by round, on the logarithm of the ratio.

A round measures every arm within seconds of the others, so what the machine did meanwhile (drift, neighbours,
frequency) is much the same for both of a pair and cancels in their ratio. The interval is Student's t on the logarithms
of the rounds' ratios: a ratio's errors are multiplicative, and under no difference a pair's log-ratio is symmetric
about zero, which is when t errs on the safe side. All comparisons of a run are shown together, so each interval is
widened (Bonferroni) until all of them hold at once with the stated confidence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from scipy.special import stdtrit

if TYPE_CHECKING:
    from collections.abc import Sequence

CONFIDENCE = 0.95

MIN_ROUNDS = 6
"""With five pairs even unanimous rounds come about by chance once in sixteen (two-sided sign test: 2/2**5 > 5%)."""

RESOLUTION = 1e-3
"""Histogram values are known to three digits: no interval of their ratio is narrower than this on either side."""


class Verdict(StrEnum):
    """What may be said of a candidate against its baseline."""

    FASTER = "faster"
    SLOWER = "slower"
    NO_DIFFERENCE = "no difference shown"
    INSUFFICIENT = "insufficient data"


@dataclass(frozen=True, slots=True)
class RatioEstimate:
    """Candidate over baseline: the geometric mean of the rounds' ratios, and its interval.

    ``ratio``, ``low`` and ``high`` are None where ``rounds`` usable pairs are too few to say anything.
    """

    rounds: int
    ratio: float | None
    low: float | None
    high: float | None


def ratio_of_pairs(
    baseline: Sequence[float | None],
    candidate: Sequence[float | None],
    *,
    comparisons: int,
    confidence: float = CONFIDENCE,
) -> RatioEstimate:
    """The ratio of two arms' values of the same rounds, which must be given in the same order.

    ``comparisons`` is how many are shown together. A pair with a missing or non-positive value is left out. Raises
    ValueError where the sequences differ in length.
    """
    logs = [
        math.log(candidate_value / baseline_value)
        for baseline_value, candidate_value in zip(baseline, candidate, strict=True)
        if baseline_value and candidate_value and baseline_value > 0 and candidate_value > 0
    ]
    rounds = len(logs)
    if rounds < MIN_ROUNDS:
        return RatioEstimate(rounds, None, None, None)
    mean = math.fsum(logs) / rounds
    spread = math.sqrt(math.fsum((value - mean) ** 2 for value in logs) / (rounds - 1))
    quantile = float(stdtrit(rounds - 1, 1 - (1 - confidence) / comparisons / 2))
    half_width = max(quantile * spread / math.sqrt(rounds), RESOLUTION)
    return RatioEstimate(rounds, math.exp(mean), math.exp(mean - half_width), math.exp(mean + half_width))


def precision_of(low: float | None, high: float | None) -> float | None:
    """How far either end of an interval of ratios is from its (geometric) middle, as a ratio less one.

    0.05 where the ratio is known within 5% either way; None where there is no interval.
    """
    return None if not low or not high else math.sqrt(high / low) - 1


def verdict_of(estimate: RatioEstimate, *, lower_is_better: bool) -> Verdict:
    """What the interval allows to be said: a difference only where it leaves out 1."""
    if estimate.low is None or estimate.high is None:
        return Verdict.INSUFFICIENT
    if estimate.low <= 1 <= estimate.high:
        return Verdict.NO_DIFFERENCE
    return Verdict.FASTER if (estimate.high < 1) == lower_is_better else Verdict.SLOWER
