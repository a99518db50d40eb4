"""``groupme_upload``: how much faster many workers are, and what many rows need in memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from . import project
from .contest import OURS, Aim, Contest, Result, Verdict, Way
from .processes import apart, peak
from .sink import sink

_LATENCY = 0.05  # seconds
_PICTURE = b"\xff\xd8" + bytes(1_000) + b"\xff\xd9"  # which the sink does not look at
_WORKERS = 16
_MOST_MORE = 0.05

# As one has it in production; and it keeps as much of a large table as of a small one.
_SQLITE = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-100"


def results(shorten: bool = False) -> Iterator[Result]:
    sizes = (1, 10) if shorten else (1, 10, 100, 1_000)
    with sink(_LATENCY) as url:
        member = _project(project.FOLDER, url)
        project.create(member)
        _fill(member, sizes[-1])
        yield Contest(
            f"Files moved to a service that answers after {_LATENCY * 1000:.0f} ms",
            "files",
            [
                Way(f"{OURS}, {_WORKERS} workers", partial(_move, member, _WORKERS)),
                Way("one worker", partial(_move, member, 1)),
                Way(f"{_WORKERS} that do nothing but wait", _wait),
            ],
            sizes,
            [Aim("one worker", 1_000, 1 / 14)],
        ).result(shorten)
    yield _memory(*(10, 20) if shorten else (1_000, 100_000))


def _memory(few: int, many: int) -> Result:
    """The peak of the process that runs the command, for few rows and for many."""
    peaks = {}
    with sink() as url:
        for size in (few, many):
            folder = project.FOLDER / str(size)
            apart(_filled, folder, url, size)
            peaks[size] = apart(_peak, folder, url)
    more = peaks[many] / peaks[few] - 1
    return Result(
        "The memory of the process that moves many files",
        ["files", "MB"],
        [[f"{size:,}", f"{count / 1e6:,.1f}"] for size, count in peaks.items()],
        [{"way": OURS, "files": size, "peak": count} for size, count in peaks.items()],
        [
            Verdict(
                f"{many:,} files: at most {_MOST_MORE:.0%} more than {few:,}",
                f"{more:.1%}",
                more <= _MOST_MORE,
            )
        ],
        [
            "The peak of all that it holds, Python and Django themselves as well. SQLite, which is "
            f"in the same process, is told to keep no more of a large table: `{_SQLITE}`."
        ],
    )


def _filled(folder: Path, url: str, size: int) -> None:
    folder.mkdir()
    member = _project(folder, url)
    project.create(member)
    _fill(member, size)


def _peak(folder: Path, url: str) -> int:
    member = _project(folder, url)
    _upload(_WORKERS)
    assert not member.objects.exclude(photo__startswith="https://").exists()
    return peak()


def _project(folder: Path, url: str) -> Any:
    """A project whose files wait on the disk, and its model."""
    project.set_up(
        folder,
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": folder / "database",
                "OPTIONS": {"init_command": _SQLITE},
            }
        },
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

    return Member


def _fill(member: Any, size: int) -> None:
    from django.conf import settings

    settings.MEDIA_ROOT.mkdir()
    names = [f"{number}.jpg" for number in range(size)]
    for name in names:
        (settings.MEDIA_ROOT / name).write_bytes(_PICTURE)
    member.objects.bulk_create((member(file=name, photo=name) for name in names), batch_size=1_000)


def _move(member: Any, workers: int, size: int) -> Callable[[], None]:
    from django.db.models import F

    member.objects.filter(pk__gt=size).update(photo="")

    def move() -> None:
        member.objects.filter(pk__lte=size).update(photo=F("file"))
        _upload(workers)

    return move


def _upload(workers: int) -> None:
    from django.core.management import call_command

    call_command("groupme_upload", rate=0, workers=workers, verbosity=0)


def _wait(size: int) -> Callable[[], None]:
    return lambda: time.sleep(-(-size // _WORKERS) * _LATENCY)
