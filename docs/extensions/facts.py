"""
Tables of the facts about the image service, from the contract tests.

``.. groupme-facts::`` lists the facts that are tested, and ``.. groupme-untested-facts::`` the
others. The argument of both is the kinds of evidence to list, separated by spaces.
"""

from __future__ import annotations

from collections.abc import Iterator

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from sphinx.application import Sphinx

from tests.emulator.contract.facts import FACTS
from tests.emulator.contract.untested_facts import UNTESTED_FACTS

Row = tuple[str, ...]


class FactTable(Directive):
    """A table of facts, with a row for each fact of the given kinds of evidence."""

    required_arguments = 1
    final_argument_whitespace = True

    widths = ""
    header: Row = ()

    def rows(self, evidence: list[str]) -> Iterator[Row]:
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {self.widths}", ""]
        for first, *others in (self.header, *self.rows(self.arguments[0].split())):
            lines += [f"   * - {first}", *(f"     - {cell}" for cell in others)]
        node = nodes.Element()
        text = StringList([line.replace("`", "``") for line in lines], "facts.py")
        self.state.nested_parse(text, self.content_offset, node)
        return node.children


class Facts(FactTable):
    """The facts that are tested, with the result of the emulator."""

    widths = "40 22 14 24"
    header = ("Question", "Result of the emulator", "Evidence", "Source")

    def rows(self, evidence: list[str]) -> Iterator[Row]:
        for fact in FACTS:
            if fact.evidence in evidence:
                yield fact.description, _as_text(fact.expected), fact.evidence, fact.source


class UntestedFacts(FactTable):
    """The facts that no test queries, with the behavior of the app."""

    widths = "36 14 22 28"
    header = ("Fact", "Evidence", "Source", "What the app does")

    def rows(self, evidence: list[str]) -> Iterator[Row]:
        for fact in UNTESTED_FACTS:
            if fact.evidence in evidence:
                yield fact.description, fact.evidence, fact.source, fact.consequence


def _as_text(result: object) -> str:
    """Return the result of a fact as text for a reader."""
    if isinstance(result, bool):
        return "yes" if result else "no"
    if isinstance(result, set):
        return ", ".join(f"`{name}`" for name in sorted(result))
    return str(result)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("groupme-facts", Facts)
    app.add_directive("groupme-untested-facts", UntestedFacts)
    return {"parallel_read_safe": True}
