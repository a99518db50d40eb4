"""Output of management commands."""

from __future__ import annotations

import io
from typing import Any

from django.core.management import CommandError, call_command


def run_command(command: str, *arguments: str, **options: Any) -> str:
    """Return the output of a command; if it fails, with the exit code and the error message."""
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command(command, *arguments, **options, stdout=out, stderr=err)
    except CommandError as error:
        return f"{out.getvalue()}exit {error.returncode}: {error}"
    return out.getvalue()
