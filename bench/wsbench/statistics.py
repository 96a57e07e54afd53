"""Comparing two arms: paired by round, on the logarithm of the ratio, by Wilcoxon's signed ranks.

A round measures every arm within seconds of the others, so what the machine did meanwhile (drift, neighbours,
frequency) is much the same for both of a pair and cancels in their ratio. The order within a round is drawn by lot: of
two equal arms either is as likely to come first, so a pair's log-ratio is symmetric about zero whatever the noise looks
like, and the signed ranks of the log-ratios have an exactly known distribution (Wilcoxon 1945). The interval holds all
ratios that this test does not reject, its middle is their Hodges-Lehmann estimate (1963): no assumption of a shape, and
a slow round counts by its rank, never by its size. All comparisons of a run are shown together, so each interval is
widened (Bonferroni) until all of them hold at once with the stated confidence. ``wsbench calibrate`` measures whether
they do; docs/decisions/0005 has what else was tried.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

CONFIDENCE = 0.95

RESOLUTION = 1e-3
"""Histogram values are known to three digits: no interval of their ratio is narrower than this on either side."""

# From here on the normal distribution of the rank sum is as good as the exact one (and the exact one slow).
_MANY_ROUNDS = 100
_MANY_SAMPLES = 40


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


def rounds_needed(comparisons: float, confidence: float = CONFIDENCE) -> int:
    """The least number of rounds with which ``comparisons`` shown together can show anything at all.

    With n pairs even unanimous rounds come about by chance twice in 2**n: 6 rounds for one comparison at 95%, never 5.
    """
    return math.ceil(1 + math.log2(comparisons / (1 - confidence)) - 1e-9)


def ratio_of_pairs(
    baseline: Sequence[float | None],
    candidate: Sequence[float | None],
    *,
    comparisons: float,
    confidence: float = CONFIDENCE,
) -> RatioEstimate:
    """The ratio of two arms' values of the same rounds, which must be given in the same order.

    ``comparisons`` is how many are shown together (more, to be stricter). A pair with a missing or non-positive value
    is left out. Raises ValueError where the sequences differ in length.
    """
    logs = np.array(
        [
            math.log(candidate_value / baseline_value)
            for baseline_value, candidate_value in zip(baseline, candidate, strict=True)
            if baseline_value and candidate_value and baseline_value > 0 and candidate_value > 0
        ]
    )
    rounds = logs.size
    rank = _rank_of_end(rounds, (1 - confidence) / comparisons / 2)
    if rank < 1:
        return RatioEstimate(rounds, None, None, None)
    first, second = np.triu_indices(rounds)
    walsh = np.sort((logs[first] + logs[second]) / 2)
    middle = float(np.median(walsh))
    low = min(float(walsh[rank - 1]), middle - RESOLUTION)
    high = max(float(walsh[-rank]), middle + RESOLUTION)
    return RatioEstimate(rounds, math.exp(middle), math.exp(low), math.exp(high))


@cache
def _rank_of_end_of_samples(first: int, second: int, tail: float) -> int:
    """As ``_rank_of_end``, of the sorted differences of two samples."""
    if min(first, second) > _MANY_SAMPLES:
        mean = first * second / 2
        deviation = math.sqrt(first * second * (first + second + 1) / 12)
        return math.floor(mean + NormalDist().inv_cdf(tail) * deviation)
    # Mann and Whitney's recurrence: the ways to order the samples with so many pairs in the one sense.
    ways: dict[tuple[int, int], list[int]] = {}
    for one in range(first + 1):
        for other in range(second + 1):
            if not one or not other:
                ways[one, other] = [1]
                continue
            total = [0] * (one * other + 1)
            for place, number in enumerate(ways[one - 1, other]):
                total[place + other] += number
            for place, number in enumerate(ways[one, other - 1]):
                total[place] += number
            ways[one, other] = total
    return _longest_within(ways[first, second], tail * math.comb(first + second, first))


@cache
def _rank_of_end(rounds: int, tail: float) -> int:
    """Which of the sorted Walsh averages, counted from either end, ends the interval; 0 where none can.

    The largest k such that the rank sum is below k with a probability of ``tail`` at most.
    """
    if rounds > _MANY_ROUNDS:
        mean = rounds * (rounds + 1) / 4
        deviation = math.sqrt(rounds * (rounds + 1) * (2 * rounds + 1) / 24)
        return math.floor(mean + NormalDist().inv_cdf(tail) * deviation)
    # Every rank is in the sum or not, each as likely: exact counts of the 2**rounds ways to make a sum.
    ways = [1]
    for rank in range(1, rounds + 1):
        longer = [*ways, *[0] * rank]
        for total, number in enumerate(ways):
            longer[total + rank] += number
        ways = longer
    return _longest_within(ways, tail * 2**rounds)


def _longest_within(ways: Sequence[int], allowed: float) -> int:
    """How many of the first counts add up to ``allowed`` at most."""
    below, k = 0, 0
    while k < len(ways) and (below := below + ways[k]) <= allowed * (1 + 1e-9):
        k += 1
    return k


def samples_needed(comparisons: float, confidence: float = CONFIDENCE) -> int:
    """The least size of two equal samples with which ``comparisons`` shown together can show anything at all.

    Of two samples of n the most extreme order comes about by chance twice in C(2n, n).
    """
    size = 1
    while 2 / math.comb(2 * size, size) > (1 - confidence) / comparisons * (1 + 1e-9):
        size += 1
    return size


def ratio_of_samples(
    baseline: Sequence[float | None],
    candidate: Sequence[float | None],
    *,
    comparisons: float,
    confidence: float = CONFIDENCE,
) -> RatioEstimate:
    """The ratio of two independent samples, as of two runs: rank sums (Mann and Whitney 1947) on the logarithms.

    The interval holds all ratios that the exact test does not reject, its middle is the Hodges-Lehmann estimate.
    Missing and non-positive values are left out; ``rounds`` of the estimate is the size of the smaller sample.
    """
    logs = [np.log([value for value in values if value is not None and value > 0]) for values in (baseline, candidate)]
    sizes = logs[0].size, logs[1].size
    rank = _rank_of_end_of_samples(*sizes, (1 - confidence) / comparisons / 2) if min(sizes) else 0
    if rank < 1:
        return RatioEstimate(min(sizes), None, None, None)
    shifts = np.sort(np.subtract.outer(logs[1], logs[0]).ravel())
    middle = float(np.median(shifts))
    low = min(float(shifts[rank - 1]), middle - RESOLUTION)
    high = max(float(shifts[-rank]), middle + RESOLUTION)
    return RatioEstimate(min(sizes), math.exp(middle), math.exp(low), math.exp(high))


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
