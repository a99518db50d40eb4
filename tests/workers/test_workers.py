"""Two workers on PostgreSQL, one of them killed; a worker on Redis; two commands at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests import emulator_pictures as pictures

FILES = 2000
WORKERS = 4
STATUSES = "SELECT status, count(*) FROM django_tasks_database_dbtaskresult GROUP BY 1"


@pytest.fixture
def database(postgres: str, finished: Any) -> Any:
    """A database with the tables of the project, and a way to ask it."""
    with psycopg.connect(host=postgres, user="postgres", dbname="postgres", autocommit=True) as db:
        db.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        finished("migrate", "--run-syncdb", "--verbosity=0", postgres=postgres)
        yield lambda query, *values: db.execute(query, values).fetchall()


def fill(database: Any, folder: Path, number: int) -> dict[str, bytes]:
    """So many rows, each with a file that looks like no other."""
    (folder / "files" / "photos").mkdir(parents=True)
    made = {}
    for index in range(number):
        name = f"photos/{index}.png"
        made[name] = pictures.plain("PNG", (4, 4), color=(index % 251, index // 251, 0))
        (folder / "files" / name).write_bytes(made[name])
    database(
        "INSERT INTO gallery_member (name, photo) SELECT name, name FROM unnest(%s::text[]) name "
        "RETURNING id",
        list(made),
    )
    return made


def waiting(database: Any) -> int:
    ((number,),) = database("SELECT count(*) FROM gallery_member WHERE photo = name")
    return number


def test_a_killed_worker_loses_nothing(
    database, postgres, start, finished, emulator, arrived, tmp_path, record_testsuite_property
):
    files = fill(database, tmp_path, FILES)

    def enqueue() -> str:
        return finished(
            *("groupme_upload", "gallery.Member", "--enqueue", "--rate=0", f"--workers={WORKERS}"),
            postgres=postgres,
        )

    def worker() -> Any:
        return start("db_worker", "--batch", "--no-startup-delay", postgres=postgres)

    assert enqueue() == f"Enqueued {FILES:,} files in {FILES // 100} tasks.\n"
    survivor, victim = worker(), worker()
    while len(arrived()) < FILES / 4:
        assert survivor.poll() is None
        assert victim.poll() is None
    victim.kill()
    output, _ = survivor.communicate()
    assert survivor.returncode == 0, output
    statuses = dict(database(STATUSES))
    left = waiting(database)
    assert statuses == {"SUCCESSFUL": FILES // 100 - 1, "RUNNING": 1}
    assert 0 < left <= 100

    files_left = "1 file" if left == 1 else f"{left} files"
    assert enqueue() == f"Enqueued {files_left} in 1 task.\n"
    output, _ = worker().communicate()
    assert waiting(database) == 0, output

    rows = dict(database("SELECT name, photo FROM gallery_member"))
    assert len(set(rows.values())) == FILES
    for name, url in rows.items():
        picture = emulator.app.store.find(url.rpartition("/")[2])
        assert picture is not None, url
        assert picture.read_bytes() == files[name]
    twice = len(arrived()) - FILES
    assert 0 <= twice <= 2 * WORKERS  # what the victim had in hand
    record_testsuite_property("left by the killed worker", left)
    record_testsuite_property("uploaded twice", twice)


def test_two_commands_at_once(database, postgres, start, arrived, tmp_path):
    files = fill(database, tmp_path, 300)
    commands = [
        start("groupme_upload", "gallery.Member", "--rate=0", postgres=postgres) for _ in range(2)
    ]
    for command in commands:
        output, _ = command.communicate()
        assert command.returncode == 0, output
        assert ", 0 failed\n" in output
    photos = [photo for (photo,) in database("SELECT photo FROM gallery_member")]
    assert len(set(photos)) == len(files)
    assert waiting(database) == 0
    assert len(arrived()) < 2 * len(files)


CREATE = """
from django.core.files.base import ContentFile
from django.db import transaction
from tests import emulator_pictures as pictures
from tests.gallery.models import Member
with transaction.atomic():
    member = Member.objects.create(photo=ContentFile(pictures.plain(), "cat.jpg"))
print(member.photo.name)
"""

SHOW = """
from tests.gallery.models import Member
print(*Member.objects.values_list("photo", flat=True))
"""


def test_a_worker_on_redis(redis, finished, emulator, arrived):
    finished("migrate", "--run-syncdb", "--verbosity=0", redis=redis)
    assert finished("shell", "--verbosity=0", "-c", CREATE, redis=redis) == "cat.jpg\n"
    assert arrived() == []
    finished("rqworker", "--burst", "--job-class=django_tasks_rq.Job", redis=redis)
    shown = finished("shell", "--verbosity=0", "-c", SHOW, redis=redis)
    assert shown.startswith(emulator.cdn_url)
    assert arrived() == ["POST /pictures"]
