"""What a template says of an ``<img>``: the names and values of its attributes."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from django.template import Context, Template, TemplateSyntaxError, engines

from ..urls_of_pictures import JPEG

# Of those that are made anyway, in lower case.
MADE = {"src", "width", "height", "srcset", "sizes", "alt", "loading", "decoding"}


class Tags(HTMLParser):
    """Every tag and text of some HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, attrs))

    def handle_endtag(self, tag: str) -> None:
        self.tags.append((f"/{tag}", []))

    def handle_data(self, data: str) -> None:
        self.text += data

    handle_comment = handle_decl = handle_pi = unknown_decl = handle_data


def by_jinja(attributes: dict[str, Any]) -> str | None:
    """The HTML; nothing where an attribute's name can be none."""
    template = engines["jinja2"].from_string("{{ groupme_image(v, **attributes) }}")
    try:
        return template.render({"v": JPEG, "attributes": attributes})
    except ValueError as error:
        return refused(error)


def by_django(attributes: dict[str, Any]) -> str | None:
    """The same by the other engine."""
    pairs = [f"{name}=v{number}" for number, name in enumerate(attributes)]
    values = {f"v{number}": value for number, value in enumerate(attributes.values())}
    source = "{% load groupme_images %}{% groupme_image v " + " ".join(pairs) + " %}"
    try:
        return Template(source).render(Context({"v": JPEG, **values}))
    except TemplateSyntaxError as error:
        return refused(error)


def refused(error: Exception) -> None:
    assert "cannot be the name of an HTML attribute" in str(error)
    assert len(str(error)) < 200


def check_image(html: str, attributes: dict[str, Any]) -> None:
    """It is one ``<img>`` that has each of these attributes, once, and no other but those made."""
    parsed = Tags(html)
    ((tag, found),) = parsed.tags
    assert (tag, parsed.text) == ("img", "")
    names = [name for name, _ in found]
    assert len(names) == len(set(names))
    given = {name.rstrip("_").replace("_", "-").lower(): v for name, v in attributes.items()}
    assert set(names) - MADE <= set(given)
    for name, value in given.items():
        if value is None or value is False:
            assert dict(found).get(name, "") == ""  # there is always an alt
        elif name != "sizes":  # which goes where there is no srcset
            assert dict(found)[name] == (None if value is True else str(value))
