import math
import random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu, wilcoxon

from wsbench.statistics import (
    RESOLUTION,
    RatioEstimate,
    Verdict,
    precision_of,
    ratio_of_pairs,
    ratio_of_samples,
    rounds_needed,
    samples_needed,
    verdict_of,
)

positive = st.floats(min_value=1e-3, max_value=1e6)


@pytest.mark.parametrize(("comparisons", "needed"), [(1, 6), (2, 7), (3, 7), (4, 8), (12, 9), (25, 10), (26, 11)])
def test_with_fewer_rounds_than_needed_nothing_can_be_said(comparisons: int, needed: int) -> None:
    """Of two equal arms, n rounds agree by chance twice in 2**n."""
    assert 2 / 2**needed <= 0.05 / comparisons < 2 / 2 ** (needed - 1)
    assert rounds_needed(comparisons) == needed
    few = ratio_of_pairs([1.0] * (needed - 1), [2.0] * (needed - 1), comparisons=comparisons)
    assert few == RatioEstimate(needed - 1, None, None, None)
    assert verdict_of(few, lower_is_better=True) is Verdict.INSUFFICIENT
    enough = ratio_of_pairs([1.0] * needed, [2.0] * needed, comparisons=comparisons)
    assert verdict_of(enough, lower_is_better=True) is Verdict.SLOWER


def test_no_rounds_are_too_few() -> None:
    assert ratio_of_pairs([], [], comparisons=1) == RatioEstimate(0, None, None, None)


def test_the_interval_of_six_rounds_is_that_of_the_extremes() -> None:
    # By hand: with 6 pairs only the sums 0 and 21 are rarer than 1 in 40, so the ends are the least and the greatest.
    baseline = [1.0] * 6
    candidate = [math.exp(step / 10) for step in range(1, 7)]
    estimate = ratio_of_pairs(baseline, candidate, comparisons=1)
    assert estimate.ratio == pytest.approx(math.exp(0.35))
    assert estimate.low == pytest.approx(math.exp(0.1))
    assert estimate.high == pytest.approx(math.exp(0.6))


@given(st.integers(0, 10**6), st.integers(8, 40), st.integers(1, 4), st.floats(min_value=-0.5, max_value=0.5))
def test_the_interval_holds_what_the_signed_rank_test_does_not_reject(
    seed: int, rounds: int, comparisons: int, shift: float
) -> None:
    """scipy.stats has the test, this module the interval: what one rejects is outside of the other."""
    rng = random.Random(seed)
    logs = [rng.gauss(0.1, 0.3) for _ in range(rounds)]
    estimate = ratio_of_pairs([1.0] * rounds, [math.exp(value) for value in logs], comparisons=comparisons)
    assert estimate.low is not None
    assert estimate.high is not None
    low, high = math.log(estimate.low), math.log(estimate.high)
    # Where the interval ends it is as wide as rounding makes it, or as the histogram's resolution asks.
    assume(min(abs(shift - low), abs(shift - high)) > 1e-9)
    assume(high - low > 3 * RESOLUTION)
    rejected = wilcoxon([value - shift for value in logs], method="exact").pvalue <= 0.05 / comparisons
    assert rejected == (not low <= shift <= high)


def test_many_rounds_go_on_where_the_exact_distribution_ends() -> None:
    rng = random.Random(3)
    values = [rng.lognormvariate(0.02, 0.1) for _ in range(101)]
    exact = ratio_of_pairs([1.0] * 100, values[:100], comparisons=3)
    normal = ratio_of_pairs([1.0] * 101, values, comparisons=3)
    for one, other in ((exact.low, normal.low), (exact.ratio, normal.ratio), (exact.high, normal.high)):
        assert one is not None
        assert one == pytest.approx(other, rel=0.01)


def test_more_comparisons_shown_widen_every_interval() -> None:
    rng = random.Random(1)
    baseline = [rng.uniform(1, 2) for _ in range(10)]
    candidate = [rng.uniform(1, 2) for _ in range(10)]
    widths = []
    for comparisons in (1, 4, 24):
        estimate = ratio_of_pairs(baseline, candidate, comparisons=comparisons)
        assert estimate.low is not None
        assert estimate.high is not None
        widths.append(estimate.high / estimate.low)
    assert widths == sorted(set(widths))


def test_an_interval_is_never_narrower_than_the_histograms_resolution() -> None:
    estimate = ratio_of_pairs([100.0] * 8, [100.0] * 8, comparisons=1)
    assert precision_of(estimate.low, estimate.high) == pytest.approx(math.expm1(RESOLUTION))
    assert (estimate.low, estimate.high) == (math.exp(-RESOLUTION), math.exp(RESOLUTION))
    assert verdict_of(estimate, lower_is_better=True) is Verdict.NO_DIFFERENCE


def test_rounds_with_a_missing_value_are_left_out_in_pairs() -> None:
    baseline = [1.0, None, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0]
    candidate = [2.0, 9.0, None, 9.0, 2.0, 2.0, 2.0, 2.0]
    assert ratio_of_pairs(baseline, candidate, comparisons=1).rounds == 5


def test_unequal_lengths_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="zip"):
        ratio_of_pairs([1.0], [1.0, 2.0], comparisons=1)


@pytest.mark.parametrize(
    ("low", "high", "lower_is_better", "verdict"),
    [
        (0.5, 0.9, True, Verdict.FASTER),
        (0.5, 0.9, False, Verdict.SLOWER),
        (1.1, 1.5, True, Verdict.SLOWER),
        (1.1, 1.5, False, Verdict.FASTER),
        (0.9, 1.1, True, Verdict.NO_DIFFERENCE),
        (1.0, 1.1, True, Verdict.NO_DIFFERENCE),
        (0.9, 1.0, False, Verdict.NO_DIFFERENCE),
    ],
)
def test_a_verdict_needs_an_interval_without_1(
    low: float, high: float, lower_is_better: bool, verdict: Verdict
) -> None:
    assert verdict_of(RatioEstimate(10, 1.0, low, high), lower_is_better=lower_is_better) is verdict


@given(st.lists(st.tuples(positive, positive), min_size=7, max_size=20))
def test_swapping_the_arms_inverts_the_ratio_and_the_verdict(pairs: list[tuple[float, float]]) -> None:
    first, second = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    there, back = ratio_of_pairs(first, second, comparisons=3), ratio_of_pairs(second, first, comparisons=3)
    assert there.ratio is not None
    assert back.ratio is not None
    assert there.low is not None
    assert back.high is not None
    assert there.ratio == pytest.approx(1 / back.ratio)
    assert there.low == pytest.approx(1 / back.high)
    mirrored = {Verdict.FASTER: Verdict.SLOWER, Verdict.SLOWER: Verdict.FASTER}
    verdict = verdict_of(there, lower_is_better=True)
    assert verdict_of(back, lower_is_better=True) is mirrored.get(verdict, verdict)


def test_equal_arms_on_a_noisy_drifting_machine_are_seldom_called_different() -> None:
    """An A/A study on synthetic rounds: common drift of 3x, 20% noise each, now and then a spike."""
    rng = random.Random(7)
    claims = 0
    for _study in range(400):
        baseline: list[float] = []
        candidate: list[float] = []
        for number in range(10):
            drift = 1 + 2 * number / 10
            for values in (baseline, candidate):
                spike = 3 if rng.random() < 0.05 else 1
                values.append(100 * drift * spike * rng.lognormvariate(0, 0.2))
        verdict = verdict_of(ratio_of_pairs(baseline, candidate, comparisons=1), lower_is_better=True)
        claims += verdict is not Verdict.NO_DIFFERENCE
    # 5% of 400 is 20; three standard deviations of a binomial above it is 33.
    assert claims <= 33


def test_a_real_difference_is_found() -> None:
    rng = random.Random(8)
    found = 0
    for _study in range(100):
        drift = [1 + number / 5 for number in range(10)]
        baseline = [100 * factor * rng.lognormvariate(0, 0.1) for factor in drift]
        candidate = [130 * factor * rng.lognormvariate(0, 0.1) for factor in drift]
        estimate = ratio_of_pairs(baseline, candidate, comparisons=1)
        found += verdict_of(estimate, lower_is_better=True) is Verdict.SLOWER
    assert found >= 95


@given(st.integers(0, 10**6), st.integers(5, 14), st.integers(5, 14), st.floats(min_value=-0.5, max_value=0.5))
def test_the_interval_of_samples_holds_what_the_rank_sum_test_does_not_reject(
    seed: int, first: int, second: int, shift: float
) -> None:
    rng = random.Random(seed)
    baseline = [rng.gauss(0, 0.3) for _ in range(first)]
    candidate = [rng.gauss(0.1, 0.3) for _ in range(second)]
    estimate = ratio_of_samples(
        [math.exp(value) for value in baseline], [math.exp(value) for value in candidate], comparisons=1
    )
    assert estimate.low is not None
    assert estimate.high is not None
    low, high = math.log(estimate.low), math.log(estimate.high)
    assume(min(abs(shift - low), abs(shift - high)) > 1e-9)
    assume(high - low > 3 * RESOLUTION)
    pvalue = mannwhitneyu([value - shift for value in candidate], baseline, method="exact").pvalue
    assert (pvalue <= 0.05) == (not low <= shift <= high)


@pytest.mark.parametrize(("comparisons", "needed"), [(1, 4), (3, 5), (12, 6), (40, 7), (100, 8)])
def test_samples_smaller_than_needed_say_nothing(comparisons: int, needed: int) -> None:
    assert samples_needed(comparisons) == needed
    few = ratio_of_samples([1.0] * (needed - 1), [2.0] * (needed - 1), comparisons=comparisons)
    assert few == RatioEstimate(needed - 1, None, None, None)
    enough = ratio_of_samples([1.0] * needed, [2.0] * needed, comparisons=comparisons)
    assert enough.low is not None
    assert enough.low > 1


def test_missing_values_are_left_out_of_a_sample() -> None:
    assert ratio_of_samples([1.0, None, 0.0], [None], comparisons=1) == RatioEstimate(0, None, None, None)


def test_large_samples_go_on_where_the_exact_distribution_ends() -> None:
    rng = random.Random(4)
    values = [rng.lognormvariate(0, 0.1) for _ in range(82)]
    exact = ratio_of_samples(values[:40], values[41:81], comparisons=3)
    normal = ratio_of_samples(values[:41], values[41:], comparisons=3)
    for one, other in ((exact.low, normal.low), (exact.ratio, normal.ratio), (exact.high, normal.high)):
        assert one is not None
        assert one == pytest.approx(other, rel=0.01)
