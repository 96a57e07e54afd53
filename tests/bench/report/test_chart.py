from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, fromstring

import pytest

from tests.bench.report import examples
from wsbench.report import chart, reading, wording

if TYPE_CHECKING:
    from collections.abc import Callable

    from wsbench import document
    from wsbench.report.chart import Chart

CHARTS: dict[str, Callable[[document.Result], Chart | None]] = {
    "round_trip_curves": chart.round_trip_curves,
    "connect_curves": chart.connect_curves,
    "rounds": chart.rounds,
    "latency_over_time": chart.latency_over_time,
    "rate_over_time": chart.rate_over_time,
}


@pytest.mark.parametrize("name", CHARTS)
def test_a_drawing_is_well_formed_and_says_what_it_is(example: document.Result, name: str) -> None:
    found = CHARTS[name](reading.cleaned(example))
    if found is not None:
        svg = fromstring(found.drawing)
        assert svg.attrib["role"] == "img"
        assert [child.tag for child in svg[:2]] == ["title", "desc"]
        assert svg[0].text
        assert svg[1].text
        assert "nan" not in found.drawing
        assert "inf" not in found.drawing


@pytest.mark.parametrize("name", CHARTS)
def test_behind_every_drawing_is_a_table_of_what_can_be_read_in_it(example: document.Result, name: str) -> None:
    found = CHARTS[name](reading.cleaned(example))
    if found is not None:
        svg = fromstring(found.drawing)
        lines = [group for group in svg.iter("g") if "data-at" in group.attrib]
        assert svg.attrib["data-stops"].split("|") == [row.head for row in found.table.rows]
        assert [line.attrib["data-arm"] for line in lines] == list(found.table.columns[1:])
        for place, line in enumerate(lines):
            words = [at.split(" ", 2)[-1] or wording.NOTHING for at in line.attrib["data-at"].split("|")]
            assert words == [row.cells[place].text for row in found.table.rows]


@pytest.mark.parametrize("name", CHARTS)
def test_where_there_is_nothing_to_draw_nothing_is_drawn(name: str) -> None:
    assert CHARTS[name](examples.no_arms()) is None


def drawn(found: Chart | None) -> Element:
    assert found is not None
    return fromstring(found.drawing)


def test_the_curves_table_has_the_very_points_and_a_nine_is_written_as_one_says_it() -> None:
    made = examples.closed_loop()
    found = chart.round_trip_curves(made)
    assert found is not None
    rows = {row.head: [cell.text for cell in row.cells] for row in found.table.rows}
    curves = [made["arms"][name]["curves"]["service_time"] for name in ("direct", "http1", "http2")]
    assert rows["p99.9"] == [wording.time(dict(curve)[99.9]) for curve in curves]
    assert rows["max"] == [wording.time(curve[-1][1]) for curve in curves]
    assert next(iter(rows)) == "min"
    assert list(rows)[-1] == "max"
    assert {"p49.9", "p90", "p99", "p99.9", "p99.99"} <= rows.keys()


def test_seconds_are_told_by_their_round() -> None:
    made = examples.closed_loop()
    found = chart.rate_over_time(made)
    assert found is not None
    assert [row.head for row in found.table.rows][:3] == ["round 1, from 0 s", "round 1, from 1 s", "round 2, from 0 s"]
    assert {cell.text for row in found.table.rows for cell in row.cells} == {"30,000"}


def test_many_seconds_are_taken_together_and_the_worst_of_them_stays() -> None:
    long = examples.arm("http1", rounds=4)
    for trial in long["rounds"]:
        trial["series"] = [examples.second(1000.0, number) for number in range(300)]
    long["rounds"][1]["series"][150]["p99_us"] = 77_700.0
    made = examples.result({"http1": long})
    latency, rate = chart.latency_over_time(made), chart.rate_over_time(made)
    assert latency is not None
    assert rate is not None
    assert len(latency.table.rows) == 600
    assert latency.table.title == "p99 round trip by second, 2 seconds a point"
    assert [row.head for row in latency.table.rows if row.cells[0].text == "77.7 ms"] == ["round 2, from 150 s"]
    assert {row.cells[0].text for row in rate.table.rows} == {"30,000"}


def test_curves_have_every_arm_that_stands_and_no_other() -> None:
    svg = drawn(chart.round_trip_curves(examples.disproved()))
    assert [line[0].text for line in svg.iter("g") if "data-at" in line.attrib] == ["direct", "http1"]


def test_a_curve_fades_where_fewer_than_ten_samples_lie_beyond() -> None:
    svg = drawn(chart.connect_curves(examples.lone_target()))
    parts = [line.attrib["class"] for line in svg.iter("polyline")]
    assert parts == ["sure", "unsure"]


def test_no_two_of_28_arms_look_alike() -> None:
    arms = {f"a{number}": examples.arm(f"a{number}", kind="target", rounds=0) for number in range(28)}
    looks = chart.styles(examples.result(arms)).values()
    assert len(set(looks)) == 28
