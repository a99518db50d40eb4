"""An ``<img>`` of 200x200 pixels, and the apps that make thumbnails, when theirs are made."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial, wraps
from importlib.util import find_spec
from typing import Any
from unittest.mock import patch

from . import project
from .contest import OURS, Aim, Contest, Result, Verdict, Way
from .thumbnail_apps import APPS, SETTINGS, App

_SIZES = (1, 10, 100, 1_000)
_COUNTED = 100
_ASKED = ("queries", "cache", "storage", "urls")


def results(shorten: bool = False) -> Iterator[Result]:
    present = [app for app in APPS if find_spec(app.package)]
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
        _SIZES,
        [Aim(app.name, 1_000, 1 / 3) for app in present if app.emits_a_tag and app.name != OURS],
        [_NOTE, "\n".join(f"- {app.name}: `{app.source}`" for app in present)],
    ).result(shorten)
    yield _counts(present)


def _define(app: App) -> None:
    """A model for this app. Its module is what puts it into the app "benchmarks"."""
    from django.db import models

    attributes = {"__module__": __name__, "name": models.CharField(), **app.columns()}
    type(app.package, (models.Model,), attributes)


def _draw(number: int) -> None:
    """The pictures: no two are the same, and all are larger than their thumbnails."""
    from PIL import Image

    folder = project.FOLDER / "media" / "photos"
    folder.mkdir(parents=True)
    for n in range(number):
        Image.new("RGB", (240, 200), (n % 32 * 8, n // 32 * 8, 99)).save(folder / f"{n}.jpg")


def _fill(app: App, number: int) -> None:
    rows = [app.model(name=f"Nº {n}", **app.row(n)) for n in range(number)]
    app.model.objects.bulk_create(rows)
    app.warm(app.model.objects.all())
    _page(app, number)


def _page(app: App, size: int) -> Callable[[], str]:
    """Renders so many tags, and what a row remembers of the last time is forgotten before."""
    from django.template import Context, Template

    loop = "{% for row in rows %}" + app.source + "{% endfor %}"
    template = Template("{% load " + app.library + " %}" + loop if app.library else loop)
    rows = list(app.load(app.model.objects.order_by("pk"))[:size])
    held = [(vars(row), name) for row, name in map(app.holder, rows)]
    stored = [(values, name, values[name]) for values, name in held]

    def render() -> str:
        for values, name, value in stored:
            values[name] = value
        return template.render(Context({"rows": rows}))

    _check(app, render(), rows)
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
    from django.core.cache.backends.locmem import LocMemCache
    from django.core.files.storage import FileSystemStorage
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from django_groupme_images.client import GroupMeClient
    from django_groupme_images.storage import GroupMeStorage

    rows, figures = [], []
    for app in present:
        render = _page(app, _COUNTED)
        with (
            CaptureQueriesContext(connection) as queries,
            _calls(LocMemCache) as cache,
            _calls(FileSystemStorage, GroupMeStorage, GroupMeClient) as storage,
        ):
            render()
        urls = storage.pop("url", 0)  # which costs no I/O, and so stands alone
        rows.append([app.name, str(len(queries)), _told(cache), _told(storage), str(urls)])
        numbers = [len(queries), cache.total(), storage.total(), urls]
        found = dict(zip(_ASKED, numbers, strict=True))
        figures.append({"way": app.name, "tags": _COUNTED, **found})
    ours = [figures[0][what] for what in _ASKED]
    return Result(
        f"What {_COUNTED} of these tags ask for, all thumbnails made and all caches filled",
        ["", "queries", "calls of the cache", "calls of the storage", "and of its `url()`"],
        rows,
        figures,
        [
            Verdict(
                f"{_COUNTED} tags: ours asks for nothing", ", ".join(map(str, ours)), not any(ours)
            )
        ],
        ["What a storage or a cache calls of itself is not counted. The client of ours is."],
    )


def _told(calls: Counter[str]) -> str:
    each = ", ".join(f"{number} `{name}()`" for name, number in calls.most_common())
    return each or "0"


@contextmanager
def _calls(*classes: type) -> Iterator[Counter[str]]:
    """Count the calls of their public methods, but for those that they make themselves."""
    found: Counter[str] = Counter()
    inside = False

    def counting(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal inside
            if inside:
                return method(*args, **kwargs)
            found[name] += 1
            inside = True
            try:
                return method(*args, **kwargs)
            finally:
                inside = False

        return call

    with ExitStack() as stack:
        for cls in classes:
            for name, method in inspect.getmembers_static(cls, inspect.isfunction):
                if not name.startswith("_"):
                    stack.enter_context(patch.object(cls, name, counting(name, method)))
        yield found


_NOTE = (
    "Each app in the fastest way that its documentation has for a template, and warm: the rows "
    "are loaded, the thumbnails are made, and the caches, which are in memory, are filled; but a "
    "row remembers nothing of the rendering before. easy-thumbnails and the others have their "
    "files in a local folder. django-imagekit has its strategy `Optimistic`, "
    "django-versatileimagefield creates no images on demand, and wagtail has its renditions "
    "prefetched. The template of each row:"
)
