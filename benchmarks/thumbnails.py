"""An ``<img>`` of 200x200 pixels, and the apps that make thumbnails, when theirs are made."""

from __future__ import annotations

import gc
import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from . import project
from .contest import OURS, Aim, Contest, Result, Verdict, Way, is_installed
from .counting import Asked, asked_by
from .thumbnail_apps import APPS, SETTINGS, App

_SIZES = (1, 10, 100, 1_000)
_COUNTED = 100


def results(shorten: bool = False) -> Iterator[Result]:
    present = [app for app in APPS if is_installed(app.package)]
    project.set_up(apps=[name for app in present for name in app.installed], **SETTINGS)
    from django.apps import apps

    for app in present:
        _define(app)
    project.create(*apps.get_models())
    number = _COUNTED if shorten else max(_SIZES)
    _draw(number)
    for app in present:
        _fill(app, number)

    yield Contest(
        "An `<img>`, and the thumbnail apps",
        "tags",
        [Way(app.name, partial(_page, app), needs=app.package) for app in APPS],
        sizes=_SIZES,
        aims=[Aim(app.name, 1_000, 1 / 3) for app in APPS if app.has_tag and app.name != OURS],
        notes=[_NOTE, "\n".join(f"- {app.name}: `{app.source}`" for app in present)],
    ).result(shorten)
    yield _counts(present)


def _define(app: App) -> None:
    """A model for this app. Its module is what puts it into the app "benchmarks"."""
    from django.db import models

    attributes = {"__module__": __name__, "name": models.CharField(), **app.columns()}
    type(app.package, (models.Model,), attributes)


def _draw(number: int) -> None:
    """The pictures, all of them larger than their thumbnails."""
    from PIL import Image

    folder = project.FOLDER / "media" / "photos"
    folder.mkdir(parents=True)
    for n in range(number):
        Image.new("RGB", (240, 200), (n % 256, n // 256, 99)).save(folder / f"{n}.jpg")


def _fill(app: App, number: int) -> None:
    rows = [app.model(name=f"Nº {n}", **app.row(n)) for n in range(number)]
    app.model.objects.bulk_create(rows)
    app.warm(app.model.objects.all())
    _page(app, number)


def _page(app: App, size: int) -> Callable[[], str]:
    """Renders so many tags, and what a row remembers of the last time is forgotten before."""
    from django.template import Context, Template

    loop = "{% for row in rows %}" + app.source + "{% endfor %}"
    template = Template("{% load " + app.tags + " %}" + loop if app.tags else loop)
    rows = list(app.load(app.model.objects.order_by("pk"))[:size])
    held = [(vars(row), name) for row, name in map(app.holder, rows)]
    stored = [(values, name, values[name]) for values, name in held]

    def render() -> str:
        for values, name, value in stored:
            values[name] = value
        return template.render(Context({"rows": rows}))

    _check(app, render(), rows)
    # Else each way would pay for looking through the rows of all the others for garbage.
    gc.collect()
    gc.freeze()
    return render


def _check(app: App, html: str, rows: list[Any]) -> None:
    """Each row has an ``<img>``, with a text, and a thumbnail that is there."""
    from PIL import Image

    sources = set(re.findall(r'<img\b[^>]* src="([^"]+)"', html))
    assert html.count("<img") == len(sources) == len(rows), (app.name, html[:1000])
    assert all(f'alt="{row.name}"' in html for row in rows), (app.name, html[:1000])
    urls = set(re.findall(r'/media/([^" ]+)', html))
    sizes = Counter(Image.open(project.FOLDER / "media" / url).size for url in urls)
    assert sizes[200, 200] == (len(rows) if app.makes_files else 0), (app.name, sizes)


def _counts(present: list[App]) -> Result:
    """What a page asks of the database, the cache and the storage."""
    counted = [(app.name, asked_by(_page(app, _COUNTED))) for app in present]
    ours = counted[0][1]
    return Result(
        f"What {_COUNTED} of these tags ask for, all thumbnails made and all caches filled",
        ["", "queries", "calls of the cache", "calls of the storage", "and of its `url()`"],
        [
            [name, str(asked.queries), _told(asked.cache), _told(asked.storage), str(asked.urls)]
            for name, asked in counted
        ],
        [{"way": name, "tags": _COUNTED, **asked.numbers()} for name, asked in counted],
        [
            Verdict(
                f"{_COUNTED} tags: no query, no call of the cache or the storage",
                f"{ours.queries}, {ours.cache.total()}, {ours.storage.total() + ours.urls}",
                ours == Asked(),
            )
        ],
        ["What a storage or a cache calls of itself is not counted. The client of ours is."],
    )


def _told(calls: Counter[str]) -> str:
    each = ", ".join(f"{number} `{name}()`" for name, number in calls.most_common())
    return each or "0"


_NOTE = (
    "Each app in the fastest way that its documentation has for a template, and warm: the rows "
    "are loaded, the thumbnails are made, and the caches, which are in memory, are filled; but a "
    "row remembers nothing of the rendering before. easy-thumbnails and the others have their "
    "files in a local folder. django-imagekit has its strategy `Optimistic`, "
    "django-versatileimagefield creates no images on demand, and wagtail has its renditions "
    "prefetched. The aim is held against those "
    "that have a tag, or a property, that writes an `<img>`, whichever way is faster; the other "
    "two are as warm, and in the same table. The template of each row:"
)
