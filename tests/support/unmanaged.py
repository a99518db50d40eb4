"""Models that a test defines, on a table that exists, so that no table has to be created."""

from __future__ import annotations

from typing import Any

from django.db import models

from tests.testapp.models import Measured


def measured_model(field: models.Field[Any, Any]) -> Any:
    """Define a model with this field as its ``photo``, and dimension columns."""

    class Unmanaged(models.Model):
        photo = field
        width = models.PositiveIntegerField(null=True, editable=False)
        height = models.PositiveIntegerField(null=True, editable=False)

        class Meta:
            app_label = "gallery"
            managed = False
            db_table = Measured._meta.db_table

    return Unmanaged
