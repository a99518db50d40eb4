"""What the README says, for the tests to take at its word."""

import re
from pathlib import Path

README = (Path(__file__).parent.parent.parent / "README.md").read_text()


def told(app: str) -> list[str]:
    """The pieces of code in an app's row of the table."""
    (row,) = re.findall(rf"^\| {app} \|.*$", README, re.MULTILINE)
    return re.findall(r"`([^`]+)`", row)


def block(word: str) -> str:
    """The block of Python that has this word."""
    (found,) = [
        text for text in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if word in text
    ]
    return found
