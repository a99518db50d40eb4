"""The image tag, and the attributes of the ``<img>`` that it renders."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from django.template import Context, Template, TemplateSyntaxError, engines

from tests.support.urls_of_pictures import JPEG

# Attributes that the tag may render by default.
DEFAULT_ATTRIBUTES = {"src", "width", "height", "srcset", "sizes", "alt", "loading", "decoding"}


class Tags(HTMLParser):
    """Parser that collects the tags of HTML, with their attributes, and the text."""

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


def render_jinja2(attributes: dict[str, Any]) -> str | None:
    """Render the tag with Jinja2, or return ``None`` if an attribute's name is invalid."""
    template = engines["jinja2"].from_string("{{ groupme_image(v, **attributes) }}")
    try:
        return template.render({"v": JPEG, "attributes": attributes})
    except ValueError as error:
        return check_error(error)


def render_django(attributes: dict[str, Any]) -> str | None:
    """Render the tag with Django templates, or return ``None`` as ``render_jinja2()`` does."""
    pairs = [f"{name}=v{number}" for number, name in enumerate(attributes)]
    values = {f"v{number}": value for number, value in enumerate(attributes.values())}
    source = "{% load groupme_images %}{% groupme_image v " + " ".join(pairs) + " %}"
    try:
        return Template(source).render(Context({"v": JPEG, **values}))
    except TemplateSyntaxError as error:
        return check_error(error)


def check_error(error: Exception) -> None:
    assert "cannot be the name of an HTML attribute" in str(error)
    assert len(str(error)) < 200


def check_image(html: str, attributes: dict[str, Any]) -> None:
    """Check that the HTML is one ``<img>`` with these attributes, apart from default ones."""
    parsed = Tags(html)
    ((tag, found),) = parsed.tags
    assert (tag, parsed.text) == ("img", "")
    names = [name for name, _ in found]
    assert len(names) == len(set(names))
    given = {name.rstrip("_").replace("_", "-").lower(): v for name, v in attributes.items()}
    assert set(names) - DEFAULT_ATTRIBUTES <= set(given)
    for name, value in given.items():
        if value is None or value is False:
            assert dict(found).get(name, "") == ""  # The tag always renders an alt.
        elif name != "sizes":  # The tag omits sizes if there is no srcset.
            assert dict(found)[name] == (None if value is True else str(value))
