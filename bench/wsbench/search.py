"""The search for the highest rate that is still carried: pure, told what every trial found, asked for the next rate.

Growth from a first rate until one fails, then bisection in the logarithm of the rate until the bracket is as narrow as
asked. A trial on a real machine fails now and then by bad luck: a rate is decided by a majority of votes, and the ends
of the bracket are decided rates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

_DIGITS = 3


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """Where to search, and how finely: rates per second.

    Growth multiplies by ``growth`` from ``first`` up to ``highest``; where ``first`` is not carried, rates shrink by as
    much down to ``lowest``. The search ends with a bracket whose ends are at most ``resolution`` (0.05 for 5%) apart. A
    rate is decided by a majority of ``repeats`` trials. Raises ValueError, with the value in it, for what cannot be
    searched.
    """

    first: float = 1_000.0
    lowest: float = 1.0
    highest: float = 1_000_000.0
    growth: float = 2.0
    resolution: float = 0.05
    repeats: int = 3

    def __post_init__(self) -> None:
        if not 0 < self.lowest <= self.first <= self.highest:
            raise ValueError(
                f"the first rate must be from {self.lowest:,.10g}/s to the highest, {self.highest:,.10g}/s: "
                f"{self.first:,.10g}"
            )
        if not self.growth > 1:
            raise ValueError(f"rates must grow: a factor above 1, not {self.growth:g}")
        if not 0.01 <= self.resolution <= 1:
            raise ValueError(f"the resolution must be from 1% to 100%, not {self.resolution:.4%}")
        if self.repeats < 1 or self.repeats % 2 == 0:
            raise ValueError(f"a majority needs an odd number of repeats, not {self.repeats}")


@dataclass(frozen=True, slots=True)
class Bracket:
    """Where the capacity is: ``low`` was carried, ``high`` was not, each by a majority.

    ``low`` None: not even the lowest rate tried was carried. ``high`` None: the highest rate was, or the search is not
    that far. ``closed``: the search has ended.
    """

    low: float | None
    high: float | None
    closed: bool


class Search:
    """One search. ``next_rate`` says what to try; ``tell`` what was found."""

    def __init__(self, plan: SearchPlan) -> None:
        self._plan = plan
        # Votes by rate: carried, not carried.
        self._votes: dict[float, tuple[int, int]] = {}

    def tell(self, rate: float, *, carried: bool) -> None:
        """A trial at this rate: whether the load was carried."""
        good, bad = self._votes.get(rate, (0, 0))
        self._votes[rate] = (good + carried, bad + (not carried))

    def next_rate(self) -> float | None:
        """What to try now; None where the search has ended."""
        high = self._high
        if high is None:
            return self._growing()
        below = [rate for rate in self._votes if rate < high]
        open_rates = [rate for rate in below if self._leaning(rate) is None]
        if open_rates:
            return max(open_rates)
        low = max((rate for rate in below if self._leaning(rate)), default=None)
        if low is None:
            tried = min(self._votes)
            return max(_rounded(tried / self._plan.growth), self._plan.lowest) if tried > self._plan.lowest else None
        if high / low > 1 + self._plan.resolution:
            middle = _rounded(math.sqrt(low * high))
            if low < middle < high:
                return middle
        return None if self._decided(low) else low

    @property
    def bracket(self) -> Bracket:
        """What is decided so far."""
        high = self._high
        low = max((rate for rate in self._votes if self._decided(rate) and rate < (high or math.inf)), default=None)
        return Bracket(low, high, closed=self.next_rate() is None)

    @property
    def trials_left(self) -> int:
        """About how many trials there may still be: for a progress bar."""
        bracket, plan = self.bracket, self._plan
        if bracket.closed:
            return 0
        reach = plan.growth if bracket.low is None or bracket.high is None else bracket.high / bracket.low
        halvings = math.ceil(math.log2(max(math.log(reach) / math.log1p(plan.resolution), 2.0)))
        return halvings * (plan.repeats // 2 + 1) + (3 if bracket.high is None else 0)

    def _growing(self) -> float | None:
        if not self._votes:
            return self._plan.first
        rate = max(self._votes)
        good, bad = self._votes[rate]
        if bad and self._decided(rate) is None:
            return rate
        if rate >= self._plan.highest:
            return None if self._decided(rate) else rate
        # A rate that was carried once is left for a higher one: should that fail, it is looked at again.
        return min(_rounded(rate * self._plan.growth), self._plan.highest) if good else rate

    @property
    def _high(self) -> float | None:
        """The lowest rate that is decided not to be carried."""
        return min((rate for rate in self._votes if self._decided(rate) is False), default=None)

    def _decided(self, rate: float) -> bool | None:
        """Whether it is carried, by a majority of all repeats; None while it may go either way."""
        good, bad = self._votes[rate]
        majority = self._plan.repeats // 2 + 1
        return True if good >= majority else False if bad >= majority else None

    def _leaning(self, rate: float) -> bool | None:
        """Whether it was carried, as far as one knows: a rate carried without a failure is taken for carried."""
        good, bad = self._votes[rate]
        return True if good and not bad else self._decided(rate)


def _rounded(rate: float) -> float:
    """To three digits: 5,660 a second, not 5,656.854."""
    return round(rate, _DIGITS - 1 - math.floor(math.log10(rate)))
