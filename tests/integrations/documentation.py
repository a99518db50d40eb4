"""Read code from the documentation of the integrations."""

import re

from tests.project.manual.pages import ROOT, blocks

_PAGE = "docs/howto/third_party.md"


def documented_code(app: str) -> list[str]:
    """Return the inline code in an app's row of the table."""
    (row,) = re.findall(
        rf"^\| {app} \|.*$", (ROOT / _PAGE).read_text(encoding="utf-8"), re.MULTILINE
    )
    return re.findall(r"`([^`]+)`", row)


def documented_block(substring: str) -> str:
    """Return the only code block that contains ``substring``."""
    (found,) = [block.text for block in blocks(_PAGE) if substring in block.text]
    return found
