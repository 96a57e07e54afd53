import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsbench.statistics import MIN_ROUNDS, RESOLUTION, RatioEstimate, Verdict, ratio_of_pairs, verdict_of

positive = st.floats(min_value=1e-3, max_value=1e6)


@pytest.mark.parametrize("rounds", range(MIN_ROUNDS))
def test_too_few_rounds_say_nothing(rounds: int) -> None:
    estimate = ratio_of_pairs([1.0] * rounds, [2.0] * rounds, comparisons=1)
    assert estimate == RatioEstimate(rounds, None, None, None)
    assert verdict_of(estimate, lower_is_better=True) is Verdict.INSUFFICIENT


def test_the_interval_is_students_on_the_logarithms() -> None:
    # By hand: log-ratios 0.1 .. 0.6, mean 0.35, s = 0.18708, t(0.975, 5) = 2.570582.
    baseline = [1.0] * 6
    candidate = [math.exp(step / 10) for step in range(1, 7)]
    estimate = ratio_of_pairs(baseline, candidate, comparisons=1)
    half = 2.570582 * 0.1870829 / math.sqrt(6)
    assert estimate.ratio == pytest.approx(math.exp(0.35))
    assert estimate.low == pytest.approx(math.exp(0.35 - half), rel=1e-5)
    assert estimate.high == pytest.approx(math.exp(0.35 + half), rel=1e-5)


def test_more_comparisons_shown_widen_every_interval() -> None:
    rng = random.Random(1)
    baseline = [rng.uniform(1, 2) for _ in range(10)]
    candidate = [rng.uniform(1, 2) for _ in range(10)]
    widths = []
    for comparisons in (1, 4, 12):
        estimate = ratio_of_pairs(baseline, candidate, comparisons=comparisons)
        assert estimate.low is not None
        assert estimate.high is not None
        widths.append(estimate.high / estimate.low)
    assert widths == sorted(set(widths))


def test_an_interval_is_never_narrower_than_the_histograms_resolution() -> None:
    estimate = ratio_of_pairs([100.0] * 8, [100.0] * 8, comparisons=1)
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


@given(st.lists(st.tuples(positive, positive), min_size=MIN_ROUNDS, max_size=20))
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
