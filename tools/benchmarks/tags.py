"""The template tags and filters, and the same HTML written by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from .measure import OURS, Result, Way, compare
from .project import image_urls, set_up

LAZY = 'loading="lazy" decoding="async">'

# Titles, templates with a tag and by hand, and the highest ratio that is acceptable.
PAGES = [
    (
        "`<img>` of a variant",
        '{% groupme_image row.photo "preview" %}',
        '<img src="{{ row.photo.url }}.preview" width="200" height="200" alt="" ' + LAZY,
        1,
    ),
    (
        "`<img>` with a text from the row",
        '{% groupme_image row.photo "avatar" alt=row.name class="round" %}',
        '<img src="{{ row.photo.url }}.avatar" width="60" height="60" alt="{{ row.name }}" '
        'class="round" ' + LAZY,
        1,
    ),
    (
        "`<img>` with the dimensions of its image",
        '{% groupme_image row.photo "large" alt=row.name %}',
        "{% localize off %}{% with picture=row.photo.picture %}"
        '<img src="{{ picture.url }}.large" width="{{ picture.width }}" '
        'height="{{ picture.height }}" srcset="{{ picture.url }}.large {{ picture.width }}w" '
        'sizes="(max-width: {{ picture.width }}px) 100vw, {{ picture.width }}px" '
        'alt="{{ row.name }}" ' + LAZY + "{% endwith %}{% endlocalize %}",
        1,
    ),
    (
        "URL of a variant, by a filter",
        "{{ row.photo|groupme_preview }}",
        "{{ row.photo.url }}.preview",
        1.1,
    ),
    (
        "URL of a variant, by a tag",
        '{% groupme_url row.photo "preview" %}',
        "{{ row.photo.url }}.preview",
        1.1,
    ),
]


def results(quick: bool) -> Iterator[Result]:
    set_up()
    from django.db import models

    from django_groupme_images.fields import GroupMeImageField

    class Member(models.Model):
        name = models.CharField()
        photo = GroupMeImageField()

    class Plain(models.Model):
        name = models.CharField()
        photo = models.URLField()

    for title, tag, by_hand, limit in PAGES:
        ways = {OURS: _render_rows(tag, Member), "by hand": _render_rows(by_hand, Member)}
        if "row.photo.url" in by_hand:
            template = by_hand.replace("row.photo.url", "row.photo")
            ways["by hand, of a URLField"] = _render_rows(template, Plain)
        assert len({prepare(3)() for prepare in ways.values()}) == 1
        goals = [("by hand", size, limit) for size in (1_000, 10_000)]
        notes = f"- `{tag}`\n- `{by_hand}`"
        yield compare(title, "tags", ways, goals=goals, notes=notes, quick=quick)


def _render_rows(source: str, model: Any) -> Way:
    from django.template import Context, Template

    loop = "{% load groupme_images l10n %}{% for row in rows %}" + source + "{% endfor %}"
    template = Template(loop)

    def prepare(size: int) -> Callable[[], str]:
        photos = image_urls(size, max_side=960, suffixes=("",))
        rows = [model(name=f"Nº {n}", photo=photo) for n, photo in enumerate(photos)]

        def render() -> str:
            # A row keeps its field file, but each run has to create it again.
            for row, photo in zip(rows, photos, strict=True):
                vars(row)["photo"] = photo
            return template.render(Context({"rows": rows}))

        return render

    return prepare
