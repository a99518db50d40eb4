"""``.. groupme-facts::`` lists facts about the image service from the contract tests."""

from __future__ import annotations

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from sphinx.application import Sphinx

from tests.emulator.contract.facts import FACTS


class Facts(Directive):
    """Table of the facts with the given kinds of evidence, and the emulator's behavior."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        lines = [".. list-table::", "   :header-rows: 1", ""]
        rows = [("fact", "evidence", "the emulator")]
        rows += [
            (fact.description, fact.evidence, f"``{fact.expected!r}``")
            for fact in FACTS
            if fact.evidence in self.arguments[0].split()
        ]
        for first, *others in rows:
            lines += [f"   * - {first}", *(f"     - {cell}" for cell in others)]
        node = nodes.Element()
        self.state.nested_parse(StringList(lines, "facts.py"), self.content_offset, node)
        return node.children


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("groupme-facts", Facts)
    return {"parallel_read_safe": True}
