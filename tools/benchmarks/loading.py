"""Loading rows and reading the width and height of each image."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .measure import OURS, SIZES, Result, compare
from .project import create_tables, image_urls, set_up

COLUMNS = "ImageField with dimension columns"


def results(quick: bool) -> Iterator[Result]:
    set_up()
    ours, with_columns = _create_rows(1_000 if quick else 100_000)
    yield compare(
        "Load rows and read the dimensions of each image",
        "rows",
        {
            OURS: lambda n: lambda: [(row.photo.width, row.photo.height) for row in ours[:n]],
            COLUMNS: lambda n: lambda: [(row.width, row.height) for row in with_columns[:n]],
        },
        sizes=(*SIZES, 100_000),
        targets=[(COLUMNS, 1_000, 1), (COLUMNS, 100_000, 1)],
        quick=quick,
    )


def _create_rows(number: int) -> tuple[Any, Any]:
    """Create two models and their rows, and return a queryset of each."""
    from django.db import models

    from django_groupme_images.fields import GroupMeImageField

    class Ours(models.Model):
        photo = GroupMeImageField()

    class WithColumns(models.Model):
        photo = models.ImageField(width_field="width", height_field="height")
        width = models.IntegerField()
        height = models.IntegerField()

    create_tables(Ours, WithColumns)
    urls = image_urls(number)
    Ours.objects.bulk_create((Ours(photo=url) for url in urls), batch_size=5_000)
    rows = (WithColumns(photo=f"photos/{url[-32:]}.jpg", width=480, height=325) for url in urls)
    WithColumns.objects.bulk_create(rows, batch_size=5_000)
    return Ours.objects.order_by("pk"), WithColumns.objects.order_by("pk")
