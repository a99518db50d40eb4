"""The house in one picture: its layers are those that ``make lint`` holds the imports to."""

from __future__ import annotations

import ast
import re
import tomllib
from functools import cache
from itertools import accumulate, pairwise
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

from . import svg

__all__ = ["CAPTIONS", "TOWER", "drawing", "layers"]

ROOT = Path(__file__).parent.parent.parent
PACKAGE = ROOT / "django_groupme_images"

#: What stands beside the house.
TOWER = "emulator"

#: What each layer is, by one of its modules.
CAPTIONS = {
    "testing": ("For tests", "those of a project, with pytest or without"),
    "apps": ("At start-up", "what registers itself, and what is told before a picture is lost"),
    "management": ("Commands and tasks", "what is done for every picture, at once or later"),
    "uploads": ("Many rows at a time", "found, moved, looked after"),
    "fields": ("What a project touches", "in its models, forms, admin, templates and REST API"),
    "intake": ("A picture comes in, and is shown", "what forms, admin and REST API share"),
    "storage": ("Storage", "what Django saves goes to the service, or to the fallback"),
    "client": ("Client", "HTTP, and the bytes of files; it knows nothing of Django"),
    "pictures": ("Ground", "no Django, no I/O"),
}

TITLE = "The house: the modules of django-groupme-images, and which may import which"
DESCRIPTION = (
    "The modules of the package as a house of {count} layers. From the top: {names}. "
    "A module imports from its own layer and from those below, never from one above. "
    "The emulator stands beside the house, like a tower on the same ground: it imports the module "
    "pictures alone, and only modules for tests and one command import it."
)
NOTE = "Drawn from the contracts that “make lint” checks, and from the docstrings of the modules"

MARGIN, GAP, PAD, TOP = 24, 12, 10, 66
LEFT, RIGHT = 58, svg.WIDTH - MARGIN
TOWER_LEFT = RIGHT - 126
HOUSE_RIGHT = TOWER_LEFT - 24
HEADER, ROOM, MOST_IN_ROW = 28, 50, 4
LIFT = 14  # of the tower over the ground, for an arrow


class Look(NamedTuple):
    """Kinds of shapes, see ``svg``."""

    fill: str
    edge: str
    colour: str


HOUSE = Look("band", "edge", "blue")
GROUND = Look("ground", "ground-edge", "green")


@cache
def contracts() -> dict[str, Any]:
    """The laws of the imports, by their ids."""
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    return {contract["id"]: contract for contract in tools["importlinter"]["contracts"]}


def layers() -> list[list[str]]:
    """The modules of each layer of the house, without what stands beside it."""
    found = [re.findall(r"\w+", layer) for layer in contracts()["house"]["layers"]]
    return [layer for layer in found if layer != [TOWER]]


def users() -> list[str]:
    """The modules that may import the emulator."""
    return [name.partition(".")[2] for name in contracts()[TOWER]["allowed_importers"]]


def caption_of(layer: list[str]) -> tuple[str, str]:
    """What a layer is: in a word or two, and in some more."""
    return next(CAPTIONS[module] for module in layer if module in CAPTIONS)


def said_by(module: str) -> str:
    """What the docstring of a module says first; nothing if there is none."""
    paths = PACKAGE / f"{module}.py", PACKAGE / module / "__init__.py"
    source = next(path for path in paths if path.exists()).read_text(encoding="utf-8")
    said = (ast.get_docstring(ast.parse(source)) or "").split("\n\n")[0]
    return re.split(r"\.(?: |$)|::", " ".join(said.split()))[0].replace("`", "")


def first_words(module: str, width: float) -> list[str]:
    """Of what it says, as many clauses as fit into two lines, or else the title."""
    title, colon, rest = said_by(module).partition(": ")
    is_title = bool(colon) and len(title.split()) <= 3
    words = rest if is_title else title
    clauses = accumulate(re.split(r"(?=, )", words[:1].upper() + words[1:]))
    choices = [svg.wrapped(choice, width) for choice in ([title] * is_title) + [*clauses]]
    return max((lines for lines in choices if len(lines) <= 2), key=choices.index, default=[])


def _rows(layer: list[str]) -> list[list[str]]:
    count = ceil(len(layer) / MOST_IN_ROW)
    ends = [len(layer) * row // count for row in range(count + 1)]
    return [layer[start:end] for start, end in pairwise(ends)]


def _height(layer: list[str]) -> int:
    return HEADER + ROOM * len(_rows(layer)) + PAD - 6


def _room(module: str, x: float, y: float, width: float, edge: str) -> list[str]:
    words = first_words(module, width - 14)
    top = y + (26, 19, 14)[len(words)]
    return [
        svg.box(x, y, width, ROOM - 6, f"room {edge}"),
        svg.text(x + 7, top, module, "code name ink"),
        *svg.paragraph(x + 7, top + 13, words, "muted"),
    ]


def _band(layer: list[str], y: float, right: float, look: Look) -> list[str]:
    heading, caption = caption_of(layer)
    shapes = [
        svg.box(LEFT, y, right - LEFT, _height(layer), f"{look.fill} {look.edge}", radius=8),
        svg.text(LEFT + PAD, y + 19, heading, f"head {look.colour}", remark=caption),
    ]
    for row, modules in enumerate(_rows(layer)):
        width = (right - LEFT - 2 * PAD + 8) / len(modules)
        for column, module in enumerate(modules):
            x = LEFT + PAD + column * width
            shapes += _room(module, x, y + HEADER + ROOM * row, width - 8, look.edge)
    return shapes


def _tower(top: float, bottom: float) -> list[str]:
    x, width = TOWER_LEFT + PAD, RIGHT - TOWER_LEFT - 2 * PAD
    words = svg.wrapped(said_by(TOWER), width)
    rooms = sorted(path.stem for path in (PACKAGE / TOWER).glob("[!_]*.py"))
    first = top + 36 + svg.LEADING * len(words)
    step = (bottom - first - PAD + 8) / len(rooms)
    shapes = [
        svg.box(TOWER_LEFT, top, width + 2 * PAD, bottom - top, "beside beside-edge", radius=8),
        svg.text(x, top + 20, TOWER, "code head amber"),
        *svg.paragraph(x, top + 37, words, "muted"),
    ]
    for row, name in enumerate(rooms):
        y = first + step * row
        shapes.append(svg.box(x, y, width, step - 8, "room beside-edge"))
        shapes.append(svg.text(x + 7, y + step / 2, name, "code ink"))
    return shapes


def _arrows(house: list[list[str]], tops: list[float]) -> list[str]:
    """Of the imports that lead to the tower, and from it to the ground."""
    middle, ground = (TOWER_LEFT + RIGHT) / 2, tops[-1] + HEADER
    shapes = [svg.arrow([(middle, tops[-1] - GAP - LIFT), (middle, ground)], "amber")]
    for layer, top in zip(house, tops, strict=True):
        end = top + _height(layer)
        if layer is house[0]:
            shapes.append(svg.arrow([(middle, end), (middle, end + GAP + LIFT)], "amber"))
        elif any(user.split(".")[0] in layer for user in users()):
            y = (top + end) / 2
            shapes.append(svg.arrow([(HOUSE_RIGHT, y), (TOWER_LEFT, y)], "amber"))
    return shapes


def _law(top: float, bottom: float) -> list[str]:
    """The arrow along the house."""
    x, y = MARGIN + 16, (top + bottom) / 2
    words = svg.text(0, 0, "Imports go down only", "head blue middle")
    return [
        svg.arrow([(x, top), (x, bottom)], "blue", width=2.5),
        f'<g transform="translate({x - 9} {y:g}) rotate(-90)">{words}</g>',
    ]


def drawing() -> str:
    """The house, as SVG."""
    house = layers()
    *tops, end = accumulate((_height(layer) + GAP for layer in house), initial=TOP)
    shapes = [svg.text(MARGIN, 40, "The house", "title ink", remark=NOTE), *_law(TOP, end - GAP)]
    for layer, top in zip(house, tops, strict=True):
        right = RIGHT if layer in (house[0], house[-1]) else HOUSE_RIGHT
        shapes += _band(layer, top, right, GROUND if layer is house[-1] else HOUSE)
    shapes += _tower(tops[1] + LIFT, tops[-1] - GAP - LIFT)
    shapes += _arrows(house, tops)
    names = ", ".join(caption_of(layer)[0] for layer in house)
    description = DESCRIPTION.format(count=len(house), names=names)
    return svg.document(end - GAP + MARGIN, TITLE, description, shapes)
