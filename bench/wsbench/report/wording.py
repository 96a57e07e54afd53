"""Numbers in the reader's terms: units, three significant digits, ratios as "24% lower", never the wrong way round."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

NOTHING = "-"
"""What stands where nothing was recorded."""

THIN_MARK = "~"
THIN_SAMPLES = 10
"""With fewer samples beyond a percentile than this, chance decides what it is: it is shown as thin."""

THIN_NOTE = f"{THIN_MARK} thin: fewer than {THIN_SAMPLES} samples lie beyond this percentile, so chance decides it"

_TIME_UNITS = (("us", 1.0), ("ms", 1e3), ("s", 1e6))
_THIN_DIGITS = 6
_LEAST_PERCENT = 0.1
_ONE_DECIMAL_BELOW = 9.95
_ONE_DECIMAL_ABOVE = 99.0
_MOST_PERCENT = 99.95


def thin(percentile: float, count: int) -> bool:
    """Whether fewer than ten of ``count`` samples lie beyond the percentile. The maximum (100) is exact, never thin."""
    if percentile >= 100:
        return False
    return round((100 - percentile) / 100 * count, _THIN_DIGITS) < THIN_SAMPLES


def three_digits(value: float) -> str:
    """Three significant digits, no exponent: 0.0123, 1.23, 12.3, 123, 12,300."""
    if value == 0:
        return "0"
    magnitude = math.floor(math.log10(abs(value)))
    rounded = round(value, 2 - magnitude)
    if rounded == 0:
        return "0"
    magnitude = math.floor(math.log10(abs(rounded)))
    return f"{rounded:,.{max(0, 2 - magnitude)}f}"


def time(value_us: float | None) -> str:
    """A time with the unit that keeps it under 1,000: 999 us, 1.00 ms, 12.3 s."""
    if value_us is None:
        return NOTHING
    for unit, scale in _TIME_UNITS[:-1]:
        text = three_digits(value_us / scale)
        if float(text.replace(",", "")) < 1000:
            return f"{text} {unit}"
    unit, scale = _TIME_UNITS[-1]
    return f"{three_digits(value_us / scale)} {unit}"


def span(value_us: float) -> str:
    """A time that somebody asked for, as it was said: 2 s, 500 ms."""
    unit, scale = next(((unit, scale) for unit, scale in reversed(_TIME_UNITS) if value_us >= scale), _TIME_UNITS[0])
    return f"{value_us / scale:.10g} {unit}"


def rate(per_second: float | None) -> str:
    """Messages per second: whole ones from 100 on, three digits below."""
    if per_second is None:
        return NOTHING
    return f"{per_second:,.0f}" if per_second >= 100 else three_digits(per_second)


def amount(value: float | None) -> str:
    """A plain figure in three digits."""
    return NOTHING if value is None else three_digits(value)


def whole(value: int | None) -> str:
    """A count, with thousands set apart."""
    return NOTHING if value is None else f"{value:,}"


def counted(number: int, noun: str) -> str:
    """A count with its noun: 1 witness, 3 witnesses."""
    if number == 1:
        return f"1 {noun}"
    return f"{number:,} {noun}es" if noun.endswith("s") else f"{number:,} {noun}s"


def counts(by_kind: dict[str, int]) -> str:
    """Counts by kind, most frequent first: 3 x timeout, 1 x closed."""
    ordered = sorted(by_kind.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{number:,} x {kind}" for kind, number in ordered if number)


def listed(words: Sequence[str]) -> str:
    """Words as a sentence has them: a, b and c."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def percent(size: float) -> str:
    """The size of a change in percent: never 0% for what is something, nor 100% for what is not all."""
    if size < _LEAST_PERCENT:
        return f"under {_LEAST_PERCENT}%"
    if size >= _MOST_PERCENT:
        return "over 99.9%"
    decimals = 1 if size < _ONE_DECIMAL_BELOW or size > _ONE_DECIMAL_ABOVE else 0
    return f"{size:.{decimals}f}%"


def change(ratio: float | None) -> str:
    """A ratio to the baseline: 24% lower, 3.1% higher, 2.40x as high."""
    return NOTHING if ratio is None else " ".join(part for part in _change(ratio) if part)


def interval(low: float | None, high: float | None) -> str:
    """An interval of ratios: 19% to 28% lower, 3.0% lower to 2.1% higher."""
    if low is None or high is None:
        return NOTHING
    (low_size, low_word), (high_size, high_word) = _change(low), _change(high)
    if low_word != high_word:
        return f"{change(low)} to {change(high)}"
    if low_size == high_size:
        return change(low)
    first, last = (high_size, low_size) if low_word == "lower" else (low_size, high_size)
    return f"{first} to {last} {low_word}"


def confidence(share: float) -> str:
    """A confidence level: 95%."""
    return f"{share * 100:.4g}%"


def _change(ratio: float) -> tuple[str, str]:
    if ratio == 1:
        return "", "unchanged"
    if ratio >= 2:
        return f"{three_digits(ratio)}x", "as high"
    return percent(abs(ratio - 1) * 100), "lower" if ratio < 1 else "higher"
