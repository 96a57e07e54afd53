import math
import random
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsbench.search import Bracket, Search, SearchPlan


def searched(plan: SearchPlan, carried: Callable[[float], bool]) -> tuple[Search, list[float]]:
    search, tried = Search(plan), list[float]()
    while (rate := search.next_rate()) is not None:
        tried.append(rate)
        search.tell(rate, carried=carried(rate))
        assert len(tried) < 1_000
    return search, tried


def test_growth_then_bisection_then_a_decided_bracket() -> None:
    search, tried = searched(SearchPlan(first=1_000, resolution=0.2), lambda rate: rate <= 5_000)
    assert tried == [1_000, 2_000, 4_000, 8_000, 8_000, 5_660, 5_660, 4_760, 4_760]
    assert search.bracket == Bracket(4_760, 5_660, closed=True)


@pytest.mark.parametrize("repeats", [1, 3, 5])
def test_both_ends_are_decided_by_a_majority(repeats: int) -> None:
    search, tried = searched(SearchPlan(repeats=repeats), lambda rate: rate <= 7_777)
    votes, bracket = Counter(tried), search.bracket
    assert bracket.low is not None
    assert bracket.high is not None
    assert votes[bracket.low] == votes[bracket.high] == repeats // 2 + 1
    assert bracket.low <= 7_777 < bracket.high <= bracket.low * 1.06


def test_nothing_is_carried() -> None:
    search, tried = searched(SearchPlan(first=1_000), lambda _: False)
    assert search.bracket.low is None
    assert search.bracket.high == min(tried) < 2
    assert search.bracket.closed


def test_everything_is_carried() -> None:
    search, tried = searched(SearchPlan(first=1_000, highest=5_000), lambda _: True)
    assert tried == [1_000, 2_000, 4_000, 5_000, 5_000]
    assert search.bracket == Bracket(5_000, None, closed=True)


def test_one_stall_does_not_end_the_growth() -> None:
    stalls = iter([True, True, False, True, True])
    search = Search(SearchPlan(first=1_000))
    tried = []
    for carried in stalls:
        rate = search.next_rate()
        assert rate is not None
        tried.append(rate)
        search.tell(rate, carried=carried)
    assert tried == [1_000, 2_000, 4_000, 4_000, 4_000]
    assert search.next_rate() == 8_000


def test_a_lucky_rate_is_looked_at_again_before_it_is_an_end() -> None:
    # 4,000 is carried once by luck while growing; the truth is 3,000.
    lucky = iter([True])
    search, tried = searched(
        SearchPlan(first=1_000), lambda rate: next(lucky, False) if rate == 4_000 else rate <= 3_000
    )
    assert search.bracket.high is not None
    assert search.bracket.high <= 3_300
    assert tried.count(4_000) == 3


@given(st.floats(2.0, 900_000.0), st.sampled_from([0.02, 0.05, 0.2]), st.sampled_from([1, 3, 5]))
def test_without_noise_the_truth_is_in_the_bracket(truth: float, resolution: float, repeats: int) -> None:
    search, _ = searched(SearchPlan(resolution=resolution, repeats=repeats), lambda rate: rate <= truth)
    low, high = search.bracket.low, search.bracket.high
    assert low is not None
    assert high is not None
    # Rates are rounded to three digits: up to a percent of each.
    assert low <= truth < high <= low * (1 + resolution) * 1.011


@given(st.integers(0, 10**9), st.floats(100.0, 100_000.0))
def test_with_noise_it_ends_near_the_truth(seed: int, truth: float) -> None:
    """The nearer to the truth, the more a rate's fate is chance; a tenth off, one trial in twenty errs."""
    rng = random.Random(seed)

    def carried(rate: float) -> bool:
        sure = 1 / (1 + math.exp(30 * math.log(rate / truth)))
        return rng.random() < sure

    search, tried = searched(SearchPlan(resolution=0.1), carried)
    assert len(tried) < 80
    bracket = search.bracket
    assert bracket.low is None or bracket.low < truth * 3
    assert bracket.high is None or bracket.high > truth / 3


@given(st.lists(st.booleans(), max_size=300))
def test_any_answers_end_it_with_ends_in_order(answers: list[bool]) -> None:
    given_answers = iter(answers)
    search, _ = searched(SearchPlan(), lambda _: next(given_answers, True))
    low, high = search.bracket.low, search.bracket.high
    assert low is None or high is None or low < high
    assert search.trials_left == 0


def test_trials_left_shrink() -> None:
    search = Search(SearchPlan())
    before = search.trials_left
    while (rate := search.next_rate()) is not None:
        search.tell(rate, carried=rate < 3_000)
    assert before > search.trials_left == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"first": 0}, "first rate must be from 1/s"),
        ({"first": 2e6}, "the highest, 1,000,000/s: 2,000,000"),
        ({"growth": 1}, "above 1, not 1"),
        ({"resolution": 0.001}, "0.1000%"),
        ({"resolution": 2}, "200.0000%"),
        ({"repeats": 2}, "odd number of repeats, not 2"),
        ({"repeats": 0}, "not 0"),
    ],
)
def test_what_cannot_be_searched(changes: dict[str, float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        SearchPlan(**changes)  # type: ignore[arg-type]
