"""Read the pages of the documentation and their code blocks."""

from __future__ import annotations

import re
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
    {str(path.relative_to(ROOT)) for path in ROOT.glob("docs/**/*.md")}
    - {INSTALLATION, TUTORIAL, _INTEGRATIONS}
)


@dataclass(frozen=True)
class Block:
    """A code block: the language of its fence, its text, and its page and line."""

    language: str
    text: str
    location: str

    @property
    def path(self) -> str:
        """The path of the file in the first line of the block, or an empty string."""
        match = re.match(r"(?:# |{# )((?:[\w.-]+/)+[\w.-]+)(?: #})?\n", self.text)
        return match[1] if match else ""


def blocks(page: str) -> Iterator[Block]:
    """Yield the code blocks of a page, without the directives of Sphinx."""
    for token in MarkdownIt().parse((ROOT / page).read_text()):
        if token.type == "fence" and not token.info.startswith("{"):
            line = token.map[0] + 1 if token.map else 0
            yield Block(token.info, token.content, f"{page}, line {line}")
