"""An ``<img>`` of 200×200 pixels, compared with apps that create thumbnails."""

from __future__ import annotations

import gc
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.utils.module_loading import import_string

from .measure import OURS, Result, Target, Way, compare, count_calls, is_installed
from .project import FOLDER, create_tables, set_up

SIZES = (1, 10, 100, 1_000)
BY_HAND = '<img src="{{ %s }}" width="200" height="200" alt="{{ row.name }}">'


@dataclass(frozen=True)
class App:
    """
    The fastest use of an app in templates that its documentation describes.

    ``columns`` returns the fields of the model, and ``row`` the values of the nth row. ``warm``
    creates the thumbnails of rows, unless the first rendering does. ``load`` selects related
    objects. ``cached`` returns an object and its attribute that caches the file of a row.
    """

    package: str
    template: str
    columns: Callable[[], dict[str, Any]]
    installed: tuple[str, ...] = ()
    tag_module: str = ""
    row: Callable[[int], dict[str, Any]] = lambda n: {"photo": f"photos/{n}.jpg"}
    warm: Callable[[Any], object] = lambda rows: None
    load: Callable[[Any], Any] = lambda rows: rows
    cached: Callable[[Any], tuple[Any, str]] = lambda row: (row, "photo")
    has_target: bool = True

    @property
    def model(self) -> Any:
        from django.apps import apps

        return apps.get_model("benchmarks", self.package)


def results(quick: bool) -> Iterator[Result]:
    present = {name: app for name, app in APPS.items() if is_installed(app.package)}
    set_up(apps=[name for app in present.values() for name in app.installed], **SETTINGS)
    _create_rows(present.values(), 100 if quick else max(SIZES))
    ways = {name: partial(_render_rows, app) for name, app in present.items()}
    yield compare(
        "`<img>` of a thumbnail, compared with thumbnail apps",
        "tags",
        ways,
        sizes=SIZES,
        targets=[(name, 1_000, 1 / 3) for name, app in APPS.items() if app.has_target],
        notes="\n".join([NOTES, *(f"- {name}: `{app.template}`" for name, app in APPS.items())]),
        quick=quick,
    )
    yield _count_calls(ways)


def _create_rows(present: Collection[App], number: int) -> None:
    """Create a model for each app, and rows with thumbnails."""
    from django.apps import apps
    from django.db import models
    from PIL import Image

    for app in present:
        columns = {"__module__": __name__, "name": models.CharField(), **app.columns()}
        type(app.package, (models.Model,), columns)
    create_tables(*apps.get_models())
    (FOLDER / "media/photos").mkdir(parents=True)
    for n in range(number):
        image = Image.new("RGB", (240, 200), (n % 256, n // 256, 99))
        image.save(FOLDER / f"media/photos/{n}.jpg")
    for app in present:
        app.model.objects.bulk_create(
            app.model(name=f"Nº {n}", **app.row(n)) for n in range(number)
        )
        app.warm(app.model.objects.all())


def _count_calls(ways: Mapping[str, Way]) -> Result:
    counts = {name: count_calls(prepare(100)) for name, prepare in ways.items()}
    ours = counts[OURS].values()
    return Result(
        "Queries and calls for 100 of these thumbnails",
        ["", *counts[OURS]],
        [[name, *map(str, each.values())] for name, each in counts.items()],
        [Target("no queries or calls", ", ".join(map(str, ours)), not any(ours))],
        "Calls of `url()` are not counted, because they perform no I/O.",
    )


def _render_rows(app: App, size: int) -> Callable[[], str]:
    from django.template import Context, Template

    load_tag = f"{{% load {app.tag_module} %}}" if app.tag_module else ""
    template = Template(load_tag + "{% for row in rows %}" + app.template + "{% endfor %}")
    rows = list(app.load(app.model.objects.order_by("pk"))[:size])
    cached = [(vars(row), name) for row, name in map(app.cached, rows)]
    stored = [(attributes, name, attributes[name]) for attributes, name in cached]

    def render() -> str:
        # Remove the file objects that the previous run has cached.
        for attributes, name, value in stored:
            attributes[name] = value
        return template.render(Context({"rows": rows}))

    assert render().count("<img") == size
    # Garbage collection must not examine the rows of the other ways.
    gc.collect()
    gc.freeze()
    return render


def _field(path: str) -> Callable[[], dict[str, Any]]:
    return lambda: {"photo": import_string(path)()}


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


def _wagtail_load(rows: Any) -> Any:
    """Prefetch as ``prefetch_renditions()``, whose query has too many parameters for SQLite."""
    from django.db.models import Prefetch
    from wagtail.images.models import Rendition

    renditions = Rendition.objects.filter(filter_spec="fill-200x200")
    prefetch = Prefetch("photo__renditions", renditions, "prefetched_renditions")
    return rows.select_related("photo").prefetch_related(prefetch)


APPS = {
    OURS: App(
        "django_groupme_images",
        '{% groupme_image row.photo "preview" alt=row.name %}',
        _field("django_groupme_images.fields.GroupMeImageField"),
        tag_module="groupme_images",
        row=lambda n: {"photo": f"https://i.groupme.com/240x200.jpeg.{n:032x}"},
        has_target=False,
    ),
    "easy-thumbnails": App(
        "easy_thumbnails",
        BY_HAND % "row.photo.preview.url",
        _field("easy_thumbnails.fields.ThumbnailerImageField"),
        ("easy_thumbnails",),
    ),
    "sorl-thumbnail": App(
        "sorl",
        '{% thumbnail row.photo "200x200" crop="center" as preview %}'
        + BY_HAND % "preview.url"
        + "{% endthumbnail %}",
        _field("sorl.thumbnail.ImageField"),
        ("sorl.thumbnail",),
        "sorl_thumbnail",
        has_target=False,
    ),
    "django-imagekit": App(
        "imagekit",
        BY_HAND % "row.preview.url",
        _imagekit,
        ("imagekit",),
        warm=lambda rows: [row.preview.generate() for row in rows],
    ),
    "django-versatileimagefield": App(
        "versatileimagefield",
        BY_HAND % "row.photo.crop.200x200",
        _field("versatileimagefield.fields.VersatileImageField"),
        ("versatileimagefield",),
        warm=_warm_versatileimagefield,
        has_target=False,
    ),
    "django-pictures": App(
        "pictures",
        '{% picture row.photo img_alt=row.name ratio="1/1" %}',
        _pictures,
        ("pictures",),
        "pictures",
        row=lambda n: {"photo": f"photos/{n}.jpg", "width": 240, "height": 200},
        warm=lambda rows: [row.photo.save_all() for row in rows],
    ),
    "cloudinary": App(
        "cloudinary",
        '{% cloudinary row.photo width=200 height=200 crop="fill" alt=row.name %}',
        _field("cloudinary.models.CloudinaryField"),
        ("cloudinary",),
        "cloudinary",
        row=lambda n: {"photo": f"image/upload/v1/photos/{n}.jpg"},
    ),
    "wagtail": App(
        "wagtail",
        "{% image row.photo fill-200x200 alt=row.name %}",
        _wagtail,
        (
            *("django.contrib.auth", "django.contrib.contenttypes", "taggit"),
            *("wagtail.images", "wagtail"),
        ),
        "wagtailimages_tags",
        row=_wagtail_row,
        warm=lambda rows: [row.photo.get_rendition("fill-200x200") for row in rows],
        load=_wagtail_load,
        cached=lambda row: (row.photo.prefetched_renditions[0], "file"),
    ),
}
SETTINGS = {
    # Wagtail would write each prefetched rendition to its cache.
    "CACHES": {
        "default": {
            "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
            "OPTIONS": {"MAX_ENTRIES": 100_000},
        },
        "renditions": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"},
    },
    "CLOUDINARY": {"cloud_name": "any", "secure": True},
    "IMAGEKIT_DEFAULT_CACHEFILE_STRATEGY": "imagekit.cachefiles.strategies.Optimistic",
    # One file per image, and the shortest "sizes" that the tag writes without a warning.
    "PICTURES": {
        "BREAKPOINTS": {"any": 100},
        "CONTAINER_WIDTH": 200,
        "FILE_TYPES": ["WEBP"],
        "GRID_COLUMNS": 1,
        "PIXEL_DENSITIES": [1],
        "QUEUE_NAME": "default",
    },
    # django-imagekit requires settings for django-rq if that is installed.
    "RQ_QUEUES": {"default": {"URL": "redis://127.0.0.1:9"}},
    "STATIC_URL": "/static/",
    "THUMBNAIL_ALIASES": {"": {"preview": {"size": (200, 200), "crop": True}}},
    "VERSATILEIMAGEFIELD_SETTINGS": {"create_images_on_demand": False},
}
NOTES = """\
Each app is used in the fastest way that its documentation describes for templates. Before the
measurement, rows are loaded, thumbnails are created, and the caches (in memory) are filled. Objects
that an app caches on a row are removed before each run. Files are in a local folder.
django-imagekit uses its strategy `Optimistic`, django-versatileimagefield does not create images on
demand, and the renditions of Wagtail are prefetched. Not all apps have a target. The templates:
"""
