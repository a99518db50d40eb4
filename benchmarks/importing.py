"""What it costs to import the app, in a process that has Django."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import project
from .contest import OURS, Result, Verdict, is_installed

_ROUNDS = 15
_MOST = 15  # milliseconds

_WAYS = {
    OURS: (
        "django_groupme_images.fields",
        "django_groupme_images.storage",
        "django_groupme_images.templatetags.groupme_images",
        # And what INSTALLED_APPS imports.
        *("django_groupme_images.apps", "django_groupme_images.checks"),
        "django_groupme_images.deferral",
    ),
    "django-storages, S3": ("storages.backends.s3", "boto3"),
    "cloudinary": ("cloudinary.models", "cloudinary.templatetags.cloudinary"),
    "django-versatileimagefield": ("versatileimagefield.fields",),
    "django-pictures": ("pictures.models", "pictures.templatetags.pictures"),
}

_SCRIPT = """
import json, sys, time
from importlib import import_module

import django
from django.conf import settings

settings.configure(
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
)
django.setup()
from django.template import engines

engines.all()
before = set(sys.modules)
started = time.perf_counter()
for name in sys.argv[1:]:
    import_module(name)
taken = time.perf_counter() - started
new = {name.partition(".")[0] for name in sys.modules.keys() - before}
print(json.dumps({"seconds": taken, "modules": len(sys.modules) - len(before),
    "with": sorted(new & {"requests", "urllib3", "PIL", "boto3", "botocore"})}))
"""


def results(shorten: bool = False) -> Iterator[Result]:
    ways = {
        name: modules
        for name, modules in _WAYS.items()
        if all(is_installed(module.partition(".")[0]) for module in modules)
    }
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in ways}
    for turn in range(3 if shorten else _ROUNDS + 1):
        for name, modules in ways.items():
            found = _imported(modules)
            if turn:  # the first compiles them
                runs[name].append(found)
    medians = {
        name: statistics.median(run["seconds"] for run in each) for name, each in runs.items()
    }
    ours = runs[OURS][0]
    yield Result(
        "Its import, where Django is imported already",
        ["", "ms", "modules", "among them"],
        [
            [
                name,
                f"{medians[name] * 1000:.1f}",
                str(runs[name][0]["modules"]),
                ", ".join(runs[name][0]["with"]),
            ]
            for name in ways
        ],
        [{**each[0], "way": name, "seconds": medians[name]} for name, each in runs.items()],
        [
            Verdict(
                f"less than {_MOST} ms, and neither requests nor Pillow",
                f"{medians[OURS] * 1000:.1f} ms, {', '.join(ours['with']) or 'neither'}",
                medians[OURS] * 1000 < _MOST and not ours["with"],
            )
        ],
        [
            "The field, the storage, the template tags, and what `INSTALLED_APPS` imports; of the "
            "others, what stands for the first three."
        ],
    )


def _imported(modules: tuple[str, ...]) -> dict[str, Any]:
    # A server runs what is compiled, whatever this environment says.
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(project.FOLDER / "compiled")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    output = subprocess.check_output(
        [sys.executable, "-c", _SCRIPT, *modules],
        env=environment,
        cwd=Path(__file__).parents[1],
    )
    return json.loads(output)
