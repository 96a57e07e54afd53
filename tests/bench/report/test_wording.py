from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsbench.report import wording

RATIOS = st.floats(min_value=1e-4, max_value=1e4)
UNITS = {"us": 1.0, "ms": 1e3, "s": 1e6}


@pytest.mark.parametrize(
    ("value_us", "said"),
    [
        (None, "-"),
        (0.0, "0 us"),
        (0.0123, "0.0123 us"),
        (1.0, "1.00 us"),
        (24.14, "24.1 us"),
        (999.4, "999 us"),
        (999.6, "1.00 ms"),
        (1000.0, "1.00 ms"),
        (12_345.0, "12.3 ms"),
        (999_499.0, "999 ms"),
        (999_600.0, "1.00 s"),
        (1_234_000_000.0, "1,230 s"),
    ],
)
def test_a_time_has_three_digits_and_the_unit_that_keeps_it_under_a_thousand(value_us: float | None, said: str) -> None:
    assert wording.time(value_us) == said


@given(st.floats(min_value=1e-3, max_value=1e9))
def test_a_time_reads_back_to_within_half_a_digit(value_us: float) -> None:
    number, unit = wording.time(value_us).split()
    assert float(number.replace(",", "")) * UNITS[unit] == pytest.approx(value_us, rel=0.00501)
    assert unit == "s" or float(number) < 1000


@given(st.floats(min_value=1e-3, max_value=1e9), st.floats(min_value=1e-3, max_value=1e9))
def test_times_keep_their_order(one: float, other: float) -> None:
    def read(value_us: float) -> float:
        number, unit = wording.time(value_us).split()
        return float(number.replace(",", "")) * UNITS[unit]

    low, high = sorted((one, other))
    assert read(low) <= read(high) * (1 + 1e-12)


@pytest.mark.parametrize(
    ("value_us", "said"), [(2e6, "2 s"), (500_000.0, "500 ms"), (1500.0, "1.5 ms"), (0.0, "0 us"), (90e6, "90 s")]
)
def test_a_span_is_as_it_was_asked_for(value_us: float, said: str) -> None:
    assert wording.span(value_us) == said


@pytest.mark.parametrize(
    ("ratio", "said"),
    [
        (None, "-"),
        (1.0, "unchanged"),
        (0.76, "24% lower"),
        (1.31, "31% higher"),
        (0.968, "3.2% lower"),
        (0.9999, "under 0.1% lower"),
        (1.0001, "under 0.1% higher"),
        (0.0001, "over 99.9% lower"),
        (1.996, "99.6% higher"),
        (2.0, "2.00x as high"),
        (12.34, "12.3x as high"),
    ],
)
def test_a_ratio_is_said_as_a_change(ratio: float | None, said: str) -> None:
    assert wording.change(ratio) == said


@given(RATIOS)
def test_a_change_never_has_the_wrong_direction_nor_says_nothing_or_all(ratio: float) -> None:
    said = wording.change(ratio)
    assert said.endswith("lower") == (ratio < 1)
    assert said.endswith("high") == (ratio >= 2)
    assert not said.startswith(("0%", "0.0%", "100%"))


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (None, None, "-"),
        (0.72, 0.81, "19% to 28% lower"),
        (1.24, 1.38, "24% to 38% higher"),
        (0.97, 1.021, "3.0% lower to 2.1% higher"),
        (1.8, 2.4, "80% higher to 2.40x as high"),
        (2.1, 3.4, "2.10x to 3.40x as high"),
        (0.9, 1.0, "10% lower to unchanged"),
        (1.0, 1.0, "unchanged"),
        (0.76, 0.76, "24% lower"),
    ],
)
def test_an_interval_is_said_as_changes(low: float | None, high: float | None, said: str) -> None:
    assert wording.interval(low, high) == said


@given(RATIOS, RATIOS)
def test_an_interval_that_straddles_no_change_says_both_directions(one: float, other: float) -> None:
    low, high = sorted((one, other))
    said = wording.interval(low, high)
    assert ("lower" in said) == (low < 1)
    assert ("high" in said) == (high > 1)


@pytest.mark.parametrize(
    ("percentile", "count", "thin"),
    [
        (50.0, 20, False),
        (50.0, 19, True),
        (99.0, 1000, False),
        (99.0, 999, True),
        (99.9, 10_000, False),
        (99.9, 9_999, True),
        (99.99, 100_000, False),
        (99.99, 99_999, True),
        (100.0, 1, False),
        (50.0, 0, True),
    ],
)
def test_thin_is_fewer_than_ten_samples_beyond(percentile: float, count: int, thin: bool) -> None:
    assert wording.thin(percentile, count) is thin


@pytest.mark.parametrize(
    ("words", "said"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_lists_are_sentences(words: list[str], said: str) -> None:
    assert wording.listed(words) == said


def test_counts_have_the_most_frequent_first() -> None:
    assert wording.counts({"late": 1, "gone": 0, "reset": 1200, "early": 1}) == "1,200 x reset, 1 x early, 1 x late"


@pytest.mark.parametrize(("number", "said"), [(1, "1 witness"), (3, "3 witnesses"), (1200, "1,200 witnesses")])
def test_nouns_are_counted(number: int, said: str) -> None:
    assert wording.counted(number, "witness") == said


@pytest.mark.parametrize(
    ("per_second", "said"), [(None, "-"), (23_099.6, "23,100"), (100.0, "100"), (12.34, "12.3"), (0.0, "0")]
)
def test_rates(per_second: float | None, said: str) -> None:
    assert wording.rate(per_second) == said
