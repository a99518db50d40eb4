"""The Django project of a topic."""

from __future__ import annotations

import atexit
import random
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import django
from django.conf import settings

# The files and the database of the project, which are deleted when the process ends.
FOLDER = Path(tempfile.mkdtemp(prefix="benchmarks-"))
atexit.register(shutil.rmtree, FOLDER)


def set_up(folder: Path = FOLDER, *, apps: Sequence[str] = (), **options: Any) -> None:
    """Set up Django with additional apps and settings."""
    settings.configure(
        **{
            "INSTALLED_APPS": [*apps, "django_groupme_images", "tools.benchmarks"],
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
            **options,
        }
    )
    django.setup()


def create_tables(*models: Any) -> None:
    from django.db import connection

    with connection.schema_editor() as editor:
        for model in models:
            editor.create_model(model)


def image_urls(
    number: int,
    *,
    max_side: int = 4032,
    suffixes: Sequence[str] = ("", "", ".large", ".avatar"),
) -> list[str]:
    """Return different URLs that look like those of the image service."""
    rng = random.Random(5)
    return [
        f"https://i.groupme.com/{rng.randint(60, max_side)}x{rng.randint(60, max_side)}."
        f"{rng.choice(['jpeg', 'png', 'gif'])}.{UUID(int=rng.getrandbits(128)).hex}"
        f"{rng.choice(suffixes)}"
        for _ in range(number)
    ]
