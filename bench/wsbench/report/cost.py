"""What an arm costs: CPU per message by process, memory per connection, connections on the hop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsbench.report import bars, reading, verdict, wording
from wsbench.report.bars import Bar
from wsbench.report.tables import Cell, Row, Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wsbench import document

PROCESSES = ("driver", "client sidecar", "server sidecar", "echo server")
"""In the order in which a message comes by them. A bar of memory has the sidecars' two places alone."""


def cpu_bars(result: document.Result) -> str:
    """CPU time per message, stacked by process; empty where it is not known of any arm."""
    shown = [Bar(name, _cpu_us(arm)) for name, arm in _standing(result)]
    return bars.bars(shown, PROCESSES, title="CPU time per message", unit="us")


def memory_bars(result: document.Result) -> str:
    """Memory of both sidecars per connection; empty where it is not known of any arm."""
    shown = [
        Bar(name, (None, *(sidecar and sidecar["rss_kib_per_connection"] for sidecar in reading.sidecars(arm)), None))
        for name, arm in _standing(result)
    ]
    shown = [bar for bar in shown if bar.total]
    return bars.bars(shown, PROCESSES, title="Memory per connection", unit="KiB")


def hop_bars(result: document.Result) -> str:
    """Connections on the hop; empty where it is not known of any arm."""
    shown = [
        Bar(name, (connections,)) for name, arm in _standing(result) if (connections := verdict.hop_connections(arm))
    ]
    return bars.bars(shown, ("connections",), title="Connections on the hop", unit="connections", say=_whole)


def cpu_shares(result: document.Result) -> Table:
    """Where the CPU time of a message goes, beside how long its round trip is; no rows where nothing was echoed."""
    rows = []
    open_loop = reading.open_loop(result)
    for name, arm in () if reading.one_way(result) else _standing(result):
        latency = reading.round_trip(arm, open_loop=open_loop)
        mean_us = latency["mean_us"] if latency else None
        cpu_us = _cpu_us(arm)
        total_us = sum(part or 0.0 for part in cpu_us)
        if not mean_us or not total_us:
            continue
        on_cpu = f"{wording.percent(100 * total_us / mean_us)}" if total_us < mean_us else wording.NOTHING
        shares = [wording.NOTHING if part is None else f"{100 * part / total_us:.0f}%" for part in cpu_us]
        cells = (wording.time(mean_us), wording.time(total_us), on_cpu, *shares)
        rows.append(Row(name, tuple(Cell(text) for text in cells)))
    kind = "response time" if open_loop else "round trip"
    note = (
        "This is CPU time, not a breakdown of latency: where a message waited was not measured. On a CPU: all CPU time "
        f"of the four processes per message, over the mean {kind}; for the rest of it a message waits, behind "
        "messages of other connections, for a core, or in the kernel. What the kernel does in interrupts is in none."
    )
    columns = ("arm", f"mean {kind}", "CPU time", "on a CPU", *PROCESSES)
    return Table("Where the CPU time of a message goes", columns, tuple(rows), note=note)


def _cpu_us(arm: document.ArmResult) -> tuple[float | None, ...]:
    processes = (arm["driver"], *reading.sidecars(arm), arm["server"])
    return tuple(process["cpu_us_per_message"] if process else None for process in processes)


def _standing(result: document.Result) -> Iterator[tuple[str, document.ArmResult]]:
    return ((name, arm) for name, arm in result["arms"].items() if reading.stands(arm))


def _whole(value: float) -> str:
    return wording.whole(round(value))
