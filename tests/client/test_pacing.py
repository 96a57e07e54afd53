from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsbench_client.pacing import SECOND_NS, ConstantRate

rates = st.floats(0.001, 1e9)


@pytest.mark.parametrize(
    ("rate", "index", "due_ns"),
    [(1, 0, 0), (1, 5, 5 * SECOND_NS), (1000, 1, 1_000_000), (3, 1, 333_333_333), (0.5, 1, 2 * SECOND_NS), (1e9, 7, 7)],
)
def test_when_due(rate: float, index: int, due_ns: int) -> None:
    assert ConstantRate(rate).due_ns(index) == due_ns


@given(rates, st.integers(0, 10**6))
def test_never_before_the_one_before(rate: float, index: int) -> None:
    assert ConstantRate(rate).due_ns(index) <= ConstantRate(rate).due_ns(index + 1)


@given(rates, st.integers(1, 3600 * SECOND_NS))
def test_due_before_counts_exactly_those(rate: float, elapsed_ns: int) -> None:
    pacer = ConstantRate(rate)
    count = pacer.due_before(elapsed_ns)
    assert pacer.due_ns(count - 1) < elapsed_ns <= pacer.due_ns(count)


def test_nothing_is_due_before_the_start() -> None:
    assert ConstantRate(1000).due_before(0) == 0
