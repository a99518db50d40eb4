"""The template tags and filters, and the same HTML written by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from . import project
from .contest import OURS, Aim, Contest, Result, Way
from .parsing import urls


def results(shorten: bool = False) -> Iterator[Result]:
    project.set_up()
    from django.db import models

    from django_groupme_images.fields import GroupMeImageField

    class Member(models.Model):
        name = models.CharField()
        photo = GroupMeImageField()

    class Plain(models.Model):
        name = models.CharField()
        photo = models.URLField()

    for title, sources, most in _PAGES:
        names = [OURS, "by hand", "by hand, of a URLField"]
        models_ = [Member, Member, Plain]
        ways = [
            Way(name, _page(source, model))
            for name, source, model in zip(names, sources, models_, strict=False)
        ]
        assert len({way.prepare(3)() for way in ways}) == 1
        aims = [Aim("by hand", size, most) for size in (1_000, 10_000)]
        yield Contest(title, "tags", ways, aims=aims, notes=[_written(sources)]).result(shorten)


def _page(source: str, model: Any) -> Callable[[int], Callable[[], str]]:
    """Renders this once a row; what a row remembers of the last time is forgotten before."""
    from django.template import Context, Template

    loop = "{% load groupme_images l10n %}{% for row in rows %}" + source + "{% endfor %}"
    template = Template(loop)

    def prepare(size: int) -> Callable[[], str]:
        photos = urls(size, most=960, suffixes=("",))
        rows = [model(name=f"Nº {n}", photo=photo) for n, photo in enumerate(photos)]

        def render() -> str:
            for row, photo in zip(rows, photos, strict=True):
                vars(row)["photo"] = photo
            return template.render(Context({"rows": rows}))

        return render

    return prepare


def _written(sources: tuple[str, ...]) -> str:
    return "\n".join(f"- `{source}`" for source in sources)


_PAGES: list[tuple[str, tuple[str, ...], float]] = [
    (
        "An `<img>`, of which the template says all",
        (
            '{% groupme_image row.photo "preview" %}',
            '<img src="{{ row.photo.url }}.preview" width="200" height="200" alt="" '
            'loading="lazy" decoding="async">',
            '<img src="{{ row.photo }}.preview" width="200" height="200" alt="" '
            'loading="lazy" decoding="async">',
        ),
        1,
    ),
    (
        "An `<img>` with the row's name",
        (
            '{% groupme_image row.photo "avatar" alt=row.name class="round" %}',
            '<img src="{{ row.photo.url }}.avatar" width="60" height="60" alt="{{ row.name }}" '
            'class="round" loading="lazy" decoding="async">',
            '<img src="{{ row.photo }}.avatar" width="60" height="60" alt="{{ row.name }}" '
            'class="round" loading="lazy" decoding="async">',
        ),
        1,
    ),
    (
        "An `<img>` with the size of its picture",
        (
            '{% groupme_image row.photo "large" alt=row.name %}',
            "{% localize off %}{% with picture=row.photo.picture %}"
            '<img src="{{ picture.url }}.large" width="{{ picture.width }}" '
            'height="{{ picture.height }}" srcset="{{ picture.url }}.large '
            '{{ picture.width }}w" sizes="(max-width: {{ picture.width }}px) 100vw, '
            '{{ picture.width }}px" alt="{{ row.name }}" loading="lazy" decoding="async">'
            "{% endwith %}{% endlocalize %}",
        ),
        1,
    ),
    (
        "The URL of a variant, by a filter",
        (
            "{{ row.photo|groupme_preview }}",
            "{{ row.photo.url }}.preview",
            "{{ row.photo }}.preview",
        ),
        1.1,
    ),
    (
        "The URL of a variant, by a tag",
        (
            '{% groupme_url row.photo "preview" %}',
            "{{ row.photo.url }}.preview",
            "{{ row.photo }}.preview",
        ),
        1.1,
    ),
]
