"""Bars across, stacked of parts: from nought, evenly spaced, the total at the end of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement

from wsbench.report import wording
from wsbench.report.svg import WIDTH, add_text, begun, markup, rounded, shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PARTS = 4
"""As many fills as the style sheet has."""

_LEFT, _RIGHT, _STEP, _THICK, _TOP = 102.0, 62.0, 30.0, 20.0, 6.0
_LETTER = 6.0


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar; a part that is not there, or not known, is None."""

    name: str
    parts: tuple[float | None, ...]

    @property
    def total(self) -> float:
        """Of the parts that are known."""
        return sum(part or 0.0 for part in self.parts)


def bars(
    shown: Sequence[Bar], parts: Sequence[str], *, title: str, unit: str, say: Callable[[float], str] = wording.amount
) -> str:
    """The drawing; empty where no bar has a length. ``parts`` names them in order, ``unit`` follows every value."""
    longest = max((bar.total for bar in shown), default=0.0)
    if longest <= 0:
        return ""
    drawing = begun(title, "; ".join(_told(bar, parts, unit, say) for bar in shown), _TOP + _STEP * len(shown))
    scale = (WIDTH - _LEFT - _RIGHT) / longest
    for row, bar in enumerate(shown):
        y = _TOP + _STEP * row
        group = SubElement(drawing, "g", {"class": "bar"})
        SubElement(group, "title").text = _told(bar, parts, unit, say)
        add_text(group, shortened(bar.name), (0, y + 14.5), "label", "start")
        x = _LEFT
        for place, part in enumerate(bar.parts):
            if part and part > 0:
                _piece(group, place, x, y, part * scale, say(part))
                x += part * scale
        add_text(group, say(bar.total), (x + 6, y + 14.5), "total", "start")
    return markup(drawing)


def swatch(place: int) -> str:
    """A piece of a bar, for a legend."""
    piece = Element("svg", {"class": "swatch", "viewBox": "0 0 34 12", "aria-hidden": "true", "focusable": "false"})
    SubElement(piece, "rect", {"x": "1", "y": "1", "width": "32", "height": "10", "class": f"p{place % PARTS}"})
    return markup(piece)


def _piece(group: Element, place: int, x: float, y: float, width: float, words: str) -> None:
    box = {"x": rounded(x), "y": rounded(y), "width": f"{max(width, 0.5):.2f}", "height": rounded(_THICK)}
    SubElement(group, "rect", {**box, "class": f"p{place % PARTS}"})
    if width > _LETTER * len(words) + 4:
        add_text(group, words, (x + width / 2, y + 14.5), "inside", "middle")


def _told(bar: Bar, parts: Sequence[str], unit: str, say: Callable[[float], str]) -> str:
    known = [f"{name} {say(part)}" for name, part in zip(parts, bar.parts, strict=True) if part is not None]
    return f"{bar.name}: {say(bar.total)} {unit}" + (f" ({', '.join(known)})" if len(known) > 1 else "")
