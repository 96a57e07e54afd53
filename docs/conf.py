"""How the site is built: ``make docs``. Why Sphinx: decisions/0011-site.md."""

from __future__ import annotations

import tomllib
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

from sphinx.util import logging

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_LOGGER = logging.getLogger(__name__)
_ROOT = Path(__file__).parents[1]

project = "wsbench"
release = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]["version"]
extensions = ["myst_parser"]
nitpicky = True
# As GitHub makes them, so that a link works in both places.
myst_heading_anchors = 4
# "--rate" in prose is two hyphens.
smartquotes = False

html_theme = "furo"
html_title = f"wsbench {release}"
html_copy_source = False
html_show_copyright = False

# What a browser fetches by itself, by element: a page must ask nobody but the place it came from.
_FETCHING = {"img": "src", "script": "src", "iframe": "src", "source": "src", "link": "href"}
_NOT_FETCHED = {"canonical", "next", "prev", "search", "index"}


class _Fetches(HTMLParser):
    """Collects the addresses of other hosts that a page has a browser fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.foreign: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Called for every element."""
        given = dict(attrs)
        address = given.get(_FETCHING.get(tag, "")) or ""
        if address.startswith(("http:", "https:", "//")) and given.get("rel") not in _NOT_FETCHED:
            self.foreign.append(address)


def foreign_fetches(page: str) -> list[str]:
    """The addresses of other hosts that a browser fetches by itself when it shows this HTML, in order."""
    fetches = _Fetches()
    fetches.feed(page)
    return fetches.foreign


def _is_self_contained(app: Sphinx, exception: Exception | None) -> None:
    """Warns, which fails the build, of every page that fetches from another host."""
    if exception is not None:
        return
    for path in sorted(Path(app.outdir).rglob("*.html")):
        for address in foreign_fetches(path.read_text()):
            _LOGGER.warning("%s has a browser fetch %s: the site must ask no other host", path.name, address)


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("build-finished", _is_self_contained)
