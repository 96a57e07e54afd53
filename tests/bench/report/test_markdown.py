from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from markdown_it import MarkdownIt

from tests.bench.report import examples
from wsbench.report import markdown

if TYPE_CHECKING:
    from wsbench import document


def test_every_row_of_a_table_has_as_many_cells_as_its_head(example: document.Result) -> None:
    widths: list[int] = []
    for line in markdown.render(example).splitlines():
        if not line.startswith("|"):
            widths = []
            continue
        widths.append(len(re.findall(r"(?<!\\)\|", line)))
        assert widths[0] == widths[-1], line


def test_hostile_words_are_shown_and_do_nothing() -> None:
    text = markdown.render(examples.hostile())
    outside = re.sub(r"^(`{3,})\w*\n.*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)
    assert "<script" not in outside
    assert "@everyone" not in outside
    rendered = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    assert "<script" not in rendered
    assert "&lt;script&gt;" in rendered
    assert "<em>" not in rendered


@pytest.mark.parametrize(
    ("words", "written"),
    [
        ("a|b", r"a\|b"),
        ("<b>", "&lt;b&gt;"),
        ("*_`#", r"\*\_\`\#"),
        ("@me", "@<!-- -->me"),
        ("~1.2 ms", r"\~1.2 ms"),
    ],
)
def test_words_are_escaped(words: str, written: str) -> None:
    assert markdown.text(words) == written


def test_code_in_a_cell() -> None:
    assert markdown.code("http2") == "`http2`"
    assert markdown.code("a|`b") == "<code>a&#124;&#96;b</code>"


def test_a_block_outlasts_the_fences_in_it() -> None:
    assert markdown.block("````\nx", "sh") == ["`````sh", "````\nx", "`````"]


def test_folds_are_closed(example: document.Result) -> None:
    text = markdown.render(example)
    assert text.count("<details>") == text.count("</details>") == 4
