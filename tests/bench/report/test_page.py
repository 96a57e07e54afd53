"""What ``page.js`` makes of a report, in a real Chromium; skipped where there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.bench.report import examples
from tests.bench.report.browser import CHROMIUM, chromium
from tests.bench.report.test_saturation import SEARCHES
from wsbench.report import chart, html, saturation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.bench.report.browser import Tab

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not on PATH")

READ = """[...document.querySelectorAll('figure.chart-of')].map(figure => [
  figure.querySelector('figcaption').textContent,
  figure.querySelector('.read span').textContent,
  Object.fromEntries([...figure.querySelectorAll('.read dl div')].map(one => [
    one.querySelector('dt').textContent, one.querySelector('dd').textContent]))])"""
SHOWN = """[...document.querySelectorAll('svg .line')].filter(line => getComputedStyle(line).display !== 'none')
  .map(line => line.dataset.arm)"""
SLIDER = "figure.chart-of .read input"
BOX = ".legend li[data-arm='http1'] input"
FOCUSED = "document.querySelector({!r}).focus()"


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with chromium(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def page(tab: Tab, tmp_path: Path) -> Tab:
    """The report of the closed loop, opened."""
    return opened(tab, tmp_path, html.render(examples.closed_loop()))


def opened(tab: Tab, folder: Path, text: str, width: int = 1120) -> Tab:
    place = folder / "report.html"
    place.write_text(text, encoding="utf-8")
    tab.open(place.as_uri(), width)
    return tab


@pytest.mark.parametrize("name", ["closed_loop", "open_loop", "twelve", "nulls", "hostile", "version_1", "no_arms"])
def test_nothing_is_asked_for_but_the_page_and_nothing_complains(tab: Tab, tmp_path: Path, name: str) -> None:
    opened(tab, tmp_path, html.render(examples.EXAMPLES[name]()))
    assert tab.requests() == [(tmp_path / "report.html").as_uri()]
    assert tab.complaints() == []


def test_the_policy_lets_nothing_else_run(tab: Tab, tmp_path: Path) -> None:
    text = html.render(examples.closed_loop()).replace("</main>", "<script>window.foreign = 1</script></main>")
    opened(tab, tmp_path, text)
    assert tab.run("typeof window.foreign") == "undefined"
    assert any("Content Security Policy" in str(one) for one in tab.complaints())
    assert len(tab.run(READ)) == 5  # ours did


def test_charts_have_the_figures_of_every_arm(page: Tab) -> None:
    found = {caption: (stop, values) for caption, stop, values in page.run(READ)}
    assert list(found) == [
        "Round trip, lower is better",
        "Connect, lower is better",
        "Does the machine drift? Level lines are good",
        "Messages a second, second by second",
        "p99, second by second",
    ]
    curves = chart.round_trip_curves(examples.closed_loop())
    assert curves is not None
    (row,) = [row for row in curves.table.rows if row.head == "p99"]
    arms = ("direct", "http1", "http2")
    values = dict(zip(arms, (cell.text for cell in row.cells), strict=True))
    assert found["Round trip, lower is better"] == ("At p99:", values)
    assert all(tuple(values) == arms for _, values in found.values())
    assert page.run("document.querySelectorAll('.marks .spot').length") == 3 * 5


def test_the_pointer_reads_where_it_is(page: Tab) -> None:
    _, before = page.run(READ)[0][1:]
    x, y = page.middle("figure.chart-of svg[data-stops]")
    for step, stop in ((-1000, "At min:"), (1000, "At max:")):
        box = page.run(
            "(() => { const box = document.querySelector('figure.chart-of svg[data-stops]')"
            ".getBoundingClientRect(); return [box.left, box.right]; })()"
        )
        page.point(min(max(x + step, box[0] + 2), box[1] - 2), y)
        _, at, after = page.run(READ)[0]
        assert at == stop
        assert after != before
        assert all(value.endswith(("us", "ms")) for value in after.values())


def test_the_keyboard_reads_step_by_step_and_a_screen_reader_hears_it(page: Tab) -> None:
    page.run(FOCUSED.format(SLIDER))
    told = []
    for key in ("Home", "ArrowRight", "End", "ArrowLeft"):
        page.press(key)
        told.append(page.run(f"document.querySelector({SLIDER!r}).getAttribute('aria-valuetext')"))
        stop, values = page.run(READ)[0][1:]
        said = ", ".join(f"{arm} {value if value != '-' else 'has none'}" for arm, value in values.items())
        assert f"At {told[-1]}" == f"{stop} {said}"
    assert [words.split(":")[0] for words in told] == ["min", "p20.6", "max", "p99.999"]
    assert page.run(f"document.querySelector({SLIDER!r}).getAttribute('aria-label')") == (
        "Read at: Round trip (service time) by percentile"
    )


@pytest.mark.parametrize("by", ["mouse", "keyboard"])
def test_an_arm_is_ticked_off_in_every_chart_and_on_again(page: Tab, by: str) -> None:
    every = page.run(SHOWN)
    assert every.count("http1") == 5
    for shown in (False, True):
        if by == "mouse":
            page.click(BOX)
        else:
            page.run(FOCUSED.format(BOX))
            page.press(" ")
        boxes = page.run(
            "[...document.querySelectorAll(\".legend li[data-arm='http1'] input\")].map(box => box.checked)"
        )
        assert boxes == [shown] * 2
        assert page.run(SHOWN) == [arm for arm in every if shown or arm != "http1"]
        assert all(("http1" in values) == shown for _, _, values in page.run(READ))


def test_all_that_can_be_done_is_reached_by_the_tab_key(page: Tab) -> None:
    controls = "input, summary, [tabindex='0']"
    page.run("document.querySelectorAll('details').forEach(one => one.open = true)")
    wanted = page.run(f"document.querySelectorAll({controls!r}).length")
    page.run("document.body.tabIndex = -1; document.body.focus(); window.reached = new Set()")
    for _ in range(wanted):
        page.press("Tab")
        page.run("window.reached.add(document.activeElement)")
    assert page.run(f"[...document.querySelectorAll({controls!r})].every(one => window.reached.has(one))")
    assert page.run("[...document.querySelectorAll('input')].every(one => one.labels.length || one.ariaLabel)")


def test_a_page_as_narrow_as_a_telephone_needs_no_scrolling_sideways(tab: Tab, tmp_path: Path) -> None:
    for name in ("closed_loop", "hostile"):
        opened(tab, tmp_path, html.render(examples.EXAMPLES[name]()), width=390)
        assert tab.run("document.documentElement.scrollWidth") <= 390


def test_a_search_is_read_by_rate(tab: Tab, tmp_path: Path) -> None:
    opened(tab, tmp_path, saturation.render_html(SEARCHES["two"]()))
    ((_, stop, values),) = tab.run(READ)
    assert stop.endswith("/s:")
    assert list(values) == ["http1", "http2"]
    tab.click(BOX)
    assert tab.run(SHOWN) == ["http2"]
    assert tab.complaints() == []


def test_on_paper_there_is_nothing_to_click_and_nothing_is_lost(page: Tab) -> None:
    page.ask("Emulation.setEmulatedMedia", media="print")
    try:
        assert page.run("[...document.querySelectorAll('input, .behind')].every(one => !one.checkVisibility())")
        assert page.run("[...document.querySelectorAll('svg.chart, pre')].every(one => one.checkVisibility())")
    finally:
        page.ask("Emulation.setEmulatedMedia", media="")
