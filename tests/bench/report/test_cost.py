from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree.ElementTree import fromstring

import pytest

from tests.bench.report import examples
from wsbench.report import cost, reading

if TYPE_CHECKING:
    from collections.abc import Callable

    from wsbench import document

DRAWINGS: dict[str, Callable[[document.Result], str]] = {
    "cpu": cost.cpu_bars,
    "memory": cost.memory_bars,
    "hop": cost.hop_bars,
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_drawing_is_well_formed_and_says_what_it_is(example: document.Result, name: str) -> None:
    drawing = DRAWINGS[name](reading.cleaned(example))
    if drawing:
        svg = fromstring(drawing)
        assert svg.attrib["role"] == "img"
        assert svg[0].text
        assert svg[1].text
        assert "nan" not in drawing


@pytest.mark.parametrize("name", DRAWINGS)
def test_where_nothing_is_known_nothing_is_drawn(name: str) -> None:
    assert DRAWINGS[name](examples.no_arms()) == ""


def test_cpu_is_stacked_by_process_of_every_arm_that_stands() -> None:
    svg = fromstring(cost.cpu_bars(examples.disproved()))
    assert svg[1].text == (
        "direct: 35.9 us (driver 14.2, echo server 21.7); "
        "http1: 71.2 us (driver 14.2, client sidecar 18.4, server sidecar 16.9, echo server 21.7)"
    )


def test_memory_and_hop_have_the_arms_that_have_them() -> None:
    assert "http1: 93.1 KiB (client sidecar 47.9, server sidecar 45.2)" in cost.memory_bars(examples.closed_loop())
    hop = cost.hop_bars(examples.closed_loop())
    assert "http1: 64 connections; http2: 1 connections" in hop
    assert "direct" not in hop


def test_shares_are_of_cpu_time_and_say_so() -> None:
    made = examples.closed_loop()
    table = cost.cpu_shares(made)
    assert [row.head for row in table.rows] == ["direct", "http1", "http2"]
    mean_us = made["arms"]["http1"]["service_time"]["mean_us"]
    assert mean_us == 2760 * 1.08
    cells = [cell.text for cell in table.rows[1].cells]
    assert cells == ["2.98 ms", "71.2 us", "2.4%", "20%", "26%", "24%", "30%"]
    assert "not a breakdown of latency" in table.note
    assert not cost.cpu_shares(examples.one_way()).rows
    assert not cost.cpu_shares(examples.nulls()).rows[1:]
