"""The template tags and filters, compared with handwritten templates."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from .measure import OURS, Result, Way, compare
from .project import image_urls, set_up

BY_HAND = "handwritten code"
WITH_URL_FIELD = "handwritten code with a URLField"
LAZY = 'loading="lazy" decoding="async">'

# Title, template with the tag, handwritten template, and the highest acceptable ratio.
PAGES = [
    (
        "`<img>` of a thumbnail",
        '{% groupme_image row.photo "preview" %}',
        '<img src="{{ row.photo.url }}.preview" width="200" height="200" alt="" ' + LAZY,
        1,
    ),
    (
        "`<img>` with alternative text from the row",
        '{% groupme_image row.photo "avatar" alt=row.name class="round" %}',
        '<img src="{{ row.photo.url }}.avatar" width="60" height="60" alt="{{ row.name }}" '
        'class="round" ' + LAZY,
        1,
    ),
    (
        "`<img>` with `srcset` and the dimensions of the image",
        '{% groupme_image row.photo "large" alt=row.name %}',
        "{% localize off %}{% with picture=row.photo.picture %}"
        '<img src="{{ picture.url }}.large" width="{{ picture.width }}" '
        'height="{{ picture.height }}" srcset="{{ picture.url }}.large {{ picture.width }}w" '
        'sizes="(max-width: {{ picture.width }}px) 100vw, {{ picture.width }}px" '
        'alt="{{ row.name }}" ' + LAZY + "{% endwith %}{% endlocalize %}",
        1,
    ),
    (
        "Thumbnail URL, with a filter",
        "{{ row.photo|groupme_preview }}",
        "{{ row.photo.url }}.preview",
        1.1,
    ),
    (
        "Thumbnail URL, with a tag",
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
        ways = {OURS: _render_rows(tag, Member), BY_HAND: _render_rows(by_hand, Member)}
        if "row.photo.url" in by_hand:
            template = by_hand.replace("row.photo.url", "row.photo")
            ways[WITH_URL_FIELD] = _render_rows(template, Plain)
        assert len({prepare(3)() for prepare in ways.values()}) == 1
        targets = [(BY_HAND, size, limit) for size in (1_000, 10_000)]
        if limit == 1 and WITH_URL_FIELD in ways:
            targets += [(WITH_URL_FIELD, size, 1.5) for size in (1_000, 10_000)]
        notes = f"- `{tag}`\n- `{by_hand}`"
        yield compare(title, "tags", ways, targets=targets, notes=notes, quick=quick)


def _render_rows(source: str, model: Any) -> Way:
    from django.template import Context, Template

    loop = "{% load groupme_images l10n %}{% for row in rows %}" + source + "{% endfor %}"
    template = Template(loop)

    def prepare(size: int) -> Callable[[], str]:
        photos = image_urls(size, max_side=960, suffixes=("",))
        rows = [model(name=f"Nº {n}", photo=photo) for n, photo in enumerate(photos)]

        def render() -> str:
            # Each run has to create the field file again, which the row would otherwise keep.
            for row, photo in zip(rows, photos, strict=True):
                vars(row)["photo"] = photo
            return template.render(Context({"rows": rows}))

        return render

    return prepare
