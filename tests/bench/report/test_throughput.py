from typing import Any

from tests.bench.report import examples
from wsbench.report.throughput import throughput


def test_only_one_way_traffic_has_a_throughput() -> None:
    assert throughput(examples.closed_loop()).rows == ()
    result: Any = examples.one_way()
    table = throughput(result)
    assert [row.head for row in table.rows] == list(result["arms"])
    for row in table.rows:
        assert row.note or len(row.cells) == len(table.columns) - 1


def test_send_lag_is_of_the_open_loop() -> None:
    result: Any = examples.one_way()
    closed: Any = {**result, "plan": {**result["plan"], "rate": None}}
    paced: Any = {**result, "plan": {**result["plan"], "rate": 1000.0}}
    assert "send lag p50" not in throughput(closed).columns
    assert "send lag p50" in throughput(paced).columns
