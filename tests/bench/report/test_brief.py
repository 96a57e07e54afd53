from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.bench.report import examples
from wsbench.report import brief
from wsbench.report.tables import Mark

if TYPE_CHECKING:
    from wsbench import document
    from wsbench.report.tables import Row, Table


def row(table: Table, name: str) -> Row:
    (found,) = (one for one in table.rows if one.head == name)
    return found


def texts(table: Table, name: str) -> list[str]:
    return [cell.text for cell in row(table, name).cells]


def test_an_arm_is_one_line_with_its_proof_and_figures() -> None:
    table = brief.arms(examples.closed_loop())
    assert table.columns == ("arm", "proof", "msgs/s", "p50", "p99", "p99.9", "tail", "connect", "CPU us", "hop")
    found = texts(table, "http2")
    assert found[:5] == ["proved 3", "30,159", "2.09 ms", "4.82 ms", "9.88 ms"]
    assert found[-3:] == ["984 us", "71.2", "1"]
    assert texts(table, "direct")[-1] == "-"
    assert all(len(one.cells) == len(table.columns) - 1 for one in table.rows)


def test_cpu_is_the_sum_of_all_parts() -> None:
    result = examples.closed_loop()
    arm = result["arms"]["http1"]
    assert arm["sidecars"] is not None
    parts = (arm["driver"], arm["server"], arm["sidecars"]["client"], arm["sidecars"]["server"])
    total = sum(part["cpu_us_per_message"] or 0 for part in parts if part)
    assert texts(brief.arms(result), "http1")[-2] == f"{total:.1f}"


def test_a_refusal_that_is_claimed_is_proved_without_figures() -> None:
    blocked = row(brief.arms(examples.closed_loop()), "http2-blocked")
    assert [cell.text for cell in blocked.cells if cell.text][1:] == ["HTTP 503"]
    assert not blocked.grave


@pytest.mark.parametrize(("name", "words"), [("disproved", "DISPROVED"), ("failed", "FAILED")])
def test_what_does_not_stand_is_a_grave_note(name: str, words: str) -> None:
    found = row(brief.arms(examples.EXAMPLES[name]()), "http2")
    assert (found.grave, found.cells) == (True, ())
    assert words in found.note


def test_open_loop_and_one_way_have_figures_of_their_own() -> None:
    result = examples.open_loop()
    response, service = (result["arms"]["http2"][key] for key in ("response_time", "service_time"))
    assert response is not None
    assert service is not None
    assert response["p50_us"] != service["p50_us"]
    assert texts(brief.arms(result), "http2")[2] == "2.40 ms"
    table = brief.arms(examples.one_way())
    assert table.columns[2:4] == ("MB/s", "msgs/s")
    assert texts(table, "http2")[1] == "51.1"


def latency(count: int, *values: float) -> document.Latency:
    names = ("p50_us", "p90_us", "p99_us", "p999_us", "p9999_us", "max_us")
    made: document.Latency = json.loads(json.dumps({"count": count, **dict(zip(names, values, strict=True))}))
    return made


def test_a_tail_is_on_a_log_scale_from_end_to_end() -> None:
    assert brief.tail(latency(10**6, 1, 10, 100, 10**3, 10**4, 10**8), 1, 10**8) == "▁▂▃▄▅█"
    assert brief.tail(latency(10**6, *(5.0,) * 6), 5, 5) == "▁▁▁▁▁▁"
    assert brief.tail(None, 1, 2) == "-"


def test_a_percentile_that_chance_decides_has_no_bar_in_the_tail() -> None:
    assert brief.tail(latency(1000, 1, 10, 100, 10**3, 10**4, 10**8), 1, 10**8) == "▁▂▃  █"


def test_the_verdicts_pair_comes_first_and_the_floor_is_left_out() -> None:
    result = examples.closed_loop()
    table = brief.changes(result)
    assert [one.head for one in table.rows] == ["http2 against http1"]
    assert texts(table, "http2 against http1") == [
        *("24% to 38% higher", "19% to 28% lower"),
        *("none shown", "none shown"),
    ]
    assert [cell.mark for cell in table.rows[0].cells] == [Mark.GOOD, Mark.GOOD, Mark.PLAIN, Mark.PLAIN]
    assert "1 of 3 pairs" in table.note
    assert "all 12 comparisons" in table.note


def test_with_nothing_but_the_floor_to_compare_with_the_floor_it_is() -> None:
    result = examples.closed_loop()
    result["comparisons"] = [one for one in result["comparisons"] if one["baseline"] == "direct"]
    assert {one.head for one in brief.changes(result).rows} == {"http1 against direct", "http2 against direct"}


def test_many_pairs_are_counted() -> None:
    table = brief.changes(examples.twelve())
    assert len(table.rows) == 16
    assert table.rows[0].head == "http2 against http1"
    assert "16 of 64 pairs are shown here" in table.note


def test_what_is_void_or_too_little_shows_no_figure() -> None:
    assert set(texts(brief.changes(examples.disproved()), "http2 against http1")) == {"void"}
    assert set(texts(brief.changes(examples.incomplete()), "http2 against http1")) == {"insufficient"}


def test_a_warning_that_arms_share_is_said_once() -> None:
    result = examples.closed_loop()
    result["warnings"] = ["http1: late", "all: of it", "http2: late", "direct: bound: by it"]
    assert brief.warnings(result) == ["http1 and http2: late", "all: of it", "direct: bound: by it"]
