"""``.. groupme-command:: NAME`` documents the usage and the options of a management command."""

from __future__ import annotations

import re
from argparse import Action, ArgumentParser, HelpFormatter
from collections.abc import Iterator
from functools import partial

from django.core.management import load_command_class
from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from sphinx.application import Sphinx

# Width of the usage in characters, so that it fits into the column of the page.
_USAGE_WIDTH = 80


class Command(Directive):
    """The help of a command, its usage, and an ``option`` for each argument."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        lines = [*_lines(_parser(self.arguments[0]))]
        node = nodes.Element()
        self.state.nested_parse(StringList(lines, "commands.py"), self.content_offset, node)
        return node.children


def _parser(name: str) -> ArgumentParser:
    """Return a parser with the command's own options, without those that Django adds."""
    command = load_command_class("django_groupme_images", name)
    parser = ArgumentParser(
        f"manage.py {name}",
        description=command.help,
        add_help=False,
        formatter_class=partial(HelpFormatter, width=_USAGE_WIDTH),
    )
    command.add_arguments(parser)
    for action in parser._actions:
        if action.dest == "database":
            # The choices are the databases of the project.
            action.choices, action.metavar = None, "ALIAS"
    return parser


def _lines(parser: ArgumentParser) -> Iterator[str]:
    yield from (_inline_code(str(parser.description)), "", ".. code-block:: text", "")
    yield from (f"   {line}" for line in parser.format_usage().splitlines())
    yield from ("", f".. program:: {parser.prog.split()[-1]}", "")
    for action in parser._actions:
        yield from (f".. option:: {_signature(action)}", "")
        yield from (f"   {_inline_code(parser._get_formatter()._expand_help(action))}", "")


def _signature(action: Action) -> str:
    if not action.option_strings:
        return f"{action.metavar} …" if action.nargs == "*" else str(action.metavar)
    names = ", ".join(action.option_strings)
    return names if action.nargs == 0 else f"{names} {action.metavar or action.dest.upper()}"


def _inline_code(text: str) -> str:
    """Return a help text as reStructuredText, with options and URL parameters as code."""
    text = re.sub(r"([*`|_\\])", r"\\\1", text)
    return re.sub(r"(?<![\w-])(--[a-z-]+|\?[a-z]+=)", r"``\1``", text)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("groupme-command", Command)
    return {"parallel_read_safe": True}
