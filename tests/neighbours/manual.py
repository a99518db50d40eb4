"""What the manual says of the neighbours, for the tests to take at its word."""

import re

from ..manual.pages import ROOT, blocks

_PAGE = "docs/howto/neighbours.md"


def told(app: str) -> list[str]:
    """The pieces of code in an app's row of the table."""
    (row,) = re.findall(rf"^\| {app} \|.*$", (ROOT / _PAGE).read_text(), re.MULTILINE)
    return re.findall(r"`([^`]+)`", row)


def block(word: str) -> str:
    """The block of Python that has this word."""
    (found,) = [block.text for block in blocks(_PAGE) if word in block.text]
    return found
