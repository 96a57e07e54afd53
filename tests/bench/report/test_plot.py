from __future__ import annotations

from itertools import pairwise
from xml.etree.ElementTree import fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsbench.report import plot
from wsbench.report.plot import Axis, Line, Style, Unit

STYLE = Style(1, "")
AXIS = Axis("x", [(1.0, "1")], 0.0, 5.0)


def drawn(line: Line, unit: Unit = Unit.TIME, rules: tuple[tuple[float, str], ...] = ()) -> list[str]:
    svg = fromstring(plot.plot([line], title="t", description="d", axis=AXIS, unit=unit, rules=rules))
    return [element.attrib["points"] for element in svg.iter("polyline")]


def test_a_line_is_broken_at_its_gaps() -> None:
    points = ((1.0, 10.0), (2.0, 10.0), (3.0, 20.0), (4.0, 20.0))
    assert [len(part.split()) for part in drawn(Line("a", STYLE, points))] == [4]
    assert [len(part.split()) for part in drawn(Line("a", STYLE, points, gaps=(2.5,)))] == [2, 2]
    # A point alone has no line.
    assert [len(part.split()) for part in drawn(Line("a", STYLE, points, gaps=(1.5,)))] == [3]


@pytest.mark.parametrize(("unit", "words"), [(Unit.TIME, "20 ms"), (Unit.RATE, "20k")])
def test_rules_rings_and_ticks(unit: Unit, words: str) -> None:
    line = Line("a", STYLE, ((1.0, 500.0), (2.0, 90_000.0)), rings=((1.0, 500.0, "the knee"),))
    svg = fromstring(
        plot.plot([line], title="t", description="d", axis=AXIS, unit=unit, rules=[(30_000.0, "p99 < 30 ms")])
    )
    texts = [element.text for element in svg.iter("text")]
    assert words in texts
    assert "p99 < 30 ms" in texts
    assert [element.text for ring in svg.iter("circle") for element in ring] == ["the knee"]


@given(st.lists(st.floats(min_value=0, max_value=300), min_size=1, max_size=15))
def test_labels_are_inside_and_not_one_upon_another(wanted: list[float]) -> None:
    placed = plot._apart(wanted, 10, 260)
    gap = min(14.0, 250 / max(1, len(wanted) - 1))
    assert all(below - above >= gap - 1e-6 for above, below in pairwise(sorted(placed)))
    assert min(placed) >= 10 - 1e-6
    assert max(placed) <= 260 + 1e-6
