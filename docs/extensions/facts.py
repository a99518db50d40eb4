"""``.. groupme-facts::``: what is known of the service, from the suite that asks it."""

from __future__ import annotations

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from sphinx.application import Sphinx

from tests.contract.facts import FACTS


class Facts(Directive):
    """A table of the facts of these standings, with what the emulator was written to do."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        lines = [".. list-table::", "   :header-rows: 1", ""]
        rows = [("fact", "standing", "the emulator")]
        rows += [
            (fact.words, fact.standing, f"``{fact.expected!r}``")
            for fact in FACTS
            if fact.standing in self.arguments[0].split()
        ]
        for first, *others in rows:
            lines += [f"   * - {first}", *(f"     - {cell}" for cell in others)]
        node = nodes.Element()
        self.state.nested_parse(StringList(lines, "facts.py"), self.content_offset, node)
        return node.children


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("groupme-facts", Facts)
    return {"parallel_read_safe": True}
