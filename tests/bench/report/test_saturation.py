from __future__ import annotations

import re
from io import StringIO
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from tests.bench import samples
from tests.bench.report import examples
from tests.bench.report.pages import without_script
from tests.bench.test_saturation import climbing, trial
from tests.bench.test_saturation_document import arms, searched
from wsbench.report import saturation as report
from wsbench.report.terminal import Detail

if TYPE_CHECKING:
    from collections.abc import Callable

    from wsbench.saturation_document import Saturation


def two() -> Saturation:
    """http1 carries 1,410 a second, http2 2,820."""
    far = (trial(1000, name="http2"), trial(2000, 3, name="http2"), trial(4000, 60, name="http2"))
    return searched(
        samples.subject("http1", climbing()),
        samples.subject("http2", (*far, trial(2830, 12, name="http2", number=4))),
    )


def disproved() -> Saturation:
    """http1 is not what it claims."""
    wrong = samples.trials("http1", 1.0, 1, open_loop=True, proof=samples.DISPROVED)
    return searched(samples.subject("http1", wrong, "its claim is disproved"), samples.subject("http2", climbing()))


def hostile() -> Saturation:
    """Words of others everywhere."""
    found = arms(command=f"wsbench saturate {examples.HOSTILE}", warnings=(examples.HOSTILE,))
    http1 = found["arms"]["http1"]
    http1["url"] = http1["summary"] = http1["proof"]["summary"] = examples.HOSTILE
    found["arms"]["direct"]["failure"] = examples.HOSTILE
    found["arms"] = {(examples.HOSTILE if name == "http2" else name): arm for name, arm in found["arms"].items()}
    return found


SEARCHES: dict[str, Callable[[], Saturation]] = {
    "two": two,
    "some": arms,
    "disproved": disproved,
    "hostile": hostile,
    "nothing": lambda: searched(samples.subject("http1", ()), incomplete_reason="interrupted by SIGINT"),
}


def printed(found: Saturation, detail: Detail = Detail.FULL) -> str:
    paper = StringIO()
    report.print_summary(found, Console(file=paper, width=100), detail)
    return paper.getvalue()


def test_in_brief_the_proof_is_a_verdict_and_quietly_there_is_the_headline_alone() -> None:
    said = printed(two(), Detail.BRIEF)
    assert "http2 claims that the hop speaks HTTP/2: proved\n" in said
    assert "http2 claims that the hop speaks HTTP/2: proved. " in printed(two())
    assert printed(two(), Detail.VERDICT) == "http2 carries more than http1: 1.42x to 2.84x its load.\n"
    assert printed(disproved(), Detail.VERDICT).strip().startswith("DISPROVED")


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (two, "http2 carries more than http1: 1.42x to 2.84x its load"),
        (arms, "http2 carries more than http1: at least 8.00x its load"),
        (SEARCHES["nothing"], "No arm has a capacity that stands"),
        (disproved, "http2 carries 1,410/s, not 2,000/s"),
        (
            lambda: searched(samples.subject("direct", climbing()), samples.subject("http1", climbing())),
            "No difference shown: direct and http1 carry the same load",
        ),
    ],
)
def test_the_answer_comes_first(made: Callable[[], Saturation], words: str) -> None:
    assert report.headline(made()) == words


@pytest.mark.parametrize(
    ("capacity", "words"),
    [
        ({"low": 1410, "high": 2000}, "carries 1,410/s, not 2,000/s"),
        ({"low": 1410, "high": None}, "carries at least 1,410/s"),
        ({"low": None, "high": 500}, "carries less than 500/s"),
        ({"low": None, "high": None}, "carries nothing that was tried"),
    ],
)
def test_a_capacity_in_words(capacity: dict[str, float | None], words: str) -> None:
    assert report.in_words({"limit": "latency", "low": capacity["low"], "high": capacity["high"]}) == words


@pytest.mark.parametrize("name", SEARCHES)
def test_the_summary_fits_100_columns(name: str) -> None:
    text = printed(SEARCHES[name]())
    assert max(len(line) for line in text.splitlines()) <= 100
    assert "\x1b" not in text


def test_every_medium_says_what_each_arm_carries_and_what_ended_its_search() -> None:
    found = arms()
    page = re.sub(r"<[^>]*>", " ", report.render_html(found))
    for text in (printed(found), report.render_markdown(found), page):
        flat = " ".join(text.split())
        for words in ("1,410", "not known", "latency;", "its server died", "carries more"):
            assert words in flat, words


def test_what_was_disproved_is_said_before_all_else() -> None:
    assert printed(disproved()).lstrip().startswith("DISPROVED: http1")
    assert "DISPROVED" in report.render_markdown(disproved()).split("###")[0]
    page = report.render_html(disproved())
    assert page.index("DISPROVED") < page.index('class="verdict"')


def test_an_incomplete_search_says_so_first() -> None:
    found = SEARCHES["nothing"]()
    assert "Interrupted by SIGINT" in printed(found).split("\n\n")[0]


def test_the_curve_has_a_line_for_every_arm_and_a_ring_where_it_was_last_carried() -> None:
    found = report.curve(two())
    assert found is not None
    svg = found.drawing
    assert svg.count("<polyline") == 2
    assert svg.count('class="ring"') == 2
    assert "http1: 1,410/s carried, p99 1" in svg
    assert "p99 under 20" in svg
    assert report.curve(SEARCHES["nothing"]()) is None


def test_behind_the_curve_is_a_table_by_rate() -> None:
    found = report.curve(two())
    assert found is not None
    assert found.table.columns == ("rate", "http1", "http2")
    rates = [row.head for row in found.table.rows]
    assert rates[0] == "1,000/s"
    assert rates[-1] == "4,000/s"
    assert [row.cells[0].text for row in found.table.rows][-1] == "-"


def test_every_trial_is_in_the_table_by_rate() -> None:
    rows = report.steps(two(), "http2").rows
    assert [row.head for row in rows] == ["1,000", "2,000", "2,830", "4,000"]
    assert [row.cells[0].text.split()[0] for row in rows] == ["carried", "carried", "carried", "p99"]


def test_markdown_rows_have_as_many_cells_as_their_head() -> None:
    for made in SEARCHES.values():
        widths: list[int] = []
        for line in report.render_markdown(made()).splitlines():
            if not line.startswith("|"):
                widths = []
                continue
            widths.append(len(re.findall(r"(?<!\\)\|", line)))
            assert widths[0] == widths[-1], line


def test_hostile_words_are_shown_and_do_nothing() -> None:
    page, text = without_script(report.render_html(hostile())), report.render_markdown(hostile())
    for written in (page, re.sub(r"^(`{3,})\w*\n.*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)):
        assert "<script" not in written
        assert "\x1b" not in written
