"""The report as a comment on a pull request: GitHub's Markdown, the bulk of it folded away."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from wsbench.arms import Outcome
from wsbench.report import reading, tables, verdict, wording
from wsbench.report.headroom import headroom
from wsbench.report.tables import Mark
from wsbench.report.throughput import throughput

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wsbench import document
    from wsbench.report.reading import Alert

_PLAIN_CODE = re.compile(r"[A-Za-z0-9 ._/:=+,-]+")
_SPECIAL = re.compile(r"([\\`*_{}\[\]#|~$])")


def render(result: document.Result) -> str:
    """The whole comment."""
    return "\n".join(_lines(reading.cleaned(result))) + "\n"


def text(words: str) -> str:
    """Untrusted words as Markdown that says just these words: no markup, no HTML, no mention of anybody."""
    return _SPECIAL.sub(r"\\\1", html.escape(words, quote=False)).replace("@", "@<!-- -->")


def code(words: str) -> str:
    """Untrusted words in code, fit for a table's cell."""
    if _PLAIN_CODE.fullmatch(words):
        return f"`{words}`"
    return html_code(words)


def html_code(words: str) -> str:
    """Untrusted words in code, fit for HTML in Markdown: every letter that could mean something is spelled out."""
    escaped = "".join(letter if letter.isalnum() or letter in " .-" else f"&#{ord(letter)};" for letter in words)
    return f"<code>{escaped}</code>"


def block(words: str, language: str = "") -> list[str]:
    """Untrusted words as a code block, its fence longer than any in them."""
    longest = max((len(run) for run in re.findall("`+", words)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}{language}", words, fence]


def _lines(result: document.Result) -> Iterator[str]:
    yield from alerted(reading.alerts(result, result["arms"]))
    yield from _verdict(result)
    for table in (tables.round_trips(result), throughput(result), tables.connects(result)):
        yield from titled(table)
    lost = tables.losses(result)
    if any(cell.mark is Mark.BAD for row in lost.rows for cell in row.cells):
        yield from titled(lost)
    elif lost.rows:
        yield "No message unanswered, unsent or mismatched; no errors."
        yield ""
    yield from _refusals(result)
    if result["comparisons"]:
        yield from titled(tables.comparisons(result))
    yield from folded(f"Proof: {_standings(result)}", _proof(result))
    yield from titled(tables.costs(result))
    yield from titled(headroom(result))
    yield from folded("Rounds", tabulated(tables.rounds(result)))
    if result["warnings"]:
        yield "**Warnings**"
        yield ""
        yield from (f"- {text(warning)}" for warning in result["warnings"])
        yield ""
    yield from folded("Plan and environment", _facts([*tables.plan(result), *tables.environment(result)]))
    yield from folded("How to read this", [f"- {text(hint)}" for hint in tables.how_to_read(result)])
    yield "Run it again:"
    yield ""
    yield from block(result["command"], "sh")


def alerted(alerts: Iterable[Alert]) -> Iterator[str]:
    """What must be said first."""
    for alert in alerts:
        yield "> [!CAUTION]"
        yield f"> **{text(alert.title)}**"
        yield f"> {text(alert.text)}"
        yield ""


def _verdict(result: document.Result) -> Iterator[str]:
    said = verdict.of(result)
    yield f"### {text(said.title)}"
    yield ""
    for words in (said.detail, said.evidence):
        if words:
            yield text(words)
            yield ""
    yield f"<sub>{text(tables.setting(result))}</sub>"
    yield ""


def titled(table: tables.Table) -> Iterator[str]:
    """A table with its title; nothing where it has no rows."""
    if not table.rows:
        return
    yield f"**{text(table.title)}**"
    yield ""
    yield from tabulated(table)


def tabulated(table: tables.Table) -> Iterator[str]:
    """A table and its note."""
    yield _row(text(column) for column in table.columns)
    yield _row(":--" if place <= table.words else "--:" for place in range(len(table.columns)))
    for row in table.rows:
        if row.note:
            yield _row([code(row.head), text(row.note), *([""] * (len(table.columns) - 2))])
        else:
            yield _row([code(row.head) if row.first else "", *(_cell(cell) for cell in row.cells)])
    yield ""
    if table.note:
        yield f"<sub>{text(table.note)}</sub>"
        yield ""


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: tables.Cell) -> str:
    return f"**{text(cell.text)}**" if cell.mark in {Mark.GOOD, Mark.BAD} and cell.text else text(cell.text)


def _refusals(result: document.Result) -> Iterator[str]:
    for name, arm in result["arms"].items():
        refusal = arm["refusal"]
        if reading.outcome(arm) is Outcome.REFUSED and refusal is not None:
            yield f"{code(name)}: {text(reading.refusal(arm))}. {text(reading.sentence(refusal['reason']))}"
            yield f"Remedy: {text(reading.sentence(refusal['remedy']))}"
            yield ""


def _standings(result: document.Result) -> str:
    """The proof of every arm in HTML."""
    return ", ".join(f"{html_code(name)} {reading.standing_words(arm)}" for name, arm in result["arms"].items())


def _proof(result: document.Result) -> Iterator[str]:
    for name, arm in result["arms"].items():
        proof = arm["proof"]
        yield f"{code(name)} claims {text(reading.claim(arm))}: **{reading.standing_words(arm)}**."
        yield text(reading.sentence(proof["summary"]))
        yield ""
        for witness in proof["witnesses"]:
            says = witness["says"] or "no protocol named"
            yield (
                f"- {witness['witness'].replace('_', ' ')} **{witness['verdict']}**: "
                f"{wording.counted(witness['websockets'], 'WebSocket')}, {text(says)}. "
                f"{text(witness['detail'])}"
            )
        yield ""
        for witness in proof["witnesses"]:
            if witness["sample"]:
                yield from block(witness["sample"], "json")
                yield ""


def _facts(facts: Iterable[tuple[str, str]]) -> Iterator[str]:
    yield "| | |"
    yield "| :-- | :-- |"
    yield from (_row((text(name), text(value))) for name, value in facts)
    yield ""


def folded(summary: str, lines: Iterable[str]) -> Iterator[str]:
    """A fold. Its summary is HTML; GitHub reads Markdown in it only after an empty line."""
    yield f"<details><summary>{summary}</summary>"
    yield ""
    yield from lines
    yield ""
    yield "</details>"
    yield ""
