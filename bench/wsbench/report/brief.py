"""The tables of the brief summary: every arm in one line, and the comparisons that decide."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from wsbench import proof
from wsbench.report import reading, tables, verdict, wording
from wsbench.report.reading import Judgement
from wsbench.report.tables import Cell, Mark, Row, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wsbench import document

BARS = "▁▂▃▄▅▆▇█"

_PAIRS = 16
_TAIL = (50.0, 90.0, 99.0, 99.9, 99.99, 100.0)
_TAIL_KEYS = ("p50_us", "p90_us", "p99_us", "p999_us", "p9999_us", "max_us")
_SHOWN = (("p50", 50.0, "p50_us"), ("p99", 99.0, "p99_us"), ("p99.9", 99.9, "p999_us"))
_STANDING = {
    proof.Verdict.PROVED: Mark.GOOD,
    proof.Verdict.DISPROVED: Mark.BAD,
    proof.Verdict.UNPROVED: Mark.FAINT,
}
_UNDECIDED = {
    Judgement.NO_DIFFERENCE: Cell("none shown"),
    Judgement.INSUFFICIENT: Cell("insufficient", Mark.FAINT),
    Judgement.VOID: Cell("void", Mark.FAINT),
}


def arms(result: document.Result) -> Table:
    """One line an arm: proof, rate, round trip with its tail as bars, connect, cost."""
    one_way, open_loop = reading.one_way(result), reading.open_loop(result)
    low, high = _ends(_trips(result))
    trip = ("MB/s", "msgs/s") if one_way else ("msgs/s", *(name for name, _, _ in _SHOWN), "tail")
    columns = ("arm", "proof", *trip, "connect", "CPU us", "hop")
    rows: list[Row] = []
    for name, arm in result["arms"].items():
        absent = reading.absence(arm)
        cells = [_proof(arm)]
        if reading.refused_as_claimed(arm):
            status = Cell(f"HTTP {arm['claim']['refused_status']}")
            rows.append(Row(name, (*cells, status, *(Cell("") for _ in columns[3:]))))
            continue
        if absent is not None:
            rows.append(Row(name, note=absent, grave=True))
            continue
        if one_way:
            cells.append(Cell(wording.amount(arm["goodput_mb_per_s"])))
        cells.append(Cell(wording.rate(arm["achieved_rate"])))
        if not one_way:
            latency = reading.round_trip(arm, open_loop=open_loop)
            cells += [_percentile(latency, percent, key) for _, percent, key in _SHOWN]
            cells.append(Cell(tail(latency, low, high)))
        cells += [
            _percentile(arm["connect"], 50.0, "p50_us"),
            Cell(wording.amount(_cpu(arm))),
            Cell(wording.whole(verdict.hop_connections(arm))),
        ]
        rows.append(Row(name, tuple(cells)))
    kind = (
        "upstream throughput (one-way)"
        if one_way
        else f"{'response time' if open_loop else 'round trip (service time)'} and its tail"
    )
    return Table(
        f"Arms: proof, {kind}, cost",
        columns,
        tuple(rows),
        words=1,
        note=" ".join(_notes(rows, one_way=one_way)),
    )


def changes(result: document.Result) -> Table:
    """Every pair that decides in one line: the interval of each metric where it shows a difference.

    The verdict's pair comes first. Comparisons with the floor say what a mesh costs, not which hop is better: they are
    left out where there are others.
    """
    pairs = list(dict.fromkeys((one["baseline"], one["candidate"]) for one in result["comparisons"]))
    said = verdict.of(result)
    floors = {name for name, arm in result["arms"].items() if arm["kind"] == "direct"}
    deciding = sorted(
        [pair for pair in pairs if pair[0] not in floors] or pairs,
        key=lambda pair: pair != (said.baseline, said.candidate),
    )
    metrics = list(dict.fromkeys(one["metric"] for one in result["comparisons"]))
    found = {(one["baseline"], one["candidate"], one["metric"]): one for one in result["comparisons"]}
    rows = []
    for baseline, candidate in deciding[:_PAIRS]:
        cells = [
            _change(result, found[key]) if (key := (baseline, candidate, metric)) in found else Cell(wording.NOTHING)
            for metric in metrics
        ]
        rows.append(Row(f"{candidate} against {baseline}", tuple(cells)))
    return Table(
        f"Comparisons that decide: {tables.interval_name(result)} of the change, paired by round",
        ("candidate against baseline", *map(verdict.metric, metrics)),
        tuple(rows),
        words=len(metrics),
        note=_changes_note(result, rows, len(pairs)),
    )


def warnings(result: document.Result) -> list[str]:
    """Every warning; one that several arms share is said once, with all their names."""
    arms_of: dict[str, list[str]] = {}
    for warning in result["warnings"]:
        name, separator, rest = warning.partition(": ")
        shared = bool(separator) and name in result["arms"]
        arms_of.setdefault(rest if shared else warning, []).extend([name] if shared else [])
    return [f"{wording.listed(names)}: {text}" if names else text for text, names in arms_of.items()]


def tail(latency: document.Latency | None, low: float, high: float) -> str:
    """A bar for each of p50, p90, p99, p99.9, p99.99 and the maximum, on a log scale; blank where it is thin."""
    if latency is None:
        return wording.NOTHING
    bars = []
    for percent, key in zip(_TAIL, _TAIL_KEYS, strict=True):
        value: float | None = latency[key]  # type: ignore[literal-required]
        thin = value is None or value <= 0 or wording.thin(percent, latency["count"])
        bars.append(" " if thin or value is None else _bar(value, low, high))
    return "".join(bars)


def _bar(value: float, low: float, high: float) -> str:
    height = math.log(value / low) / math.log(high / low) if high > low else 0.0
    return BARS[min(len(BARS) - 1, max(0, math.floor(round(height * len(BARS), 9))))]


def _trips(result: document.Result) -> Iterable[document.Latency | None]:
    open_loop = reading.open_loop(result)
    return [
        reading.round_trip(arm, open_loop=open_loop)
        for arm in result["arms"].values()
        if reading.stands(arm) and reading.absence(arm) is None
    ]


def _ends(trips: Iterable[document.Latency | None]) -> tuple[float, float]:
    """The lowest p50 and the highest maximum."""
    lows = [trip["p50_us"] for trip in trips if trip and trip["p50_us"]]
    highs = [trip["max_us"] for trip in trips if trip and trip["max_us"]]
    return min(filter(None, lows), default=1.0), max(filter(None, highs), default=1.0)


def _proof(arm: document.ArmResult) -> Cell:
    supporting = sum(witness["verdict"] == "supports" for witness in arm["proof"]["witnesses"])
    by = f" {supporting}" if supporting else ""
    return Cell(f"{reading.standing_words(arm)}{by}", _STANDING[reading.standing(arm)])


def _percentile(latency: document.Latency | None, percent: float, key: str) -> Cell:
    value: float | None = latency[key] if latency else None  # type: ignore[literal-required]
    if latency is not None and value is not None and wording.thin(percent, latency["count"]):
        return Cell(wording.THIN_MARK + wording.time(value), Mark.THIN)
    return Cell(wording.time(value))


def _cpu(arm: document.ArmResult) -> float | None:
    """CPU of a message in all parts of the run that are known, microseconds."""
    parts = (arm["driver"], *reading.sidecars(arm), arm["server"])
    known = [cpu for part in parts if part is not None and (cpu := part["cpu_us_per_message"]) is not None]
    return sum(known) if known else None


def _notes(rows: Sequence[Row], *, one_way: bool) -> Iterable[str]:
    if any(row.cells for row in rows):
        if not one_way:
            yield "Tail: p50, p90, p99, p99.9, p99.99, max, on one log scale for all arms; blank where thin."
        yield "Proved 3: by so many witnesses. Connect: p50. CPU: of all parts, a message. Hop: its connections."
    if any(cell.mark is Mark.THIN for row in rows for cell in row.cells):
        yield f"{wording.THIN_NOTE}."


def _change(result: document.Result, comparison: document.Comparison) -> Cell:
    judgement = reading.judge(result, comparison)
    if judgement in _UNDECIDED:
        return _UNDECIDED[judgement]
    mark = Mark.GOOD if judgement is Judgement.FASTER else Mark.BAD
    return Cell(wording.interval(comparison["ci_low"], comparison["ci_high"]), mark)


def _changes_note(result: document.Result, rows: Sequence[Row], pairs: int) -> str:
    notes = []
    every = len(result["comparisons"])
    if any(cell == _UNDECIDED[Judgement.NO_DIFFERENCE] for row in rows for cell in row.cells):
        notes.append("None shown: the interval holds 'no change'; that is not 'equal'.")
    if every > 1:
        notes.append(
            f"Every interval is widened (Bonferroni), so that all {every} comparisons of the run hold at once."
        )
    if len(rows) < pairs:
        notes.append(f"{len(rows)} of {pairs} pairs are shown here; --verbose and the report have more.")
    return " ".join(notes)
