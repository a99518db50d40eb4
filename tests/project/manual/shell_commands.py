"""Run code blocks in the Django shell of a project. ``PageRunner`` imports this module there."""

from __future__ import annotations

import doctest
import re
import sys
from typing import Any


def normalize_urls(text: str) -> str:
    """Replace the hosts and IDs in URLs of images, because they differ between runs."""
    host = r"(?:http://127\.0\.0\.1:[0-9]+|https://i\.groupme\.com)"
    return re.sub(rf"{host}/([0-9]+x[0-9]+\.[a-z]+)\.[0-9a-f]{{32}}", r"\1.some-id", text)


class _Checker(doctest.OutputChecker):
    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        return super().check_output(normalize_urls(want), normalize_urls(got), optionflags)


def run_doctest(names: dict[str, Any]) -> None:
    """Run the doctest on the standard input, and exit with the number of failed examples."""
    test = doctest.DocTestParser().get_doctest(sys.stdin.read(), names, "page", None, 0)
    runner = doctest.DocTestRunner(_Checker(), optionflags=doctest.ELLIPSIS, verbose=False)
    sys.exit(runner.run(test).failed)


def render_template(engine: str) -> None:
    """Render the template on the standard input, with the first member in its context."""
    from club.models import Member
    from django.template import engines

    context = {"member": Member.objects.first()}
    sys.stdout.write(engines[engine].from_string(sys.stdin.read()).render(context))
