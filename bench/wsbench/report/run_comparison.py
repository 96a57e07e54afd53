"""Two runs compared, for a terminal and for a pull request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from wsbench.conditions import Judged
from wsbench.report import markdown as marks
from wsbench.report import wording
from wsbench.statistics import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from wsbench.run_comparison import Change, Difference, RunComparison

_COLUMNS = ("arm", "metric", "change, new against base", "interval", "verdict", "rounds")
_NAMED = 3
_STYLES = {Verdict.FASTER: "bold green", Verdict.SLOWER: "bold red"}
_WORDS = {Verdict.FASTER: "better", Verdict.SLOWER: "worse"}
_CONDITION_STYLES = {Judged.FAILS: "bold red", Judged.HOLDS_OFF: "green"}


def print_summary(comparison: RunComparison, console: Console) -> None:
    """The verdict, what the runs differ in, every change, and the conditions."""
    console.print(Text(headline(comparison), style="bold"))
    for line in _lines(comparison):
        console.print(Text(f"  {line}"), soft_wrap=False)
    for warning in comparison["warnings"]:
        console.print(Text(f"  ! {warning}", style="yellow"))
    if comparison["changes"]:
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
        for column in _COLUMNS:
            table.add_column(column, overflow="fold")
        before = ""
        for change in comparison["changes"]:
            cells = _cells(change)
            style = _STYLES.get(Verdict(change["verdict"]), "")
            head = "" if change["arm"] == before else change["arm"]
            before = change["arm"]
            table.add_row(Text(head, style="bold"), *cells[1:4], Text(cells[4], style=style), cells[5])
        console.print()
        console.print(table)
        console.print(Text(_note(comparison), style="dim"))
    for one in comparison["conditions"]:
        style = _CONDITION_STYLES.get(Judged(one["judged"]), "yellow")
        console.print(Text.assemble(("fail if ", ""), one["condition"], ": ", (one["judged"], style)))


def markdown(comparison: RunComparison) -> str:
    """The same as GitHub's Markdown."""
    return "\n".join(_markdown(comparison)) + "\n"


def headline(comparison: RunComparison) -> str:
    """What became worse and what better beyond doubt, in one sentence."""
    worse, better = _named(comparison, Verdict.SLOWER), _named(comparison, Verdict.FASTER)
    failed = [one["condition"] for one in comparison["conditions"] if one["judged"] == Judged.FAILS]
    said = []
    if failed:
        said.append(f"FAILED: {'; '.join(failed)}")
    changes = comparison["changes"]
    if not changes:
        said.append("Nothing could be compared")
    elif all(change["verdict"] == Verdict.INSUFFICIENT for change in changes):
        said.append("Insufficient data: the runs have too few rounds to be told apart")
    elif worse or better:
        parts = [_counted(word, names, len(changes)) for word, names in (("worse", worse), ("better", better)) if names]
        said.append("; ".join(part[0].upper() + part[1:] for part in parts))
    else:
        said.append("No difference was shown between the runs")
    return ". ".join(said) + "."


def _counted(word: str, names: Sequence[str], shown: int) -> str:
    named = ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
    return f"{word} in {len(names)} of {shown}: {named}"


def _named(comparison: RunComparison, verdict: Verdict) -> list[str]:
    return [
        f"{change['arm']} {change['metric']} {wording.change(change['ratio'])}"
        for change in comparison["changes"]
        if change["verdict"] == verdict
    ]


def _lines(comparison: RunComparison) -> Iterator[str]:
    for name, side in (("base", comparison["base"]), ("new ", comparison["new"])):
        yield f"{name}: {side['path']}, {side['started_at']}, wsbench {side['wsbench_version']}"
    for what, differences in (
        ("plans differ, as allowed", comparison["plan_differences"]),
        ("environments differ", comparison["environment_differences"]),
    ):
        if differences:
            yield f"{what}: {_differences(differences)}"
    for name, arms in (("base", comparison["only_in_base"]), ("new", comparison["only_in_new"])):
        if arms:
            yield f"only in {name}: {', '.join(arms)}"


def _differences(differences: Sequence[Difference]) -> str:
    return "; ".join(f"{one['name']} {one['base']} -> {one['new']}" for one in differences)


def _cells(change: Change) -> tuple[str, ...]:
    known = change["ratio"] is not None
    verdict = Verdict(change["verdict"])
    return (
        change["arm"],
        change["metric"],
        wording.change(change["ratio"]) if known else wording.NOTHING,
        wording.interval(change["ci_low"], change["ci_high"]) if known else wording.NOTHING,
        _WORDS.get(verdict, verdict.value),
        f"{change['base_rounds']}, {change['new_rounds']}",
    )


def _note(comparison: RunComparison) -> str:
    shown = len(comparison["changes"])
    share = wording.confidence(comparison["changes"][0]["confidence"])
    return (
        f"{share} intervals, widened so that all {shown} hold at once; rounds are taken as independent. They do not "
        "know what changed on the machine between the runs."
    )


def _markdown(comparison: RunComparison) -> Iterator[str]:
    yield f"### {marks.text(headline(comparison))}"
    yield ""
    for line in _lines(comparison):
        yield f"- {marks.text(line)}"
    yield ""
    for warning in comparison["warnings"]:
        yield f"> **Warning:** {marks.text(warning)}"
        yield ""
    if comparison["conditions"]:
        yield "| fail if | |"
        yield "| :-- | :-- |"
        for one in comparison["conditions"]:
            yield f"| {marks.code(one['condition'])} | **{one['judged']}** |"
        yield ""
    if comparison["changes"]:
        yield f"| {' | '.join(_COLUMNS)} |"
        yield "|" + " :-- |" * len(_COLUMNS)
        for change in comparison["changes"]:
            arm, *rest = _cells(change)
            yield f"| {marks.code(arm)} | {' | '.join(marks.text(cell) for cell in rest)} |"
        yield ""
        yield f"<sub>{marks.text(_note(comparison))}</sub>"
