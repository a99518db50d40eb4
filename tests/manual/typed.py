"""What a reader's shell is told to do with what is typed into it."""

from __future__ import annotations

import doctest
import re
import sys
from typing import Any


def as_any_id(text: str) -> str:
    """The text, in which every picture has the same id, and is on the same host."""
    host = r"(?:http://127\.0\.0\.1:[0-9]+|https://i\.groupme\.com)"
    return re.sub(rf"{host}/([0-9]+x[0-9]+\.[a-z]+)\.[0-9a-f]{{32}}", r"\1.some-id", text)


class _Checker(doctest.OutputChecker):
    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        return super().check_output(as_any_id(want), as_any_id(got), optionflags)


def examples(names: dict[str, Any]) -> None:
    """Run the ``>>>`` lines on the standard input; exit with the number of those that differ."""
    test = doctest.DocTestParser().get_doctest(sys.stdin.read(), names, "page", None, 0)
    runner = doctest.DocTestRunner(_Checker(), optionflags=doctest.ELLIPSIS, verbose=False)
    sys.exit(runner.run(test).failed)


def template(engine: str) -> None:
    """Render the template on the standard input for the first member."""
    from club.models import Member
    from django.template import engines

    context = {"member": Member.objects.first()}
    sys.stdout.write(engines[engine].from_string(sys.stdin.read()).render(context))
