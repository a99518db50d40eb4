"""
An ``<img>`` of 200x200 pixels, and the apps that make thumbnails, once all of theirs are made.

Django looks into a module of this name for an ``AppConfig``, and finds none.
"""

from __future__ import annotations

import gc
import inspect
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial, wraps
from importlib.util import find_spec
from typing import Any
from unittest.mock import patch

from django.utils.module_loading import import_string

from . import project
from .contest import OURS, Aim, Contest, Result, Verdict, Way

_SIZES = (1, 10, 100, 1_000)
_COUNTED = 100
_ASKED = ("queries", "cache", "storage", "urls")


@dataclass(frozen=True)
class App:
    """
    One app, used in the fastest way that its documentation has for a template.

    It is left out where its ``package`` is not installed. ``source`` renders a row, whose
    model has these ``columns``, with this ``library`` loaded. ``row`` gives what the n-th row
    holds, ``warm`` makes the thumbnails of the rows, where the first rendering does not, and
    ``load`` prefetches what belongs to them. ``holder`` tells where the file of a row is held.
    """

    name: str
    package: str
    source: str
    columns: Callable[[], dict[str, Any]]
    installed: tuple[str, ...] = ()
    library: str = ""
    row: Callable[[int], dict[str, Any]] = lambda n: {"photo": f"photos/{n}.jpg"}
    warm: Callable[[Any], object] = lambda rows: None
    load: Callable[[Any], Any] = lambda rows: rows
    holder: Callable[[Any], tuple[Any, str]] = lambda row: (row, "photo")
    makes_files: bool = True

    @property
    def model(self) -> Any:
        from django.apps import apps

        return apps.get_model("benchmarks", self.package)


def results(shorten: bool = False) -> Iterator[Result]:
    present = [app for app in _APPS if find_spec(app.package)]
    project.set_up(apps=[name for app in present for name in app.installed], **_SETTINGS)
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
        [Way(app.name, partial(_page, app), needs=app.package) for app in _APPS],
        _SIZES,
        [Aim(app.name, 1_000, 1 / 3) for app in _APPS[1:]],
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


def _field(path: str, **options: Any) -> Callable[[], dict[str, Any]]:
    """The columns of a row that has no more than its photo."""
    return lambda: {"photo": import_string(path)(**options)}


def _imagekit() -> dict[str, Any]:
    from django.db.models import ImageField
    from imagekit.models import ImageSpecField
    from imagekit.processors import ResizeToFill

    spec = ImageSpecField(source="photo", processors=[ResizeToFill(200, 200)], format="JPEG")
    return {"photo": ImageField(), "preview": spec}


def _warm_versatileimagefield(rows: Any) -> None:
    from versatileimagefield.image_warmer import VersatileImageFieldWarmer

    VersatileImageFieldWarmer(rows, [("preview", "crop__200x200")], "photo").warm()


def _pictures() -> dict[str, Any]:
    from django.db.models import IntegerField
    from pictures.models import PictureField

    photo = PictureField(aspect_ratios=["1/1"], width_field="width", height_field="height")
    return {"photo": photo, "width": IntegerField(), "height": IntegerField()}


def _wagtail() -> dict[str, Any]:
    from django.db.models import CASCADE, ForeignKey

    return {"photo": ForeignKey("wagtailimages.Image", CASCADE)}


def _wagtail_row(n: int) -> dict[str, Any]:
    from wagtail.images.models import Image
    from wagtail.models import Collection

    root = Collection.get_first_root_node() or Collection.add_root(name="Root")
    image = Image(title=str(n), file=f"photos/{n}.jpg", width=240, height=200, collection=root)
    return {"photo": Image.objects.bulk_create([image])[0]}


def _with_renditions(rows: Any) -> Any:
    """As ``prefetch_renditions()`` does, whose query SQLite refuses for 999 rows."""
    from django.db.models import Prefetch
    from wagtail.images.models import Rendition

    found = Rendition.objects.filter(filter_spec="fill-200x200")
    prefetch = Prefetch("photo__renditions", found, "prefetched_renditions")
    return rows.select_related("photo").prefetch_related(prefetch)


_BY_HAND = '<img src="{{ %s }}" width="200" height="200" alt="{{ row.name }}">'

_APPS = (
    App(
        OURS,
        "django_groupme_images",
        '{% groupme_image row.photo "preview" alt=row.name %}',
        _field("django_groupme_images.fields.GroupMeImageField"),
        library="groupme_images",
        row=lambda n: {"photo": f"https://i.groupme.com/240x200.jpeg.{n:032x}"},
        makes_files=False,
    ),
    App(
        "easy-thumbnails",
        "easy_thumbnails",
        _BY_HAND % "row.photo.preview.url",
        _field("easy_thumbnails.fields.ThumbnailerImageField"),
        installed=("easy_thumbnails",),
    ),
    App(
        "sorl-thumbnail",
        "sorl",
        '{% thumbnail row.photo "200x200" crop="center" as preview %}'
        + _BY_HAND % "preview.url"
        + "{% endthumbnail %}",
        _field("sorl.thumbnail.ImageField"),
        installed=("sorl.thumbnail",),
        library="sorl_thumbnail",
    ),
    App(
        "django-imagekit",
        "imagekit",
        _BY_HAND % "row.preview.url",
        _imagekit,
        installed=("imagekit",),
        warm=lambda rows: [row.preview.generate() for row in rows],
    ),
    App(
        "django-versatileimagefield",
        "versatileimagefield",
        _BY_HAND % "row.photo.crop.200x200",
        _field("versatileimagefield.fields.VersatileImageField"),
        installed=("versatileimagefield",),
        warm=_warm_versatileimagefield,
    ),
    App(
        "django-pictures",
        "pictures",
        '{% picture row.photo img_alt=row.name ratio="1/1" %}',
        _pictures,
        installed=("pictures",),
        library="pictures",
        row=lambda n: {"photo": f"photos/{n}.jpg", "width": 240, "height": 200},
        warm=lambda rows: [row.photo.save_all() for row in rows],
    ),
    App(
        "cloudinary",
        "cloudinary",
        '{% cloudinary row.photo width=200 height=200 crop="fill" alt=row.name %}',
        _field("cloudinary.models.CloudinaryField"),
        installed=("cloudinary",),
        library="cloudinary",
        row=lambda n: {"photo": f"image/upload/v1/photos/{n}.jpg"},
        makes_files=False,
    ),
    App(
        "wagtail",
        "wagtail",
        "{% image row.photo fill-200x200 alt=row.name %}",
        _wagtail,
        installed=(
            *("django.contrib.auth", "django.contrib.contenttypes", "taggit"),
            *("wagtail.images", "wagtail"),
        ),
        library="wagtailimages_tags",
        row=_wagtail_row,
        warm=lambda rows: [row.photo.get_rendition("fill-200x200") for row in rows],
        load=_with_renditions,
        holder=lambda row: (row.photo.prefetched_renditions[0], "file"),
    ),
)

_CACHE = {
    "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
    "OPTIONS": {"MAX_ENTRIES": 100_000},
}

_SETTINGS = {
    "CACHES": {"default": _CACHE, "renditions": {**_CACHE, "LOCATION": "renditions"}},
    "CLOUDINARY": {"cloud_name": "any", "secure": True},
    "IMAGEKIT_DEFAULT_CACHEFILE_STRATEGY": "imagekit.cachefiles.strategies.Optimistic",
    # One file a picture, and the shortest `sizes` that its tag writes without a warning.
    "PICTURES": {
        "BREAKPOINTS": {"any": 100},
        "CONTAINER_WIDTH": 200,
        "FILE_TYPES": ["WEBP"],
        "GRID_COLUMNS": 1,
        "PIXEL_DENSITIES": [1],
        "QUEUE_NAME": "default",
    },
    "STATIC_URL": "/static/",
    "THUMBNAIL_ALIASES": {"": {"preview": {"size": (200, 200), "crop": True}}},
    "VERSATILEIMAGEFIELD_SETTINGS": {"create_images_on_demand": False},
}

_NOTE = (
    "Each app in the fastest way that its documentation has for a template, and warm: the rows "
    "are loaded, the thumbnails are made, and the caches, which are in memory, are filled; but a "
    "row remembers nothing of the rendering before. easy-thumbnails and the others have their "
    "files in a local folder. django-imagekit has its strategy `Optimistic`, "
    "django-versatileimagefield creates no images on demand, and wagtail has its renditions "
    "prefetched. The template of each row:"
)
