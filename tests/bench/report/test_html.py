from __future__ import annotations

import itertools
import re
import subprocess
from functools import cache, partial
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest

from tests.bench.report import examples
from tests.bench.report.browser import CHROMIUM, FLAGS
from tests.bench.report.pages import without_script
from tests.bench.report.test_saturation import SEARCHES
from wsbench.report import html, saturation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

VOID = {"meta", "br", "hr", "img", "link", "input"}


class Page(HTMLParser):
    """The tags of a page; every one that is opened must be closed in its turn."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@cache
def _page(render: Callable[[Any], str], make: Callable[[], Any]) -> str:
    return render(make())


PAGES: dict[str, Callable[[], str]] = {
    **{name: partial(_page, html.render, make) for name, make in examples.EXAMPLES.items()},
    **{f"saturation {name}": partial(_page, saturation.render_html, make) for name, make in SEARCHES.items()},
}


@pytest.fixture(params=sorted(PAGES))
def text(request: pytest.FixtureRequest) -> str:
    return PAGES[request.param]()


def test_the_page_is_well_formed(text: str) -> None:
    page = Page(text)
    assert page.open == []
    names = [tag for tag, _ in page.tags]
    assert names[:3] == ["html", "head", "meta"]
    assert page.tags[0][1]["lang"] == "en"
    assert page.tags[2][1]["charset"] == "utf-8"


def test_nothing_is_loaded_and_nothing_runs_but_the_pages_own_script(text: str) -> None:
    page = Page(without_script(text))
    assert not {"script", "link", "img", "iframe", "object", "embed", "base", "form"} & {tag for tag, _ in page.tags}
    for _, attributes in page.tags:
        assert not {"src", "href", "srcset", "xlink:href", "action"} & attributes.keys()
        assert not any(name.startswith("on") for name in attributes)
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    assert not re.search(r"https?://", style)
    policy = next(found for _, found in page.tags if found.get("http-equiv") == "Content-Security-Policy")
    assert re.fullmatch(
        r"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-[\w+/]{43}='", policy["content"] or ""
    )


def test_hostile_words_are_shown_and_do_nothing() -> None:
    text = without_script(html.render(examples.hostile()))
    assert "<script" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert examples.HOSTILE in "".join(Page(text).text)


def test_headings_are_in_order(text: str) -> None:
    levels = [int(tag[1]) for tag, _ in Page(text).tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_tables_have_captions_and_scopes(text: str) -> None:
    page = Page(text)
    names = [tag for tag, _ in page.tags]
    assert names.count("table") == names.count("caption")
    assert all(found.get("scope") in {"col", "row"} for tag, found in page.tags if tag == "th")


def test_drawings_have_a_role_and_words(text: str) -> None:
    for tag, found in Page(text).tags:
        if tag == "svg":
            assert found.get("role") == "img" or found.get("aria-hidden") == "true"


def test_every_drawing_has_a_table_behind_it_or_beside_it(text: str) -> None:
    page = Page(without_script(text))
    drawings = [found for tag, found in page.tags if tag == "svg" and found.get("role") == "img"]
    read = sum("data-stops" in found for found in drawings)
    behind = [found for tag, found in page.tags if tag == "details" and found.get("class") == "behind"]
    assert len(behind) == read
    said = "".join(page.text)
    for found in drawings:
        label = found["aria-label"] or ""
        beside = "Comparisons, paired by round" if "interval of every" in label else "Cost: CPU per message"
        assert "data-stops" in found or beside in said, label


def test_the_page_is_small(text: str) -> None:
    assert len(text) < 600_000


def _luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = "".join(digit * 2 for digit in digits) if len(digits) == 3 else digits
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_is_enough_for_wcag_aa(scheme: str) -> None:
    style = html.render(examples.no_arms())
    blocks = re.findall(r":root\{([^}]*--bg[^}]*)\}", style)
    found = dict(re.findall(r"--([\w-]+):(#\w+)", blocks[scheme == "dark"]))
    for words in ("fg", "soft", "good", "bad", "warn", "accent"):
        assert _contrast(found[words], found["bg"]) >= 4.5
        assert _contrast(found[words], found["card"]) >= 4.5
    for words in ("good", "bad", "warn"):
        for over in (words, "fg", "soft"):
            assert _contrast(found[over], found[f"{words}-bg"]) >= 4.5
    for line in (f"c{number}" for number in range(8)):
        assert _contrast(found[line], found["bg"]) >= 3
    for part in (f"p{number}" for number in range(4)):
        assert _contrast(found["fg"], found[part]) >= 4.5  # figures stand in the bars
        assert _contrast(found["soft"], found["bg"]) >= 3  # their outlines


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not on PATH")
@pytest.mark.parametrize(
    ("name", "size", "scheme"),
    [("closed_loop", "1120,4000", 1), ("hostile", "400,6000", 0), ("saturation two", "1120,3000", 0)],
)
def test_chromium_shows_it_without_a_complaint(tmp_path: Path, name: str, size: str, scheme: int) -> None:
    assert CHROMIUM is not None
    page, picture = tmp_path / "report.html", tmp_path / "report.png"
    page.write_text(PAGES[name](), encoding="utf-8")
    ended = subprocess.run(
        [
            CHROMIUM,
            *FLAGS,
            "--enable-logging=stderr",
            f"--user-data-dir={tmp_path / 'profile'}",
            f"--window-size={size}",
            f"--blink-settings=preferredColorScheme={scheme}",
            f"--screenshot={picture}",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "CONSOLE" not in ended.stderr
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert picture.stat().st_size > 30_000
