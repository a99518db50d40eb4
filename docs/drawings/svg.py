"""Shapes and words as SVG, in colours for a light page and for a dark one."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from textwrap import wrap

__all__ = [
    "LEADING",
    "WIDTH",
    "arrow",
    "box",
    "disc",
    "document",
    "line",
    "paragraph",
    "text",
    "wrapped",
]

#: Of every drawing, in pixels.
WIDTH = 900

#: From one line of a paragraph to the next, in pixels.
LEADING = 13

# A character of a paragraph, in pixels: hardly any font that a reader may have is wider.
_CHARACTER = 6.16

_STYLE = """\
text{font:11px system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
.code{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace}
.name{font-size:12.5px}
.head{font-size:13.5px}
.title{font-size:18px}
.strong,.name,.head,.title,.number{font-weight:600}
.remark{font-size:11px;font-weight:400}
.middle,.number{text-anchor:middle}
.end{text-anchor:end}
.over{paint-order:stroke;stroke-width:5px;stroke-linejoin:round}
.dashed{stroke-dasharray:5 4}
"""

# What is filled, and what is a line: on a light page, and on a dark one.
_FILLS = {
    "paper": ("#ffffff", "#12161c"),
    "band": ("#f2f5f9", "#1a2029"),
    "room": ("#ffffff", "#232b36"),
    "beside": ("#fff5e0", "#2b2413"),
    "ground": ("#e6f6ea", "#14271b"),
    "ink": ("#1c2430", "#e8edf3"),
    "muted": ("#566171", "#a3afbd"),
    "blue": ("#0b57c4", "#85bbff"),
    "amber": ("#8a5a00", "#e8bb55"),
    "green": ("#17702f", "#62d67c"),
    "red": ("#b3261e", "#ff9b92"),
}
_LINES = {
    "over": _FILLS["paper"],
    "edge": ("#cbd4df", "#3a4553"),
    "beside-edge": ("#dcae52", "#80652a"),
    "ground-edge": ("#84c596", "#34754a"),
    "ink-line": _FILLS["ink"],
    "muted-line": ("#8a96a5", "#6c7887"),
    "blue-line": _FILLS["blue"],
    "amber-line": _FILLS["amber"],
}


def _colours(shade: int) -> str:
    fills = [f".{name}{{fill:{shades[shade]}}}" for name, shades in _FILLS.items()]
    return "\n".join(
        [*fills, *(f".{name}{{stroke:{shades[shade]}}}" for name, shades in _LINES.items())]
    )


def document(height: float, title: str, description: str, shapes: Iterable[str]) -> str:
    """A whole drawing. Its title and description are read aloud."""
    size = f'viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" height="{height:g}"'
    dark = f"@media (prefers-color-scheme:dark){{\n{_colours(1)}\n}}"
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title desc">',
        f'<title id="title">{escape(title)}</title>',
        f'<desc id="desc">{escape(description)}</desc>',
        f"<style>\n{_STYLE}{_colours(0)}\n{dark}\n</style>",
        box(0.5, 0.5, WIDTH - 1, height - 1, "paper edge", radius=10),
    ]
    return "\n".join([*head, *shapes, "</svg>", ""])


def box(x: float, y: float, width: float, height: float, kind: str, radius: float = 6) -> str:
    """A rectangle with round corners."""
    size = f'width="{width:g}" height="{height:g}" rx="{radius:g}"'
    return f'<rect x="{x:g}" y="{y:g}" {size} class="{kind}"/>'


def line(points: Iterable[tuple[float, float]], kind: str, width: float = 1) -> str:
    """A line from point to point."""
    path = " ".join(f"{x:g},{y:g}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke-width="{width:g}" class="{kind}"/>'


def arrow(points: list[tuple[float, float]], colour: str, width: float = 1.5) -> str:
    """A line whose last part, along an axis, ends in a head."""
    (from_x, from_y), (x, y) = points[-2:]
    along, down = (x > from_x) - (x < from_x), (y > from_y) - (y < from_y)
    size = 6 + width
    back_x, back_y = x - size * along, y - size * down
    sides = [(back_x + side * down, back_y + side * along) for side in (size / 2, -size / 2)]
    head = " ".join(f"{a:g},{b:g}" for a, b in [(x, y), *sides])
    shaft = line([*points[:-1], (back_x, back_y)], f"{colour}-line", width)
    return f'{shaft}\n<polygon points="{head}" class="{colour}"/>'


def text(x: float, y: float, words: str, kind: str, remark: str = "") -> str:
    """One line of words, and what is to remark beside them."""
    more = f'<tspan dx="10" class="remark muted">{escape(remark, quote=False)}</tspan>'
    said = escape(words, quote=False) + (more if remark else "")
    return f'<text x="{x:g}" y="{y:g}" class="{kind}">{said}</text>'


def wrapped(words: str, width: float) -> list[str]:
    """The lines of a paragraph that is so wide."""
    return wrap(words, int(width / _CHARACTER), break_long_words=False, break_on_hyphens=False)


def paragraph(x: float, y: float, lines: Iterable[str], kind: str) -> list[str]:
    """Lines of words, the first of them at ``y``."""
    return [text(x, y + LEADING * row, words, kind) for row, words in enumerate(lines)]


def disc(x: float, y: float, number: int, colour: str) -> str:
    """A number on a disc."""
    circle = f'<circle cx="{x:g}" cy="{y:g}" r="10" class="{colour}"/>'
    return circle + text(x, y + 4, str(number), "number paper")
