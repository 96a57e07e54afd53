from __future__ import annotations

import re
from io import BytesIO, StringIO, TextIOWrapper
from typing import TYPE_CHECKING

import pytest
from rich.cells import cell_len
from rich.console import Console

from tests.bench.report import examples
from wsbench.report import terminal
from wsbench.report.terminal import Detail

if TYPE_CHECKING:
    from wsbench import document


def printed(result: document.Result, width: int | None = None, detail: Detail = Detail.FULL) -> str:
    stream = StringIO()
    terminal.print_summary(result, Console(file=stream, width=width), detail)
    return stream.getvalue()


def words(text: str) -> str:
    """The text with its lines joined, so that a sentence is found wherever it was broken."""
    return " ".join(text.split())


@pytest.mark.parametrize("detail", Detail)
def test_no_line_is_wider_than_100_cells(example: document.Result, detail: Detail) -> None:
    for width in (None, 200):
        assert max(cell_len(line) for line in printed(example, width, detail).splitlines()) <= terminal.WIDTH


@pytest.mark.parametrize("detail", Detail)
def test_what_is_piped_is_plain_and_has_no_control_characters(example: document.Result, detail: Detail) -> None:
    text = printed(example, detail=detail)
    assert all(letter.isprintable() or letter == "\n" for letter in text)
    assert text == "".join(f"{line.rstrip()}\n" for line in text.splitlines())


@pytest.mark.parametrize("detail", [Detail.BRIEF, Detail.FULL])
@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_on_a_terminal_it_is_as_wide_as_that_and_never_wider_than_100(
    example: document.Result, width: int, detail: Detail
) -> None:
    stream = StringIO()
    console = Console(file=stream, force_terminal=True, width=width, color_system=None, no_color=True)
    terminal.print_summary(example, console, detail)
    assert max(cell_len(line) for line in stream.getvalue().splitlines()) <= min(width, terminal.WIDTH)


def test_colour_on_a_terminal_only_where_it_is_wanted() -> None:
    for no_color, coloured in ((False, True), (True, False)):
        stream = StringIO()
        console = Console(file=stream, force_terminal=True, width=100, color_system="standard", no_color=no_color)
        terminal.print_summary(examples.closed_loop(), console)
        assert ("\x1b[1;32m" in stream.getvalue()) is coloured


def test_an_encoding_without_bars_gets_question_marks_not_an_error() -> None:
    stream = BytesIO()
    with TextIOWrapper(stream, encoding="ascii") as text:
        terminal.print_summary(examples.closed_loop(), Console(file=text))
        text.flush()
        assert b"HTTP/2 was faster than HTTP/1.1" in stream.getvalue()


def test_names_are_no_markup() -> None:
    assert "[red]x[/red]" in printed(examples.hostile()).replace("\n", "")


@pytest.mark.parametrize("detail", Detail)
@pytest.mark.parametrize("name", ["disproved", "failed", "incomplete"])
def test_what_must_be_said_first_is_said_first(name: str, detail: Detail) -> None:
    assert printed(examples.EXAMPLES[name](), detail=detail).splitlines()[0].strip().startswith(name.upper())


@pytest.mark.parametrize("detail", [Detail.BRIEF, Detail.FULL])
def test_a_disproved_arm_shows_no_figures(detail: Detail) -> None:
    text = printed(examples.disproved(), detail=detail)
    assert "http2: DISPROVED: its figures are no result" in text
    assert "2.09 ms" not in text


def test_in_brief_it_fits_a_screen_and_a_half_and_ends_with_the_command() -> None:
    lines = printed(examples.closed_loop(), detail=Detail.BRIEF).splitlines()
    assert len(lines) <= 45
    assert lines[-2].strip().startswith("python -m wsbench run ")
    text = words("\n".join(lines))
    assert text.index("HTTP/2 was faster") < text.index("Arms: proof") < text.index("Comparisons that decide")
    assert "Connect latency" not in text


def test_names_with_a_version_and_figures_stay_whole_in_brief() -> None:
    result = examples.closed_loop()
    result["arms"] = {f"{name}@1.36.2": arm for name, arm in result["arms"].items()}
    result["arms"] |= {f"http2+mtls@1.40.{number}": result["arms"]["http2@1.36.2"] for number in range(5)}
    result["comparisons"] = []
    lines = printed(result, detail=Detail.BRIEF).splitlines()
    for name in result["arms"]:
        assert any(re.match(rf"{re.escape(name)} +proved", line) for line in lines)
    assert any(re.search(r"30,159  2.09 ms  4.82 ms  9.88 ms  \S+ +984 us", line) for line in lines)


@pytest.mark.parametrize("name", ["closed_loop", "disproved"])
def test_the_verdict_alone_is_a_few_lines(name: str) -> None:
    text = printed(examples.EXAMPLES[name](), detail=Detail.VERDICT)
    assert text.count("\n") <= 6
    assert ("No verdict" if name == "disproved" else "HTTP/2 was faster than HTTP/1.1") in words(text)
    assert "msgs/s" not in text


def test_comparisons_beyond_the_first_are_counted() -> None:
    assert "The first 24 of 256 are shown here" in words(printed(examples.twelve()))


def test_losses_are_a_table_where_there_are_any() -> None:
    assert "640 x echo_timeout" in words(printed(examples.zero_received()))
    assert "no errors." in words(printed(examples.closed_loop()))


def test_a_sparkline_has_its_foot_at_nought() -> None:
    assert terminal.sparkline([1.0, 4.0, None, 8.0]).plain == "▁▄ █"
    assert terminal.sparkline([None, 0.0]).plain == "  "
