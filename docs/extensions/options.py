"""``.. groupme-options::`` documents the options of a storage, from ``conf.ConfiguredStorage``."""

from __future__ import annotations

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer

from django_groupme_images.conf import ConfiguredStorage, Option


class Options(Directive):
    """Each option with its default, its description, and the comment above it in the source."""

    def run(self) -> list[nodes.Node]:
        comments = ModuleAnalyzer.for_module(ConfiguredStorage.__module__).find_attr_docs()
        lines = []
        for name, option in ConfiguredStorage.options().items():
            default = f"``{option.default!r}``"
            if option.environment:
                default = f"the environment variable ``{option.environment}``"
            lines += [
                f".. confval:: {name}",
                f"   :type: {option.description}",
                f"   :default: {default}",
                "",
                *(f"   {line}" for line in comments[ConfiguredStorage.__name__, name]),
                f"   As a setting: ``{option.setting}``.",
                "",
            ]
        node = nodes.Element()
        self.state.nested_parse(StringList(lines, "options.py"), self.content_offset, node)
        return node.children


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
