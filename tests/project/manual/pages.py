"""Read the pages of the documentation and their code blocks."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from markdown_it import MarkdownIt

from tests import ROOT

README = "README.md"
INSTALLATION = "docs/installation.md"
TUTORIAL = "docs/tutorial.md"
CONTRIBUTING = "CONTRIBUTING.md"

# The tests of integrations use this page, because they need a project with third-party apps.
_INTEGRATIONS = "docs/howto/third_party.md"

#: The pages whose blocks continue the project of the tutorial, as paths in the repository.
PAGES = sorted(
    {
        str(path.relative_to(ROOT))
        for suffix in ("md", "rst")
        for path in ROOT.glob(f"docs/**/*.{suffix}")
    }
    - {INSTALLATION, TUTORIAL, _INTEGRATIONS}
)

# A ``code-block`` directive without options.
_RST_BLOCK = re.compile(r"^( *)\.\. code-block:: (\w+)\n\n((?:\1   .*\n|\n)+)", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A code block: the language of its fence, its text, its location, and the paragraph before."""

    language: str
    text: str
    location: str
    introduction: str = ""

    @property
    def path(self) -> str:
        """The path of the file in the first line of the block, or an empty string."""
        match = re.match(r"(?:# |{# )((?:[\w.-]+/)+[\w.-]+)(?: #})?\n", self.text)
        return match[1] if match else ""

    @property
    def is_appended(self) -> bool:
        """Whether the page adds the block to the end of its file, instead of replacing the file."""
        introduction = " ".join(self.introduction.split())
        return self.path.endswith("settings.py") or f"the end of `{self.path}`" in introduction


def blocks(page: str) -> Iterator[Block]:
    """
    Yield the code blocks of a page.

    In Markdown, these are fences, without the directives of Sphinx. In reStructuredText, these are
    ``code-block`` directives, without the literal blocks after ``::``.
    """
    if page.endswith(".rst"):
        yield from _rst_blocks(page)
        return
    introduction = ""
    for token in MarkdownIt().parse((ROOT / page).read_text(encoding="utf-8")):
        if token.type == "inline":
            introduction = token.content
        if token.type == "fence" and not token.info.startswith("{"):
            line = token.map[0] + 1 if token.map else 0
            yield Block(token.info, token.content, f"{page}, line {line}", introduction)


def _rst_blocks(page: str) -> Iterator[Block]:
    text = (ROOT / page).read_text(encoding="utf-8")
    for match in _RST_BLOCK.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        content = textwrap.dedent(match[3]).strip("\n") + "\n"
        yield Block(match[2], content, f"{page}, line {line}")
