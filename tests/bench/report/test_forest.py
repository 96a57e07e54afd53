from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree.ElementTree import fromstring

import pytest

from tests.bench.report import examples
from wsbench.report import reading
from wsbench.report.forest import forest

if TYPE_CHECKING:
    from wsbench import document


def test_it_is_well_formed_and_says_what_it_is(example: document.Result) -> None:
    drawing = forest(reading.cleaned(example), "http1", "http2")
    if drawing:
        svg = fromstring(drawing)
        assert svg.attrib["role"] == "img"
        assert [child.tag for child in svg[:2]] == ["title", "desc"]
        assert svg[0].text
        assert svg[1].text
        assert "nan" not in drawing
        assert "inf" not in drawing


def test_where_there_is_nothing_to_draw_nothing_is_drawn() -> None:
    assert forest(examples.no_arms(), "http1", "http2") == ""


def test_every_change_stands_with_its_interval() -> None:
    svg = fromstring(forest(examples.closed_loop(), "http1", "http2"))
    values = ["".join(text.itertext()) for text in svg.iter("text") if text.attrib["class"] == "value"]
    assert values[:2] == ["31% higher (24% to 38% higher)", "24% lower (19% to 28% lower)"]


@pytest.mark.parametrize(
    ("metric", "interval", "better"),
    [
        ("service_time.p50_us", (0.5, 0.6, 0.7), True),
        ("service_time.p50_us", (1.5, 1.6, 1.7), False),
        ("achieved_rate", (0.5, 0.6, 0.7), False),
        ("achieved_rate", (1.5, 1.6, 1.7), True),
    ],
)
def test_right_of_the_middle_is_better_whatever_the_metric(
    metric: str, interval: tuple[float, float, float], better: bool
) -> None:
    arms = {name: examples.arm(name, rounds=1) for name in ("http1", "http2")}
    made = examples.result(arms, [examples.comparison(metric, "http1", "http2", interval)])
    svg = fromstring(forest(made, "http1", "http2"))
    middle = next(float(line.attrib["x1"]) for line in svg.iter("line") if line.attrib["class"] == "even")
    bar = next(line for line in svg.iter("line") if line.attrib["class"] == "interval")
    ends = sorted(float(bar.attrib[end]) for end in ("x1", "x2"))
    assert (ends[0] > middle) if better else (ends[1] < middle)
