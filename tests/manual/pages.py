"""The pages of the manual, and the blocks of code on them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parent.parent.parent

TUTORIAL = "docs/tutorial.md"
CONTRIBUTING = "CONTRIBUTING.md"

# "make neighbours" takes this one at its word, in a project with those apps.
_NEIGHBOURS = "docs/howto/neighbours.md"

#: Every other page of the README and the manual, by its path in the project.
PAGES = sorted(
    {"README.md", *(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/**/*.md"))}
    - {TUTORIAL, CONTRIBUTING, _NEIGHBOURS}
)


@dataclass(frozen=True)
class Block:
    """A block of code: the word behind its fence, its text, and where it is."""

    language: str
    text: str
    place: str

    @property
    def path(self) -> str:
        """The file that the block belongs into, as its first line says; or nothing."""
        match = re.match(r"(?:# |{# )((?:[\w.-]+/)+[\w.-]+)(?: #})?\n", self.text)
        return match[1] if match else ""


def blocks(page: str) -> Iterator[Block]:
    """The blocks of a page, but for what is Sphinx's own."""
    for token in MarkdownIt().parse((ROOT / page).read_text()):
        if token.type == "fence" and not token.info.startswith("{"):
            line = token.map[0] + 1 if token.map else 0
            yield Block(token.info, token.content, f"{page}, line {line}")
