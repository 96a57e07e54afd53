from typing import Any

from tests.bench.report import examples
from wsbench.report.headroom import headroom


def rows_of(result: Any) -> dict[str, list[str]]:
    return {row.head: [cell.text for cell in row.cells] for row in headroom(result).rows}


def test_every_arm_that_stands_tells_its_cores_and_lags() -> None:
    result = examples.closed_loop()
    rows = rows_of(result)
    assert list(rows) == ["direct", "http1", "http2"]  # http2-blocked carried nothing
    http1 = result["arms"]["http1"]
    assert http1["driver"]["cpu_cores"] is not None
    assert rows["http1"][1] == f"{http1['driver']['cpu_cores']:.2f}"
    assert rows["direct"][2:4] == ["-", "-"]
    assert "send lag p99" not in headroom(result).columns  # nothing is due in the closed loop


def test_who_was_at_its_limit_is_named() -> None:
    result = examples.closed_loop()
    assert rows_of(result)["http1"][0] == "none"
    http1: Any = result["arms"]["http1"]
    changed: Any = {**result, "arms": {**result["arms"], "http1": {**http1, "bound_by": ["driver", "machine"]}}}
    assert rows_of(changed)["http1"][0] == "driver, machine"


def test_the_open_loop_tells_its_send_lag() -> None:
    assert headroom(examples.open_loop()).columns[-1] == "send lag p99"
    assert rows_of(examples.open_loop())["http1"][-1] != "-"


def test_results_of_version_1_know_nothing_of_it() -> None:
    assert rows_of(examples.version_1()) == {}


def test_the_columns_say_how_many_cpus_there_were() -> None:
    table = headroom(examples.closed_loop())
    assert f"all of {examples.closed_loop()['environment']['cpu_count']}" in table.columns
    assert all(len(row.cells) == len(table.columns) - 1 for row in table.rows)
