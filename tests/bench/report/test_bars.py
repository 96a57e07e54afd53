from __future__ import annotations

from xml.etree.ElementTree import fromstring

from wsbench.report import bars
from wsbench.report.bars import Bar


def test_pieces_stand_end_to_end_and_are_as_long_as_what_they_show() -> None:
    shown = [Bar("a", (10.0, None, 30.0)), Bar("b", (5.0, 15.0, 0.0))]
    svg = fromstring(bars.bars(shown, ("x", "y", "z"), title="t", unit="us"))
    (first, second) = [list(group.iter("rect")) for group in svg.iter("g")]
    assert [piece.attrib["class"] for piece in first] == ["p0", "p2"]
    assert [piece.attrib["class"] for piece in second] == ["p0", "p1"]
    widths = [float(piece.attrib["width"]) for piece in (*first, *second)]
    assert [round(width / widths[0], 1) for width in widths] == [1.0, 3.0, 0.5, 1.5]
    assert float(first[1].attrib["x"]) == round(float(first[0].attrib["x"]) + widths[0], 1)


def test_figures_are_said_in_words_and_totals_stand_at_the_end() -> None:
    svg = fromstring(bars.bars([Bar("a", (10.0, None, 30.0))], ("x", "y", "z"), title="t", unit="us"))
    assert svg[1].text == "a: 40.0 us (x 10.0, z 30.0)"
    assert [text.text for text in svg.iter("text")] == ["a", "10.0", "30.0", "40.0"]


def test_what_has_no_length_is_not_drawn() -> None:
    assert bars.bars([], ("x",), title="t", unit="us") == ""
    assert bars.bars([Bar("a", (None,)), Bar("b", (0.0,))], ("x",), title="t", unit="us") == ""
    svg = fromstring(bars.bars([Bar("a", (4.0, -1.0))], ("x", "y"), title="t", unit="us"))
    assert len(list(svg.iter("rect"))) == 1
