"""How far from saturation every part was, and how punctual the driver: may the figures be laid to the proxies?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from wsbench.limits import SATURATED
from wsbench.report import reading, wording
from wsbench.report.tables import Cell, Mark, Row, Table

if TYPE_CHECKING:
    from wsbench import document

_PARTS = {
    "driver": "driver",
    "server": "echo server",
    "client_sidecar": "client sidecar",
    "server_sidecar": "server sidecar",
    "machine": "machine",
}


def headroom(result: document.Result) -> Table:
    """CPU of every part in cores, and the lags; empty for results that do not know it."""
    rows = []
    # In the closed loop nothing is due: the column would be empty.
    lags: tuple[Literal["loop_lag", "send_lag"], ...] = ("loop_lag",)
    if reading.open_loop(result):
        lags += ("send_lag",)
    for name, arm in result["arms"].items():
        if not reading.stands(arm) or arm["bound_by"] is None:
            continue
        (client, server), machine = reading.sidecars(arm), arm["machine"]
        limits = ", ".join(_PARTS[bound] for bound in arm["bound_by"])
        rows.append(
            Row(
                name,
                (
                    Cell(limits or "none", Mark.BAD if limits else Mark.PLAIN),
                    _cores(arm["driver"]),
                    _cores(client),
                    _cores(server),
                    _cores(arm["server"]),
                    Cell(wording.NOTHING if machine is None else f"{machine['busy_cores']:.2f}"),
                    Cell(
                        wording.NOTHING
                        if machine is None or machine["others_cores"] is None
                        else f"{machine['others_cores']:.2f}"
                    ),
                    Cell(wording.NOTHING if machine is None else f"{machine['steal_cores']:.2f}"),
                    *(_p99(arm[lag]) for lag in lags),
                ),
            )
        )
    cpus = result["environment"]["cpu_count"]
    columns = (
        "arm",
        "at its limit",
        "driver",
        "client sidecar",
        "server sidecar",
        "server",
        f"all of {cpus}",
        "others",
        "steal",
        *(f"{lag.replace('_', ' ')} p99" for lag in lags),
    )
    note = (
        f"Cores: CPU seconds a second. At its limit: above {SATURATED:.0%} of the cores it can use (the machine 95%), "
        "or late in sending. Others: what no part of the run used. Loop lag: how late the driver's event loop was."
    )
    return Table("How far from saturation", columns, tuple(rows), words=1, note=note)


def _cores(cost: document.ProcessCost | None) -> Cell:
    cores = cost["cpu_cores"] if cost else None
    return Cell(wording.NOTHING if cores is None else f"{cores:.2f}")


def _p99(latency: document.Latency | None) -> Cell:
    return Cell(wording.NOTHING if latency is None else wording.time(latency["p99_us"]))
