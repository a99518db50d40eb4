"""The template tags and filters, and the same HTML written by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from . import project
from .contest import OURS, Aim, Contest, Result, Way


def results(shorten: bool = False) -> Iterator[Result]:
    project.set_up()
    from django.db import models

    from django_groupme_images.fields import GroupMeImageField

    class Member(models.Model):
        name = models.CharField()
        photo = GroupMeImageField()

    def page(source: str) -> Callable[[int], Callable[[], str]]:
        """Renders this once a row."""
        from django.template import Context, Template

        loop = "{% load groupme_images %}{% for row in rows %}" + source + "{% endfor %}"
        template = Template(loop)

        def prepare(size: int) -> Callable[[], str]:
            rows = [Member(name=f"Nº {n}", photo=project.URL) for n in range(size)]
            return lambda: template.render(Context({"rows": rows}))

        return prepare

    for title, ours, by_hand, most in _PAIRS:
        ways = [Way(OURS, page(ours)), Way("by hand", page(by_hand))]
        one, other = (way.prepare(2)() for way in ways)
        assert one == other, (one, other)
        yield Contest(
            title, "tags", ways, aims=[Aim("by hand", 1_000, most), Aim("by hand", 10_000, most)]
        ).result(shorten)


_PAIRS = [
    (
        "An `<img>`, all of it known in advance",
        '{% groupme_image row.photo "preview" %}',
        '<img src="{{ row.photo.url }}.preview" width="200" height="200" alt="" '
        'loading="lazy" decoding="async">',
        1,
    ),
    (
        "An `<img>` with the row's name",
        '{% groupme_image row.photo "avatar" alt=row.name class="round" %}',
        '<img src="{{ row.photo.url }}.avatar" width="60" height="60" alt="{{ row.name }}" '
        'class="round" loading="lazy" decoding="async">',
        1,
    ),
    (
        "An `<img>` that the browser chooses the size of",
        '{% groupme_image row.photo "large" alt=row.name %}',
        '<img src="{{ row.photo.url }}.large" width="{{ row.photo.width }}" '
        'height="{{ row.photo.height }}" srcset="{{ row.photo.url }}.large '
        '{{ row.photo.width }}w" sizes="(max-width: {{ row.photo.width }}px) 100vw, '
        '{{ row.photo.width }}px" alt="{{ row.name }}" loading="lazy" decoding="async">',
        1,
    ),
    (
        "The URL of a variant, by a filter",
        "{{ row.photo|groupme_preview }}",
        "{{ row.photo.url }}.preview",
        1.1,
    ),
    (
        "The URL of a variant, by a tag",
        '{% groupme_url row.photo "preview" %}',
        "{{ row.photo.url }}.preview",
        1.1,
    ),
]
