"""
``.. groupme-options::`` documents the options of a storage as settings.

Types, defaults, and descriptions come from ``conf.ConfiguredStorage``: a description is the comment
above an option, and its first sentence is the summary in the table. ``option_details`` adds an
example and links to guides.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from option_details import DETAILS, default_of, summary_of
from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective

from django_groupme_images.conf import ConfiguredStorage, Option


class Options(SphinxDirective):
    """A table of all settings, and then a section for each."""

    def run(self) -> list[nodes.Node]:
        comments = ModuleAnalyzer.for_module(ConfiguredStorage.__module__).find_attr_docs()
        table = [".. list-table::", "   :header-rows: 1", "   :widths: 40 60", ""]
        table += _row("Setting and option", "Meaning and default")
        sections = []
        for name, option in ConfiguredStorage.options().items():
            comment = comments[ConfiguredStorage.__name__, name]
            names = f":confval:`{option.setting}` ``{name}``"
            table += _row(names, f"{summary_of(comment)} Default: {default_of(option)}.")
            sections.append(self._section(name, option, comment))
        return [*self._parse(table), *sections]

    def _section(self, name: str, option: Option[Any], comment: list[str]) -> nodes.section:
        section = nodes.section(ids=[nodes.make_id(option.setting)])
        section += nodes.title(option.setting, option.setting)
        section += self._parse(_description(name, option, comment))
        self.set_source_info(section)
        self.state.document.note_implicit_target(section)
        domain = self.env.domains.standard_domain
        (anchor,) = section["ids"]
        # Labels for ":ref:" and MyST, and an entry in the search.
        target = self.env.docname, anchor
        domain.anonlabels[anchor] = target
        domain.labels[anchor] = (*target, option.setting)
        domain.note_object("confval", option.setting, anchor, location=section)
        return section

    def _parse(self, lines: list[str]) -> list[nodes.Node]:
        node = nodes.Element()
        self.state.nested_parse(StringList(lines, "options.py"), self.content_offset, node)
        return node.children


def _row(*cells: str) -> list[str]:
    first, *others = cells
    return [f"   * - {first}", *(f"     - {cell}" for cell in others)]


def _description(name: str, option: Option[Any], comment: list[str]) -> list[str]:
    details = DETAILS[name]
    guides = ", ".join(f":doc:`/{guide}`" for guide in details.guides)
    return [
        f":Option: ``{name}``",
        f":Type: {option.description}",
        f":Default: {default_of(option)}",
        "",
        *comment,
        "",
        ".. code-block:: python",
        "",
        *_indented(details.example),
        "",
        f"See {guides}.",
    ]


def _indented(text: str) -> Iterator[str]:
    return (f"   {line}" for line in text.splitlines())


def skip_options(
    app: Sphinx, what: str, name: str, obj: object, skip: bool, options: object
) -> bool | None:
    """Leave options out of the documentation of a class, because the directive documents them."""
    return True if isinstance(obj, Option) else None


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("groupme-options", Options)
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-skip-member", skip_options)
    return {"parallel_read_safe": True}
