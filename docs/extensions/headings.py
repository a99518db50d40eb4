"""
Labels for the headings of all pages, and a CSS class for the long cells of tables.

With ``:ref:`text <howto/templates#variants>```, a page in reStructuredText can refer to a heading
of a page in Markdown. The CSS class prevents narrow columns on phones.
"""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx

# The length of a text, in characters, that has to be wrapped in a table.
_LONG_TEXT_LENGTH = 40


def add_labels(app: Sphinx, doctree: nodes.document) -> None:
    """Add a label such as ``howto/templates#variants`` for each heading."""
    domain = app.env.domains.standard_domain
    docname = app.env.current_document.docname
    for section in doctree.findall(nodes.section):
        for anchor in section["ids"]:
            label = f"{docname}#{anchor}"
            domain.anonlabels[label] = docname, anchor
            domain.labels[label] = docname, anchor, section[0].astext()


def mark_long_cells(app: Sphinx, doctree: nodes.document) -> None:
    """Add the class ``long-text`` to the cells with long texts."""
    for cell in doctree.findall(nodes.entry):
        if len(cell.astext()) > _LONG_TEXT_LENGTH:
            cell["classes"].append("long-text")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("doctree-read", add_labels)
    app.connect("doctree-read", mark_long_cells)
    return {"parallel_read_safe": True}
