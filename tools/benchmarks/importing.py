"""Import time in a process that has already imported Django."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from importlib import import_module
from statistics import median

from .measure import OURS, Result, Target, is_installed
from .processes import run_in_process
from .project import set_up

MAX_TIME = 10  # milliseconds
SLOW = ("requests", "urllib3", "PIL", "boto3")
MODULES = {
    OURS: [
        "django_groupme_images.fields",
        "django_groupme_images.storage",
        "django_groupme_images.templatetags.groupme_images",
        # INSTALLED_APPS imports the other modules.
        "django_groupme_images.apps",
        "django_groupme_images.checks",
        "django_groupme_images.receivers",
    ],
    "django-storages (S3)": ["storages.backends.s3", "boto3"],
    "cloudinary": ["cloudinary.models", "cloudinary.templatetags.cloudinary"],
    "django-versatileimagefield": ["versatileimagefield.fields"],
    "django-pictures": ["pictures.models", "pictures.templatetags.pictures"],
}


def results(quick: bool) -> Iterator[Result]:
    runs = [
        {
            name: run_in_process(_import_all, modules)
            for name, modules in MODULES.items()
            if all(is_installed(module.partition(".")[0]) for module in modules)
        }
        for _ in range(3 if quick else 12)
    ]
    # The first run is left out, because it compiles the modules.
    times = {name: median(run[name][0] for run in runs[1:]) for name in runs[0]}
    slow = {name: packages for name, (_, packages) in runs[0].items()}
    text = f"less than {MAX_TIME} ms, without requests or Pillow"
    result = f"{times[OURS]:.1f} ms, {'with ' + slow[OURS] if slow[OURS] else 'without them'}"
    yield Result(
        "Import time, with Django already imported",
        ["", "ms", "slow dependencies"],
        [[name, f"{milliseconds:.1f}", slow[name]] for name, milliseconds in times.items()],
        [Target(text, result, times[OURS] < MAX_TIME and not slow[OURS])],
        "The modules of the field, the storage, and the template tags, and for "
        "django-groupme-images also those that `INSTALLED_APPS` imports.",
    )


def _import_all(modules: list[str]) -> tuple[float, str]:
    """Return the milliseconds, and the names of slow packages that the modules import."""
    sys.dont_write_bytecode = False
    set_up(INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"])
    from django.template import engines

    engines.all()
    started = time.perf_counter()
    for module in modules:
        import_module(module)
    milliseconds = (time.perf_counter() - started) * 1000
    return milliseconds, ", ".join(name for name in SLOW if name in sys.modules)
