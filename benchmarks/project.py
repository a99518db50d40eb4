"""The Django project that a topic measures in."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import django
from django.conf import settings

#: A real URL.
URL = "https://i.groupme.com/480x325.jpeg.9e20b71dd6af4b58bbd132d4a7dec009"

#: Where the files and the database of the project are; it goes with the process.
FOLDER = Path(tempfile.mkdtemp(prefix="benchmarks-"))
atexit.register(shutil.rmtree, FOLDER)


def set_up(folder: Path = FOLDER, *, apps: Sequence[str] = (), **more: Any) -> None:
    """Begin a project with these apps beside the app itself, and these settings."""
    settings.configure(
        **{
            "INSTALLED_APPS": [*apps, "django_groupme_images", "benchmarks"],
            "DATABASES": {
                "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": folder / "database"}
            },
            "DEFAULT_AUTO_FIELD": "django.db.models.BigAutoField",
            "MEDIA_ROOT": folder / "media",
            "MEDIA_URL": "/media/",
            "TEMPLATES": [
                {"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}
            ],
            "GROUPME_ACCESS_TOKEN": "any",
            **more,
        }
    )
    django.setup()


def create(*models: Any) -> None:
    """Make the tables of models, which a topic has to define after ``set_up()``."""
    from django.db import connection

    with connection.schema_editor() as editor:
        for model in models:
            editor.create_model(model)
