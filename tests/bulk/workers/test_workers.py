"""Tests of workers in their own processes, with PostgreSQL or Redis."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support import emulator_pictures as pictures

FILES = 2000
WORKERS = 4
STATUSES = "SELECT status, count(*) FROM django_tasks_database_dbtaskresult GROUP BY 1"


@pytest.fixture
def database(postgres: str, run: Any) -> Any:
    """Create the tables of the project, and return a function that executes a query."""
    with psycopg.connect(host=postgres, user="postgres", dbname="postgres", autocommit=True) as db:
        db.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        run("migrate", "--run-syncdb", "--verbosity=0", postgres=postgres)
        yield lambda query, *values: db.execute(query, values).fetchall()


def create_rows(database: Any, folder: Path, count: int) -> dict[str, bytes]:
    """Create rows with different files, and return the content of each file by its name."""
    (folder / "files" / "photos").mkdir(parents=True)
    files = {}
    for index in range(count):
        name = f"photos/{index}.png"
        files[name] = pictures.plain("PNG", (4, 4), color=(index % 251, index // 251, 0))
        (folder / "files" / name).write_bytes(files[name])
    database(
        "INSERT INTO gallery_member (name, photo) SELECT name, name FROM unnest(%s::text[]) name "
        "RETURNING id",
        list(files),
    )
    return files


def count_pending_rows(database: Any) -> int:
    ((count,),) = database("SELECT count(*) FROM gallery_member WHERE photo = name")
    return count


def test_enqueue_after_killed_worker_uploads_remaining_files(
    database, postgres, start, run, emulator, list_requests, tmp_path, record_testsuite_property
):
    files = create_rows(database, tmp_path, FILES)

    def enqueue() -> str:
        return run(
            *("groupme_upload", "gallery.Member", "--enqueue", "--rate=0", f"--workers={WORKERS}"),
            postgres=postgres,
        )

    def start_worker() -> Any:
        return start("db_worker", "--batch", "--no-startup-delay", postgres=postgres)

    assert enqueue() == f"Enqueued {FILES:,} files in {FILES // 100} tasks.\n"
    worker, killed_worker = start_worker(), start_worker()
    while len(list_requests()) < FILES / 4:
        assert worker.poll() is None
        assert killed_worker.poll() is None
    killed_worker.kill()
    output, _ = worker.communicate()
    assert worker.returncode == 0, output
    statuses = dict(database(STATUSES))
    remaining = count_pending_rows(database)
    assert statuses == {"SUCCESSFUL": FILES // 100 - 1, "RUNNING": 1}
    assert 0 < remaining <= 100

    remaining_files = "1 file" if remaining == 1 else f"{remaining} files"
    assert enqueue() == f"Enqueued {remaining_files} in 1 task.\n"
    output, _ = start_worker().communicate()
    assert count_pending_rows(database) == 0, output

    rows = dict(database("SELECT name, photo FROM gallery_member"))
    assert len(set(rows.values())) == FILES
    for name, url in rows.items():
        picture = emulator.app.store.find(url.rpartition("/")[2])
        assert picture is not None, url
        assert picture.read_bytes() == files[name]
    uploaded_twice = len(list_requests()) - FILES
    assert 0 <= uploaded_twice <= 2 * WORKERS  # The killed worker had these uploads in flight.
    record_testsuite_property("left by the killed worker", remaining)
    record_testsuite_property("uploaded twice", uploaded_twice)


def test_upload_in_two_processes_changes_each_row_without_failures(
    database, postgres, start, list_requests, tmp_path
):
    files = create_rows(database, tmp_path, 300)
    processes = [
        start("groupme_upload", "gallery.Member", "--rate=0", postgres=postgres) for _ in range(2)
    ]
    for process in processes:
        output, _ = process.communicate()
        assert process.returncode == 0, output
        assert ", 0 failed\n" in output
    names = [name for (name,) in database("SELECT photo FROM gallery_member")]
    assert len(set(names)) == len(files)
    assert count_pending_rows(database) == 0
    assert len(list_requests()) < 2 * len(files)


CREATE = """
from django.core.files.base import ContentFile
from django.db import transaction
from tests.support import emulator_pictures as pictures
from tests.testapp.models import Member
with transaction.atomic():
    member = Member.objects.create(photo=ContentFile(pictures.plain(), "cat.jpg"))
print(member.photo.name)
"""

SHOW = """
from tests.testapp.models import Member
print(*Member.objects.values_list("photo", flat=True))
"""


def test_save_with_redis_queue_uploads_in_worker(redis, run, emulator, list_requests):
    run("migrate", "--run-syncdb", "--verbosity=0", redis=redis)
    assert run("shell", "--verbosity=0", "-c", CREATE, redis=redis) == "cat.jpg\n"
    assert list_requests() == []
    run("rqworker", "--burst", "--job-class=django_tasks_rq.Job", redis=redis)
    stored_names = run("shell", "--verbosity=0", "-c", SHOW, redis=redis)
    assert stored_names.startswith(emulator.cdn_url)
    assert list_requests() == ["POST /pictures"]
