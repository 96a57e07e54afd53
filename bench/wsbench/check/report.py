"""The diagnosis as a table for people and as JSON for programs."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from wsbench.check.findings import Need, Outcome
from wsbench.check.remedies import ADVICE
from wsbench.report.terminal import heading, indented, print_within

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.console import Console, RenderableType

    from wsbench.check.findings import Diagnosis, Finding
    from wsbench.check.remedies import Remedy

SCHEMA_VERSION = 1
_SHOWN_IN_S = 10
_STYLES = {
    Outcome.WORKS: "bold green",
    Outcome.DOES_NOT: "bold red",
    Outcome.UNSURE: "yellow",
    Outcome.NOT_TRIED: "dim",
}


def print_diagnosis(diagnosis: Diagnosis, manifests: Mapping[Remedy, tuple[str, str]], console: Console) -> None:
    """At most 100 columns, except for what is to be copied.

    ``manifests`` are the path and the content of the file to apply for a remedy.
    """
    print_within(Group(*_parts(diagnosis, manifests)), console, crop=False)


def document(diagnosis: Diagnosis, manifests: Mapping[Remedy, tuple[str, str]]) -> dict[str, Any]:
    """For ``--format json``; its fields are described in docs/check.md."""
    return {
        "kind": "check",
        "schema_version": SCHEMA_VERSION,
        "url": diagnosis.address.url,
        "server": diagnosis.server,
        "need": diagnosis.need,
        "met": diagnosis.met,
        "verdict": diagnosis.verdict,
        "steps": [
            {
                "step": finding.step,
                "over": finding.over,
                "outcome": finding.outcome,
                "elapsed_ms": None if finding.elapsed_s is None else round(finding.elapsed_s * 1000, 3),
                "reason": finding.reason,
                "remedies": list(finding.remedies),
            }
            for finding in diagnosis.findings
        ],
        "clues": [
            {"source": clue.source, "text": clue.text, "remedy": clue.remedy, "sample": clue.sample}
            for clue in diagnosis.clues
        ],
        "remedies": [
            {
                "remedy": remedy,
                "text": _advice(diagnosis, remedy),
                "manifest": manifests[remedy][0] if remedy in manifests else None,
            }
            for remedy in diagnosis.remedies
        ],
    }


def _parts(diagnosis: Diagnosis, manifests: Mapping[Remedy, tuple[str, str]]) -> Iterator[RenderableType]:
    by = f" (server: {diagnosis.server})" if diagnosis.server else ""
    yield Text(f"{diagnosis.address.url}{by}")
    yield Text(diagnosis.verdict, style="bold green" if diagnosis.met else "bold red")
    if not diagnosis.met and diagnosis.need is not Need.ANY:
        yield Text(f"Needed (--need {diagnosis.need}), and not met.", style="bold red")
    if diagnosis.culprit is not None:
        yield indented(Text(f"{diagnosis.culprit.source}:"))
        yield indented(Text(diagnosis.culprit.text, style="red"))
    yield from _table(diagnosis)
    if diagnosis.clues:
        yield from heading("What the Envoys say")
        source = None
        for clue in diagnosis.clues:
            if clue.source != source:
                yield indented(Text(clue.source, style="bold"))
                source = clue.source
            yield indented(indented(Text(f"- {clue.text}", style="red" if clue.remedy else "")))
            if clue.sample:
                yield _verbatim(clue.sample, "dim")
    if diagnosis.remedies:
        yield from heading("What to do")
        for number, remedy in enumerate(diagnosis.remedies, 1):
            yield from _remedy(number, diagnosis, remedy, manifests)


def _table(diagnosis: Diagnosis) -> Iterator[RenderableType]:
    for over, group in groupby(diagnosis.findings, key=lambda finding: finding.over):
        yield from heading(f"WebSocket over {over}" if over else "Connection")
        table, left_out = _drawn(), []
        for finding in group:
            if finding.outcome is Outcome.NOT_TRIED:
                left_out.append(finding)
                continue
            outcome = Text(finding.outcome, style=_STYLES[finding.outcome])
            table.add_row(str(finding.step), outcome, _took(finding), _numbered(diagnosis, finding))
        if table.row_count:
            yield table
        for reason, steps in groupby(left_out, key=lambda finding: finding.reason):
            names = "; ".join(str(finding.step) for finding in steps)
            yield Text(f"{Outcome.NOT_TRIED} ({reason}): {names}", style=_STYLES[Outcome.NOT_TRIED])


def _drawn() -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(width=23, no_wrap=True)
    table.add_column(width=10, no_wrap=True)
    table.add_column(width=8, justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    return table


def _took(finding: Finding) -> str:
    if finding.elapsed_s is None:
        return ""
    return f"{finding.elapsed_s:.1f} s" if finding.elapsed_s >= _SHOWN_IN_S else f"{finding.elapsed_s * 1000:,.0f} ms"


def _numbered(diagnosis: Diagnosis, finding: Finding) -> Text:
    """The reason, and the numbers of the remedies below."""
    numbers = ", ".join(str(diagnosis.remedies.index(remedy) + 1) for remedy in finding.remedies)
    return Text(f"{finding.reason}{f' [{numbers}]' if numbers else ''}")


def _remedy(
    number: int, diagnosis: Diagnosis, remedy: Remedy, manifests: Mapping[Remedy, tuple[str, str]]
) -> Iterator[RenderableType]:
    yield indented(Text(f"{number}. {_advice(diagnosis, remedy)}"))
    if remedy in manifests:
        path, content = manifests[remedy]
        yield _verbatim(f"kubectl apply -f {path}", "bold")
        for line in content.strip().splitlines():
            yield _verbatim(f"  {line}", "dim")


def _verbatim(line: str, style: str) -> Text:
    """What is to be copied is not folded, however long it is."""
    return Text(f"    {line}", style=style, no_wrap=True, overflow="ignore")


def _advice(diagnosis: Diagnosis, remedy: Remedy) -> str:
    return ADVICE[remedy].text.replace("{other_scheme}", diagnosis.address.other_scheme)
