from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsbench_client.pattern import ECHO, MAX_BURST, Pattern, PatternKind


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("echo", ECHO),
        ("one-way", Pattern(PatternKind.ONE_WAY)),
        ("burst:16", Pattern(PatternKind.BURST, 16)),
        ("burst 16", Pattern(PatternKind.BURST, 16)),
    ],
)
def test_read(text: str, pattern: Pattern) -> None:
    assert Pattern.parse(text) == pattern


@given(st.integers(2, MAX_BURST))
def test_written_and_read(burst: int) -> None:
    pattern = Pattern(PatternKind.BURST, burst)
    assert Pattern.parse(str(pattern)) == pattern


@pytest.mark.parametrize(
    "text", ["", "burst", "burst:", "burst:x", "burst:-1", "burst:1:2", "echo:2", "two-way", "ECHO"]
)
def test_what_is_no_pattern_is_refused_with_the_text(text: str) -> None:
    with pytest.raises(ValueError, match="is no pattern: write echo, burst:N") as raised:
        Pattern.parse(text)
    assert repr(text) in str(raised.value)


@pytest.mark.parametrize("burst", [0, 1, MAX_BURST + 1])
def test_a_burst_has_its_limits(burst: int) -> None:
    with pytest.raises(ValueError, match=f"not {burst}$"):
        Pattern.parse(f"burst:{burst}")


def test_only_bursts_have_a_number() -> None:
    with pytest.raises(ValueError, match="one-way sends one message at a time, not 3"):
        Pattern(PatternKind.ONE_WAY, 3)


def test_only_one_way_is_one_way() -> None:
    assert [Pattern.parse(text).one_way for text in ("echo", "burst:2", "one-way")] == [False, False, True]
