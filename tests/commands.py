"""Commands, as a shell sees them."""

from __future__ import annotations

import io
from typing import Any

from django.core.management import CommandError, call_command


def said_by(command: str, *arguments: str, **options: Any) -> str:
    """What a command writes; with its exit code and its last words where it fails."""
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command(command, *arguments, **options, stdout=out, stderr=err)
    except CommandError as error:
        return f"{out.getvalue()}exit {error.returncode}: {error}"
    return out.getvalue()
