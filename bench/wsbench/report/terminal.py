"""The summary on a terminal: at most 100 columns, plain where colour is not wanted."""

from __future__ import annotations

import math
from enum import StrEnum
from io import StringIO
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console, Group, NewLine
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from wsbench import proof
from wsbench.arms import Outcome
from wsbench.report import brief, reading, tables, verdict, wording
from wsbench.report.headroom import headroom
from wsbench.report.reading import Gravity, Judgement
from wsbench.report.tables import Mark
from wsbench.report.throughput import throughput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from rich.console import RenderableType

    from wsbench import document
    from wsbench.report.reading import Alert

WIDTH = 100

_COMPARISONS = 24
_LONGEST_FIGURE = 14
_BARS = " ▁▂▃▄▅▆▇█"
_STYLES = {
    Mark.PLAIN: "",
    Mark.THIN: "dim",
    Mark.GOOD: "bold green",
    Mark.BAD: "bold red",
    Mark.FAINT: "dim",
}
_VERDICT_STYLES = {
    Judgement.FASTER: "bold green",
    Judgement.SLOWER: "bold red",
    Judgement.NO_DIFFERENCE: "bold",
    Judgement.INSUFFICIENT: "bold yellow",
    Judgement.VOID: "bold red",
    None: "bold",
}
_STANDING_STYLES = {
    proof.Verdict.PROVED: "bold green",
    proof.Verdict.DISPROVED: "bold red",
    proof.Verdict.UNPROVED: "yellow",
}


class Detail(StrEnum):
    """How much of what was found is printed."""

    VERDICT = "verdict"
    BRIEF = "brief"
    FULL = "full"


def print_summary(result: document.Result, console: Console, detail: Detail = Detail.FULL) -> None:
    """Print the summary as wide as the terminal, but never wider than 100 columns.

    Where the console is no terminal it is plain text, 100 columns wide; what its encoding cannot say becomes "?".
    """
    parts = {Detail.VERDICT: _verdict_alone, Detail.BRIEF: _brief, Detail.FULL: _parts}[detail]
    print_within(Group(*parts(reading.cleaned(result))), console)


def print_within(summary: RenderableType, console: Console, *, crop: bool = True) -> None:
    """Print no wider than 100 columns; plain text of that width where the console is no terminal.

    Without ``crop`` a line that is not to be folded (``no_wrap``) keeps its whole length.
    """
    if console.is_terminal and console.encoding.lower().startswith("utf"):
        console.print(summary, width=min(console.width, WIDTH), crop=crop)
        return
    plain = Console(file=StringIO(), width=WIDTH, color_system=None, legacy_windows=False)
    with plain.capture() as capture:
        plain.print(summary, crop=crop)
    text = "".join(f"{line.rstrip()}\n" for line in capture.get().splitlines())
    console.out(text.encode(console.encoding, "replace").decode(console.encoding), end="", highlight=False)


def _verdict_alone(result: document.Result) -> Iterator[RenderableType]:
    yield from alerted(reading.alerts(result, result["arms"]))
    said = verdict.of(result)
    yield Text(said.title, style=_VERDICT_STYLES[said.judgement])


def _brief(result: document.Result) -> Iterator[RenderableType]:
    yield from alerted(reading.alerts(result, result["arms"]))
    yield from _verdict(verdict.of(result))
    yield indented(Text(tables.setting(result), style="dim"))
    yield from tabulated(brief.arms(result))
    yield from _losses(result)
    yield from _refusals(result)
    if result["comparisons"]:
        yield from tabulated(brief.changes(result))
    yield from warned(brief.warnings(result))
    yield NewLine()
    yield from _provenance(result)


def _parts(result: document.Result) -> Iterator[RenderableType]:
    yield from alerted(reading.alerts(result, result["arms"]))
    yield from _verdict(verdict.of(result))
    yield indented(Text(tables.setting(result), style="dim"))
    yield from tabulated(tables.round_trips(result))
    yield from tabulated(throughput(result))
    yield from tabulated(tables.connects(result))
    yield from _losses(result)
    yield from _refusals(result)
    if result["comparisons"]:
        yield from tabulated(tables.comparisons(result, limit=_COMPARISONS))
    yield from heading("Proof")
    yield from _proof(result)
    yield from tabulated(tables.costs(result))
    yield from tabulated(headroom(result))
    yield from _rounds(result)
    yield from warned(result["warnings"])
    yield from heading("Run it again")
    yield from _provenance(result)


def _provenance(result: document.Result) -> Iterator[RenderableType]:
    """The command again, and the machine."""
    yield indented(Text(result["command"]))
    machine = dict(tables.environment(result))
    yield indented(
        Text(
            f"{machine['CPU']}; kernel {machine['kernel']}; Envoy {machine['Envoy']}; "
            f"seed {result['plan']['seed']}; wsbench {machine['wsbench']}",
            style="dim",
        )
    )


def warned(warnings: Sequence[str]) -> Iterator[RenderableType]:
    """Warnings with their heading; nothing where there are none."""
    if warnings:
        yield from heading("Warnings")
    for warning in warnings:
        yield indented(Text(f"! {warning}", style="yellow"))


def alerted(alerts: Iterable[Alert]) -> Iterator[RenderableType]:
    """What must be said first."""
    for alert in alerts:
        loud = "bold white on red" if alert.gravity in {Gravity.DISPROVED, Gravity.FAILED} else "bold black on yellow"
        yield Text(f" {alert.title} ", style=loud)
        yield indented(Text(alert.text))


def _verdict(said: verdict.Verdict) -> Iterator[RenderableType]:
    yield NewLine()
    yield Text(said.title, style=_VERDICT_STYLES[said.judgement])
    for text in (said.detail, said.evidence):
        if text:
            yield indented(Text(text))


def heading(text: str) -> Iterator[RenderableType]:
    """A heading."""
    yield NewLine()
    yield Text(text, style="bold cyan")


def indented(what: RenderableType) -> Padding:
    """What belongs to a heading."""
    return Padding(what, (0, 0, 0, 2))


def tabulated(table: tables.Table) -> Iterator[RenderableType]:
    """A table with its heading and note; nothing where it has no rows.

    Notes stand below their table: a note in a cell would make its column as wide as the note.
    """
    if not table.rows:
        return
    drawn = _drawn()
    for place, column in enumerate(table.columns):
        words = place <= table.words
        drawn.add_column(
            Text(column), justify="left" if words else "right", overflow="fold", min_width=_least(table, place)
        )
    notes = []
    for row in table.rows:
        if row.note:
            notes.append(Text.assemble((row.head, "bold"), ": ", row.note, style="red" if row.grave else "yellow"))
            continue
        cells = [Text(cell.text, style=_STYLES[cell.mark]) for cell in row.cells]
        drawn.add_row(Text(row.head if row.first else "", style="bold"), *cells)
    if table.note:
        notes.append(Text(table.note, style="dim"))
    yield from heading(table.title)
    if drawn.row_count:
        yield drawn
    for note in notes:
        yield indented(note)


def _drawn() -> RichTable:
    return RichTable(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)


def _least(table: tables.Table, place: int) -> int | None:
    """Figures are never folded, nor are the words above them: only heads and words may be."""
    if place <= table.words:
        return None
    longest_word = max(len(word) for word in table.columns[place].split())
    longest = max([longest_word, *(len(row.cells[place - 1].text) for row in table.rows if row.cells)])
    return min(longest, _LONGEST_FIGURE)


def _losses(result: document.Result) -> Iterator[RenderableType]:
    table = tables.losses(result)
    if not table.rows:
        return
    if any(cell.mark is Mark.BAD for row in table.rows for cell in row.cells):
        yield from tabulated(table)
        return
    received = sum(arm["received"] for arm in result["arms"].values() if reading.stands(arm))
    text = (
        f"{received:,} messages {reading.answered(result)}: "
        "none unanswered, unsent, mismatched or beyond the histogram; no errors."
    )
    yield indented(Text(text, style="green"))


def _refusals(result: document.Result) -> Iterator[RenderableType]:
    for name, arm in result["arms"].items():
        refusal = arm["refusal"]
        if reading.outcome(arm) is Outcome.REFUSED and refusal is not None:
            yield NewLine()
            yield indented(Text.assemble((name, "bold"), f": {reading.refusal(arm)}"))
            yield indented(Text(f"  why: {refusal['reason']}"))
            yield indented(Text(f"  remedy: {refusal['remedy']}"))


def _proof(result: document.Result) -> Iterator[RenderableType]:
    for name, arm in result["arms"].items():
        standing = reading.standing(arm)
        yield indented(
            Text.assemble(
                (name, "bold"),
                " claims ",
                reading.claim(arm),
                ": ",
                (reading.standing_words(arm), _STANDING_STYLES[standing]),
            )
        )
        for witness in arm["proof"]["witnesses"]:
            yield indented(
                Text(
                    f"  {witness['witness'].replace('_', ' ')} {witness['verdict']}: "
                    f"{wording.counted(witness['websockets'], 'WebSocket')}, {witness['says'] or 'no protocol named'}"
                )
            )


def _rounds(result: document.Result) -> Iterator[RenderableType]:
    """A sparkline of each arm's p50 (one-way: of its goodput) by round, from nought to its highest."""
    title = "p50 response time" if reading.open_loop(result) else "p50 round trip"
    shown: Callable[[float | None], str] = wording.time
    if reading.one_way(result):
        title, shown = "MB/s", wording.amount
    grid = _drawn()
    for column in ("arm", "by round", "lowest", "highest", "apart"):
        grid.add_column(column, justify="left" if column in {"arm", "by round"} else "right", overflow="fold")
    for name, arm in result["arms"].items():
        if not reading.stands(arm):
            continue
        values = [_of_round(result, trial) for trial in arm["rounds"]]
        known = [value for value in values if value is not None]
        if known:
            apart = wording.change(max(known) / min(known)) if min(known) else wording.NOTHING
            ends = (shown(min(known)), shown(max(known)), apart.removesuffix(" higher"))
            grid.add_row(Text(name, style="bold"), sparkline(values), *ends)
    if grid.row_count:
        yield from heading(f"{title} by round")
        yield grid


def _of_round(result: document.Result, trial: document.Round) -> float | None:
    if reading.one_way(result):
        return trial["goodput_mb_per_s"]
    latency = reading.round_trip(trial, open_loop=reading.open_loop(result))
    return None if latency is None else latency["p50_us"]


def sparkline(values: Sequence[float | None]) -> Text:
    """One bar a value, its height in proportion; a blank where there is none."""
    highest = max((value for value in values if value is not None), default=0)
    bars = [
        _BARS[0] if value is None or not highest else _BARS[max(1, math.ceil(value / highest * (len(_BARS) - 1)))]
        for value in values
    ]
    return Text("".join(bars))
