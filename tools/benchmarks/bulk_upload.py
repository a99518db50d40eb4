"""Time and memory for ``groupme_upload``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from .measure import OURS, Result, Target, compare
from .processes import peak_memory, run_in_process, run_server
from .project import FOLDER, create_tables, set_up

LATENCY = 0.05  # seconds
WORKERS = 16
MAX_GROWTH = 0.05
SERVER = "tools.benchmarks.image_service"

# WAL mode is common in production. The cache is part of the measured memory, so it is limited.
PRAGMAS = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-100"


def results(quick: bool) -> Iterator[Result]:
    sizes = (1, 10) if quick else (1, 100, 1_000)
    with run_server(SERVER, "--latency", str(LATENCY)) as url:
        member = _set_up(FOLDER, url)
        _create_rows(member, sizes[-1])
        yield compare(
            f"`groupme_upload` with {LATENCY * 1000:.0f} ms of latency",
            "files",
            {
                f"{OURS}, {WORKERS} workers": partial(_upload, member, WORKERS),
                "1 worker": partial(_upload, member, 1),
            },
            sizes=sizes,
            targets=[("1 worker", 1_000, 1 / 14)],
            quick=quick,
        )
    few, many = (10, 20) if quick else (1_000, 100_000)
    with run_server(SERVER) as url:
        peaks = {size: run_in_process(_peak, FOLDER / str(size), url, size) for size in (few, many)}
    growth = peaks[many] / peaks[few] - 1
    text = f"{many:,} files: at most {MAX_GROWTH:.0%} more than {few:,}"
    yield Result(
        "Peak memory of `groupme_upload`",
        ["files", "MB"],
        [[f"{size:,}", f"{count / 1e6:,.1f}"] for size, count in peaks.items()],
        [Target(text, f"{growth:.1%}", growth <= MAX_GROWTH)],
        f"The memory includes Python and Django. The cache of SQLite is limited: `{PRAGMAS}`.",
    )


def _peak(folder: Path, url: str, size: int) -> int:
    folder.mkdir()
    # Creating the rows would raise the peak of this process.
    run_in_process(_prepare, folder, url, size)
    member = _set_up(folder, url, create=False)
    _upload(member, WORKERS, size)()
    assert not member.objects.exclude(photo__startswith="https://").exists()
    return peak_memory()


def _prepare(folder: Path, url: str, size: int) -> None:
    _create_rows(_set_up(folder, url), size)


def _set_up(folder: Path, url: str, create: bool = True) -> Any:
    """Set up a project with a fallback storage, and return its model."""
    database = {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": folder / "database",
        "OPTIONS": {"init_command": PRAGMAS},
    }
    set_up(
        folder,
        DATABASES={"default": database},
        STORAGES={
            "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
            "groupme": {"BACKEND": "django_groupme_images.storage.GroupMeStorage"},
        },
        GROUPME_FALLBACK="default",
        GROUPME_UPLOAD_URL=f"{url}pictures",
    )
    from django.db import models

    from django_groupme_images.fields import GroupMeImageField

    class Member(models.Model):
        file = models.CharField()
        photo = GroupMeImageField()

    if create:
        create_tables(Member)
    return Member


def _create_rows(member: Any, size: int) -> None:
    from django.core.files.base import ContentFile
    from django.core.files.storage import default_storage

    content = ContentFile(b"\xff\xd8" + bytes(1_000) + b"\xff\xd9")
    names = [default_storage.save(f"{number}.jpg", content) for number in range(size)]
    member.objects.bulk_create((member(file=name, photo=name) for name in names), batch_size=1_000)


def _upload(member: Any, workers: int, size: int) -> Callable[[], None]:
    from django.core.management import call_command
    from django.db.models import F

    member.objects.filter(pk__gt=size).update(photo="")

    def upload() -> None:
        member.objects.filter(pk__lte=size).update(photo=F("file"))
        call_command("groupme_upload", rate=0, workers=workers, verbosity=0)

    return upload
