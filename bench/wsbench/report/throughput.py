"""One-way traffic: what the server received, and how fast. There is no round trip to tell of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsbench.report import reading, wording
from wsbench.report.tables import Cell, Row, Table

if TYPE_CHECKING:
    from wsbench import document


def throughput(result: document.Result) -> Table:
    """Goodput of every arm, with the send lag in the open loop; no rows where messages were echoed."""
    rows: list[Row] = []
    open_loop = reading.open_loop(result)
    for name, arm in result["arms"].items() if reading.one_way(result) else ():
        absent = reading.absence(arm)
        if absent is not None:
            rows.append(Row(name, note=absent, grave=not reading.refused_as_claimed(arm)))
            continue
        cells = [
            Cell(wording.amount(arm["goodput_mb_per_s"])),
            Cell(wording.rate(arm["achieved_rate"])),
            Cell(wording.whole(arm["received"])),
        ]
        if open_loop:
            lag = arm["send_lag"]
            cells += [Cell(wording.time(value)) for value in ((lag["p50_us"], lag["p99_us"]) if lag else (None, None))]
        rows.append(Row(name, tuple(cells)))
    lag_columns = ("send lag p50", "p99") if open_loop else ()
    return Table(
        "Upstream throughput (one-way)",
        ("arm", "MB/s", "msgs/s", "acknowledged", *lag_columns),
        tuple(rows),
        note="MB/s: 10^6 bytes of payload a second, of messages that the server acknowledged inside the window.",
    )
