from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsbench_server.units import parse_duration_ns, parse_size_bytes


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5ms", 5_000_000),
        ("500us", 500_000),
        ("2s", 2_000_000_000),
        ("1.5m", 90_000_000_000),
        ("0ms", 0),
        (" 1 s ", 10**9),
    ],
)
def test_durations(text: str, value: int) -> None:
    assert parse_duration_ns(text) == value


@pytest.mark.parametrize("text", ["banana", "5", "", "-5ms", "5 parsecs", "ms", "1e3s", "5MS"])
def test_what_is_no_duration_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time") as caught:
        parse_duration_ns(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [("64", 64), ("64B", 64), ("16KiB", 16384), ("1MiB", 1 << 20), ("2k", 2048), ("1kB", 1000), ("0.5MiB", 1 << 19)],
)
def test_sizes(text: str, value: int) -> None:
    assert parse_size_bytes(text) == value


@pytest.mark.parametrize("parse", [parse_duration_ns, parse_size_bytes])
def test_what_no_clock_or_memory_could_hold_is_refused(parse: Callable[[str], int]) -> None:
    with pytest.raises(ValueError, match="is too much"):
        parse("9" * 400 + ("s" if parse is parse_duration_ns else ""))


@pytest.mark.parametrize("text", ["banana", "", "-1", "1 stone", "KiB"])
def test_what_is_no_size_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size") as caught:
        parse_size_bytes(text)
    assert repr(text) in str(caught.value)


@given(st.integers(min_value=0, max_value=10**9))
def test_whole_numbers_are_exact(number: int) -> None:
    assert parse_duration_ns(f"{number}us") == number * 1000
    assert parse_size_bytes(str(number)) == number
