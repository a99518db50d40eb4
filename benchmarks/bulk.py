"""
``python -m benchmarks.bulk``: how long ``groupme_upload`` takes, and what it holds in memory.

The service is a sink in a process of its own that answers after 50 ms, as far as one needs one.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import tempfile
import time
import uuid
from multiprocessing.connection import Connection
from pathlib import Path

import django
from django.conf import settings
from django.core.management import call_command
from django.db import connection, models

LATENCY = 0.05  # seconds
PICTURE = b"\xff\xd8" + bytes(4096) + b"\xff\xd9"  # which the sink does not look at


def sink(pipe: Connection) -> None:
    """Answer every upload with a new URL, after the latency."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            (length,) = (
                int(line.split(b":")[1])
                for line in head.split(b"\r\n")
                if line.lower().startswith(b"content-length:")
            )
            await reader.readexactly(length)
            await asyncio.sleep(LATENCY)
            url = f"https://i.groupme.com/48x32.jpeg.{uuid.uuid4().hex}"
            body = json.dumps({"payload": {"url": url, "picture_url": url}}).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    async def main() -> None:
        async def safely(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await serve(reader, writer)
            except asyncio.IncompleteReadError:
                writer.close()

        server = await asyncio.start_server(safely, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


def memory() -> float:
    """What this process holds now, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    ours, its = multiprocessing.Pipe()
    process = multiprocessing.Process(target=sink, args=(its,), daemon=True)
    process.start()
    with tempfile.TemporaryDirectory() as folder:
        settings.configure(
            INSTALLED_APPS=["django_groupme_images"],
            DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{folder}/db"}},
            STORAGES={
                "default": {
                    "BACKEND": "django.core.files.storage.FileSystemStorage",
                    "OPTIONS": {"location": folder},
                },
                "groupme": {"BACKEND": "django_groupme_images.storage.GroupMeStorage"},
            },
            GROUPME_ACCESS_TOKEN="token",  # noqa: S106
            GROUPME_FALLBACK="default",
            GROUPME_UPLOAD_URL=f"http://127.0.0.1:{ours.recv()}/pictures",
            DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        )
        django.setup()
        measure(Path(folder))
    process.terminate()


def measure(folder: Path) -> None:
    from django_groupme_images.fields import GroupMeImageField
    from django_groupme_images.signals import picture_uploaded

    class Member(models.Model):
        photo = GroupMeImageField()

        class Meta:
            app_label = "groupme_images"

    with connection.schema_editor() as editor:
        editor.create_model(Member)

    def fill(number: int) -> None:
        Member.objects.all().delete()
        for index in range(number):
            (folder / f"{index}.jpg").write_bytes(PICTURE)
        Member.objects.bulk_create(
            (Member(photo=f"{index}.jpg") for index in range(number)), batch_size=1000
        )

    def run(number: int, workers: int) -> tuple[float, list[float]]:
        fill(number)
        held: list[float] = []
        done = 0

        def sample(**kwargs: object) -> None:
            nonlocal done
            done += 1
            if done in {workers * 4, number // 2, number}:
                held.append(memory())

        picture_uploaded.connect(sample)
        started = time.perf_counter()
        call_command("groupme_upload", rate=0, workers=workers, verbosity=0)
        taken = time.perf_counter() - started
        picture_uploaded.disconnect(sample)
        assert not Member.objects.exclude(photo__startswith="https://").exists()
        return taken, held

    run(100, 16)  # to warm up
    for number, workers in ((1000, 16), (1000, 1), (1000, 16)):
        taken, _ = run(number, workers)
        print(f"{number:,} files, {workers} workers: {taken:.2f} s")
    for number in (1_000, 10_000):
        taken, (start, middle, end) = run(number, 16)
        print(
            f"{number:,} files: {taken:.1f} s; MB at the start {start:.1f}, "
            f"in the middle {middle:.1f}, at the end {end:.1f}"
        )


if __name__ == "__main__":
    main()
