"""Commands that something is wrong without."""

from __future__ import annotations

import subprocess
from pathlib import Path
from textwrap import indent


def fault(told: str, *command: str | Path) -> list[str]:
    """What is to be told if a command fails, with what it printed; else nothing."""
    ran = subprocess.run(
        command, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    return [f"{told}\n{indent(ran.stdout.strip(), '    ')}"] if ran.returncode else []
