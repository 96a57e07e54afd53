from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree.ElementTree import fromstring

import pytest

from tests.bench.report import examples
from wsbench.report import chart, reading

if TYPE_CHECKING:
    from collections.abc import Callable

    from wsbench import document

DRAWINGS: dict[str, Callable[[document.Result], str]] = {
    "round_trip_curves": chart.round_trip_curves,
    "connect_curves": chart.connect_curves,
    "rounds": chart.rounds,
    "latency_over_time": chart.latency_over_time,
    "rate_over_time": chart.rate_over_time,
    "forest": lambda result: chart.forest(result, "http1", "http2"),
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_drawing_is_well_formed_and_says_what_it_is(example: document.Result, name: str) -> None:
    drawing = DRAWINGS[name](reading.cleaned(example))
    if drawing:
        svg = fromstring(drawing)
        assert svg.attrib["role"] == "img"
        assert [child.tag for child in svg[:2]] == ["title", "desc"]
        assert svg[0].text
        assert svg[1].text
        assert "nan" not in drawing
        assert "inf" not in drawing


@pytest.mark.parametrize("name", DRAWINGS)
def test_where_there_is_nothing_to_draw_nothing_is_drawn(name: str) -> None:
    assert DRAWINGS[name](examples.no_arms()) == ""


def test_curves_have_every_arm_that_stands_and_no_other() -> None:
    svg = fromstring(chart.round_trip_curves(examples.disproved()))
    assert [line[0].text for line in svg.iter("g")] == ["direct", "http1"]


def test_a_curve_fades_where_fewer_than_ten_samples_lie_beyond() -> None:
    svg = fromstring(chart.connect_curves(examples.lone_target()))
    parts = [line.attrib["class"] for line in svg.iter("polyline")]
    assert parts == ["sure", "unsure"]


def test_no_two_of_28_arms_look_alike() -> None:
    arms = {f"a{number}": examples.arm(f"a{number}", kind="target", rounds=0) for number in range(28)}
    looks = chart.styles(examples.result(arms)).values()
    assert len(set(looks)) == 28


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
    svg = fromstring(chart.forest(made, "http1", "http2"))
    middle = next(float(line.attrib["x1"]) for line in svg.iter("line") if line.attrib["class"] == "even")
    bar = next(line for line in svg.iter("line") if line.attrib["class"] == "interval")
    ends = sorted(float(bar.attrib[end]) for end in ("x1", "x2"))
    assert (ends[0] > middle) if better else (ends[1] < middle)
