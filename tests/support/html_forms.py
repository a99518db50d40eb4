"""The inputs of a page, and the data that a browser without JavaScript submits."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser
from typing import Any

__all__ = ["element_attribute", "input_attribute", "submitted"]


class _Inputs(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, str] = {}

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        attrs = dict(attributes)
        kind, name = attrs.get("type") or "text", attrs.get("name")
        if tag != "input" or not name or "disabled" in attrs or kind in {"file", "submit"}:
            return
        if kind not in {"checkbox", "radio"}:
            self.values[name] = attrs.get("value") or ""
        elif "checked" in attrs:
            self.values[name] = attrs.get("value") or "on"


def submitted(html: str, **changes: Any) -> dict[str, Any]:
    """Return the data of the inputs in ``html``, in which no file is chosen."""
    parser = _Inputs()
    parser.feed(html)
    return parser.values | changes


def input_attribute(html: str, name: str, attribute: str) -> str:
    """Return an attribute of the only input with this name."""
    (tag,) = re.findall(rf'<input [^>]*name="{name}"[^>]*>', html)
    match = re.search(rf'{attribute}="([^"]*)"', tag)
    assert match, tag
    return unescape(match[1])


def element_attribute(html: str, element: str, attribute: str) -> str:
    """Return an attribute of the only element with this name, or an empty string."""
    (tag,) = re.findall(rf"<{element} [^>]*>", html)
    match = re.search(rf'{attribute}="([^"]*)"', tag)
    return unescape(match[1]) if match else ""
