"""
``make bench``: what the app costs, beside what one would use or write without it.

Each file here that :data:`TOPICS` names measures one thing. It has a function ``results()``,
which gives a ``Result`` for each of its tables: that of a ``Contest``, as a rule.
"""

from importlib import import_module
from typing import Any

TOPICS = (
    "tags",
    "thumbnails",
    "parsing",
    "loading",
    "uploading",
    "moving",
    "change_list",
    "importing",
    "emulating",
)


def measured(topic: str, shorten: bool) -> list[Any]:
    """The results of a topic. It is here so that another process can find it."""
    return list(import_module(f"benchmarks.{topic}").results(shorten=shorten))
