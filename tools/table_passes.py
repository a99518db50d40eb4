"""
Measure commands in table passes: ``python -m tools.table_passes [--rows 1000000]``.

A pass is the time of ``SELECT count(*)`` with the condition of the command, in the same run. The
environment variable ``TEST_DATABASE`` selects the database, as in the tests. Its table
``gallery_member`` is created and dropped, so use a database that contains nothing else.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from statistics import median
from typing import Any
from uuid import UUID

from tools.benchmarks.processes import peak_memory, run_in_process, run_server

PENDING = 1_000
REPETITIONS = 3


class Handler(BaseHTTPRequestHandler):
    """A CDN that has every image, and an image service that discards uploads."""

    protocol_version = "HTTP/1.1"  # keeps connections open
    disable_nagle_algorithm = True

    def do_HEAD(self) -> None:
        self._respond("image/jpeg", b"")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        url = f"http://{self.headers['Host']}/480x325.jpeg.{random.randbytes(16).hex()}"
        self._respond("application/json", json.dumps({"payload": {"url": url}}).encode())

    def _respond(self, content_type: str, body: bytes) -> None:
        self.send_response_only(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def set_up(folder: str, server: str) -> None:
    """Set up Django with the settings of the tests, files in a folder, and a server."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    import django
    from django.conf import settings

    if settings.DATABASES["default"]["NAME"] == ":memory:":
        settings.DATABASES["default"]["NAME"] = f"{folder}/database"
    settings.STORAGES["default"] = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": f"{folder}/files"},
    }
    settings.GROUPME_FALLBACK = "default"
    settings.GROUPME_CDN_URL = server
    settings.GROUPME_UPLOAD_URL = f"{server}pictures"
    django.setup()


def create_rows(folder: str, server: str, count: int, index: bool) -> None:
    """Create the table with ``count`` rows. Of these, up to 1,000 have a pending file."""
    set_up(folder, server)
    from django.core.files.base import ContentFile
    from django.core.files.storage import storages
    from django.db import connection

    from tests.support.emulator_pictures import plain
    from tests.testapp.models import Member

    rng = random.Random(5)
    pending = set(rng.sample(range(count), min(PENDING, count // 10)))
    photo = plain()

    def stored_name(number: int) -> str:
        if number in pending:
            return str(storages["default"].save(f"photos/{number}.jpg", ContentFile(photo)))
        return f"{server}480x325.jpeg.{UUID(int=rng.getrandbits(128)).hex}"

    drop_rows(folder, server)
    with connection.schema_editor() as editor:
        editor.create_model(Member)
        if index:
            editor.execute("CREATE INDEX member_photo ON gallery_member (photo)")
    for start in range(0, count, 10_000):
        numbers = range(start, min(count, start + 10_000))
        Member.objects.bulk_create(Member(name="Ada", photo=stored_name(n)) for n in numbers)
    with connection.cursor() as cursor:
        table = "TABLE gallery_member" if connection.vendor == "mysql" else ""
        cursor.execute(f"ANALYZE {table}")


def drop_rows(folder: str, server: str) -> None:
    """Drop the table, if it exists."""
    set_up(folder, server)
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS gallery_member")


def measure(folder: str, server: str, command: str, options: dict[str, Any]) -> dict[str, float]:
    """Return the seconds of a pass and of the command, and the peak of its memory in MB."""
    set_up(folder, server)
    from django.core.management import call_command
    from django.db import connection

    from django_groupme_images.bulk.batches import StoredNames
    from django_groupme_images.bulk.columns import find_columns
    from django_groupme_images.bulk.runner import BulkRunner

    (column,) = find_columns(["gallery.Member.photo"])
    rows = column.rows_with_names(urls=command != "groupme_upload")
    queries: list[str] = []

    def count_query(execute: Any, sql: str, *args: Any) -> Any:
        queries.append(sql)
        return execute(sql, *args)

    def run() -> None:
        output = io.StringIO()
        if command:
            call_command(command, "gallery.Member", stdout=output, stderr=output, **options)
        else:
            with StoredNames(BulkRunner(workers=1)) as names:
                names.read([column], urls=True)
                len(names)

    rows.count()
    passes = [timed(rows.count) for _ in range(REPETITIONS)]
    with connection.execute_wrapper(count_query):
        before = time.process_time()
        seconds = timed(run)
        cpu = time.process_time() - before
    passes += [timed(rows.count) for _ in range(REPETITIONS)]
    return {
        "pass": median(passes),
        "seconds": seconds,
        "passes": seconds / median(passes),
        "CPU": cpu,
        "queries": len(queries),
        "MB": peak_memory() / 1e6,
    }


def timed(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


COMMANDS: dict[str, tuple[str, dict[str, Any]]] = {
    "groupme_upload --dry-run": ("groupme_upload", {"dry_run": True}),
    "groupme_upload --dry-run --limit 100": ("groupme_upload", {"dry_run": True, "limit": 100}),
    "groupme_upload --limit 100": ("groupme_upload", {"limit": 100, "rate": 0}),
    "read all URLs": ("", {}),
    "groupme_check --limit 5000": ("groupme_check", {"limit": 5000, "rate": 0}),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--index", action="store_true", help="create an index on the column")
    parser.add_argument("--only", default="", help="measure only commands that contain this string")
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.port:
        ThreadingHTTPServer(("127.0.0.1", options.port), Handler).serve_forever()
    with tempfile.TemporaryDirectory() as folder, run_server("tools.table_passes") as server:
        try:
            run_in_process(create_rows, folder, server, options.rows, options.index)
            for name, (command, arguments) in COMMANDS.items():
                if options.only not in name:
                    continue
                result = run_in_process(measure, folder, server, command, arguments)
                values = "  ".join(f"{key} {value:.4g}" for key, value in result.items())
                sys.stdout.write(f"{options.rows:>9,}  {name:<40} {values}\n")
                sys.stdout.flush()
        finally:
            run_in_process(drop_rows, folder, server)


if __name__ == "__main__":
    main()
