"""Loading rows, and asking each for the width and height of its picture."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

from . import project
from .contest import OURS, Aim, Contest, Result, Way
from .parsing import urls

# Rows that have a file on the disk, where one is opened for each.
_FILES = 1_000


def results(shorten: bool = False) -> Iterator[Result]:
    most = 1_000 if shorten else 100_000
    project.set_up()
    ours, with_columns, without = _tables(most)

    def load(rows: Any, *sides: str) -> Callable[[int], Callable[[], object]]:
        return lambda size: lambda: [_asked(row, sides) for row in rows.order_by("pk")[:size]]

    sizes = (1, 10, 100, 1_000, 10_000, 100_000)
    columns = "ImageField with columns for them"
    yield Contest(
        "Rows loaded, and the size of each picture",
        "rows",
        [
            Way(OURS, load(ours.objects)),
            Way(columns, load(with_columns.objects, "photo_width", "photo_height")),
            Way("ImageField without, which opens a file a row", load(without.objects), most=_FILES),
        ],
        sizes=sizes,
        aims=[Aim(columns, 1_000, 1), Aim(columns, 100_000, 1)],
    ).result(shorten)


def _asked(row: Any, sides: tuple[str, ...]) -> tuple[int, int]:
    if sides:
        return tuple(getattr(row, side) for side in sides)
    return row.photo.width, row.photo.height


def _tables(most: int) -> tuple[Any, Any, Any]:
    """Three tables of as many rows."""
    from django.core.files.base import ContentFile
    from django.core.files.storage import default_storage
    from django.db import models
    from PIL import Image

    from django_groupme_images.fields import GroupMeImageField

    class Ours(models.Model):
        photo = GroupMeImageField()

    class WithColumns(models.Model):
        photo = models.ImageField(width_field="photo_width", height_field="photo_height")
        photo_width = models.IntegerField()
        photo_height = models.IntegerField()

    class Without(models.Model):
        photo = models.ImageField()

    project.create(Ours, WithColumns, Without)
    photo = io.BytesIO()
    Image.new("RGB", (480, 325)).save(photo, "jpeg")
    names = [f"photos/{url[-32:]}.jpg" for url in urls(most)]
    for name in names[:_FILES]:
        default_storage.save(name, ContentFile(photo.getvalue()))
    size = {"photo_width": 480, "photo_height": 325}
    Ours.objects.bulk_create((Ours(photo=url) for url in urls(most)), batch_size=5_000)
    Without.objects.bulk_create((Without(photo=name) for name in names), batch_size=5_000)
    WithColumns.objects.bulk_create(
        (WithColumns(photo=name, **size) for name in names), batch_size=5_000
    )
    return Ours, WithColumns, Without
