"""The apps that show thumbnails, and how each is used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.utils.module_loading import import_string

from .contest import OURS


@dataclass(frozen=True)
class App:
    """
    One app, used in the fastest way that its documentation has for a template.

    It is left out where its ``package`` is not installed. ``source`` renders a row, whose
    model has these ``columns``, with this ``tags`` loaded. ``row`` gives what the n-th row
    holds, ``warm`` makes the thumbnails of the rows, where the first rendering does not, and
    ``load`` prefetches what belongs to them. ``holder`` tells where the file of a row is held,
    and ``has_tag`` whether the app can write an ``<img>`` itself.
    """

    name: str
    package: str
    source: str
    columns: Callable[[], dict[str, Any]]
    installed: tuple[str, ...] = ()
    tags: str = ""
    row: Callable[[int], dict[str, Any]] = lambda n: {"photo": f"photos/{n}.jpg"}
    warm: Callable[[Any], object] = lambda rows: None
    load: Callable[[Any], Any] = lambda rows: rows
    holder: Callable[[Any], tuple[Any, str]] = lambda row: (row, "photo")
    makes_files: bool = True
    has_tag: bool = True

    @property
    def model(self) -> Any:
        from django.apps import apps

        return apps.get_model("benchmarks", self.package)


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

APPS = (
    App(
        OURS,
        "django_groupme_images",
        '{% groupme_image row.photo "preview" alt=row.name %}',
        _field("django_groupme_images.fields.GroupMeImageField"),
        tags="groupme_images",
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
        tags="sorl_thumbnail",
        has_tag=False,
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
        has_tag=False,
    ),
    App(
        "django-pictures",
        "pictures",
        '{% picture row.photo img_alt=row.name ratio="1/1" %}',
        _pictures,
        installed=("pictures",),
        tags="pictures",
        row=lambda n: {"photo": f"photos/{n}.jpg", "width": 240, "height": 200},
        warm=lambda rows: [row.photo.save_all() for row in rows],
    ),
    App(
        "cloudinary",
        "cloudinary",
        '{% cloudinary row.photo width=200 height=200 crop="fill" alt=row.name %}',
        _field("cloudinary.models.CloudinaryField"),
        installed=("cloudinary",),
        tags="cloudinary",
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
        tags="wagtailimages_tags",
        row=_wagtail_row,
        warm=lambda rows: [row.photo.get_rendition("fill-200x200") for row in rows],
        load=_with_renditions,
        holder=lambda row: (row.photo.prefetched_renditions[0], "file"),
    ),
)

SETTINGS = {
    # Renditions are prefetched, and wagtail would write each into its cache all the same.
    "CACHES": {
        "default": {
            "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
            "OPTIONS": {"MAX_ENTRIES": 100_000},
        },
        "renditions": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"},
    },
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
    # Of django-rq, which django-imagekit wants to be set up wherever it is installed.
    "RQ_QUEUES": {"default": {"URL": "redis://127.0.0.1:9"}},
    "STATIC_URL": "/static/",
    "THUMBNAIL_ALIASES": {"": {"preview": {"size": (200, 200), "crop": True}}},
    "VERSATILEIMAGEFIELD_SETTINGS": {"create_images_on_demand": False},
}
