"""What drawings are made of: inline SVG, coloured by the page's style sheet, every text escaped by ElementTree."""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement, tostring

WIDTH = 440.0
"""Of every drawing, in its own units; a page scales it."""

_LABEL_LENGTH = 13


def begun(title: str, description: str, height: float) -> Element:
    """A drawing with nothing in it yet."""
    box = f"0 0 {rounded(WIDTH)} {rounded(height)}"
    drawing = Element("svg", {"class": "chart", "viewBox": box, "role": "img", "aria-label": title})
    SubElement(drawing, "title").text = title
    SubElement(drawing, "desc").text = description
    return drawing


def add_line(
    parent: Element, start: tuple[float, float], end: tuple[float, float], css: str, dash: str = "", width: str = ""
) -> None:
    """A straight line."""
    attributes = {"x1": rounded(start[0]), "y1": rounded(start[1]), "x2": rounded(end[0]), "y2": rounded(end[1])}
    attributes["class"] = css
    if dash:
        attributes["stroke-dasharray"] = dash
    if width:
        attributes["stroke-width"] = width
    SubElement(parent, "line", attributes)


def add_text(parent: Element, words: str, at: tuple[float, float], css: str, anchor: str) -> Element:
    """Words; ``anchor`` is start, middle or end."""
    place = {"x": rounded(at[0]), "y": rounded(at[1]), "class": css, "text-anchor": anchor}
    element = SubElement(parent, "text", place)
    element.text = words
    return element


def add_circle(parent: Element, at: tuple[float, float], radius: str, css: str) -> Element:
    """A circle."""
    place = {"cx": rounded(at[0]), "cy": rounded(at[1]), "r": radius, "class": css}
    return SubElement(parent, "circle", place)


def shortened(name: str) -> str:
    """A name as far as there is room for it."""
    return name if len(name) <= _LABEL_LENGTH else name[: _LABEL_LENGTH - 1] + "\N{HORIZONTAL ELLIPSIS}"


def rounded(value: float) -> str:
    """A number as a drawing needs it."""
    return f"{value:.1f}".removesuffix(".0")


def markup(drawing: Element) -> str:
    """The drawing as it goes into a page."""
    return tostring(drawing, encoding="unicode")
