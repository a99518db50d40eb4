"""Commands whose output cannot be written, as processes: no upload is lost."""

from __future__ import annotations

import io
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage
from django.core.management import CommandError, call_command

from django_groupme_images.emulator import EmulatorServer
from django_groupme_images.emulator.faults import Fault
from django_groupme_images.management.output import Output
from django_groupme_images.names import FORM_FOLDER
from django_groupme_images.storage import GroupMeStorage

from . import emulator_pictures as pictures
from .gallery.models import Member

ROOT = Path(__file__).parent.parent
PHOTO = pictures.plain()
NUMBER = 40

pytestmark = [
    pytest.mark.django_db(databases=["default", "other"]),
    pytest.mark.any_django,
    pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full"),
]

SETTINGS = """
from tests.settings import *
DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": "{folder}/db"}}}}
STORAGES["default"] = {{
    "BACKEND": "django.core.files.storage.FileSystemStorage",
    "OPTIONS": {{"location": "{folder}/files"}},
}}
GROUPME_FALLBACK = "default"
GROUPME_UPLOAD_URL = "{server.upload_url}"
GROUPME_CDN_URL = "{server.cdn_url}"
GROUPME_MAX_RETRY_WAIT = 0.01
"""


class Site:
    """A project on a disk."""

    def __init__(self, folder: Path, emulator: EmulatorServer) -> None:
        self.folder = folder
        self.files = FileSystemStorage(folder / "files")
        (folder / "site_settings.py").write_text(SETTINGS.format(folder=folder, server=emulator))

    def fill(self, names: list[str]) -> None:
        with closing(sqlite3.connect(self.folder / "db")) as connection, connection:
            connection.execute("CREATE TABLE gallery_member (id INTEGER PRIMARY KEY, name, photo)")
            for name in names:
                connection.execute(
                    "INSERT INTO gallery_member (name, photo) VALUES ('', ?)", [name]
                )

    def names(self) -> set[str]:
        with closing(sqlite3.connect(self.folder / "db")) as connection:
            return {name for (name,) in connection.execute("SELECT photo FROM gallery_member")}

    def start(self, *arguments: str, **kwargs: Any) -> subprocess.Popen[str]:
        environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "site_settings",
            "PYTHONPATH": f"{self.folder}:{ROOT}",
        }
        return subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "django", *arguments, "--rate=0", "--workers=4"],
            cwd=self.folder,
            text=True,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": environment} | kwargs,
        )

    def run(self, *arguments: str, **kwargs: Any) -> tuple[int, str, str]:
        with self.start(*arguments, **kwargs) as process:
            out, err = process.communicate()
        return process.returncode, out or "", err or ""


@pytest.fixture
def site(tmp_path: Path, emulator: EmulatorServer) -> Site:
    return Site(tmp_path, emulator)


@pytest.fixture
def pending(site: Site, emulator: EmulatorServer) -> Site:
    """With files to upload, each of which takes a moment."""
    site.fill([site.files.save(f"photos/{n}.jpg", ContentFile(PHOTO)) for n in range(NUMBER)])
    emulator.app.faults.add(Fault("delay", seconds=0.02, times=1000))
    return site


@pytest.fixture
def missing(site: Site, emulator: EmulatorServer, settings: Any) -> Site:
    """With images to restore."""
    storage = GroupMeStorage()
    names = [storage.save(f"{n}.jpg", ContentFile(PHOTO)) for n in range(NUMBER)]
    site.fill(names)
    for name in names:
        picture = name.rpartition("/")[2]
        site.files.save(f"groupme-pictures/{picture}", ContentFile(PHOTO))
        emulator.app.store.find(picture).unlink()
    emulator.app.faults.add(Fault("delay", seconds=0.02, times=1000))
    return site


@pytest.fixture
def full() -> Iterator[Any]:
    """A device on which nothing can be written, because it is full."""
    with open("/dev/full", "w") as device:  # noqa: PTH123
        yield device


@pytest.fixture
def uploads(arrived: Any) -> Any:
    before = len(arrived())
    return lambda: sum(line.startswith("POST") for line in arrived()[before:])


def uploaded(site: Site, emulator: EmulatorServer) -> int:
    """How many rows have an image that the emulator has."""
    return sum(
        emulator.app.store.find(name.rpartition("/")[2]) is not None
        for name in site.names()
        if name.startswith(emulator.cdn_url)
    )


UPLOAD = ("groupme_upload", "gallery.Member", "--verbosity=2")
RESTORE = (
    "groupme_check",
    "gallery.Member",
    "--verbosity=2",
    "--restore=default",
    "--max-missing=100",
)


def site_for(command: tuple[str, ...], request: Any) -> Site:
    return request.getfixturevalue("pending" if command == UPLOAD else "missing")


@pytest.mark.parametrize("command", [UPLOAD, RESTORE], ids=["upload", "restore"])
@pytest.mark.parametrize("stream", ["stdout", "stderr", "report"])
def test_full_disk_loses_no_upload(command, stream, request, emulator, full):
    site = site_for(command, request)
    uploads = request.getfixturevalue("uploads")
    streams = {stream: full} if stream != "report" else {}
    more = ("--report=/dev/full",) if stream == "report" else ()
    code, _, err = site.run(*command, *more, **streams)
    assert code == 1, err
    assert 1 <= uploads() == uploaded(site, emulator) < NUMBER
    if stream != "stderr":
        assert (
            "CommandError: Stopped: the output cannot be written: [Errno 28] No space left on "
            "device. Run the command again to continue." in err
        )
    assert "Traceback" not in err
    assert "Exception ignored" not in err


@pytest.mark.parametrize("command", [UPLOAD, RESTORE], ids=["upload", "restore"])
def test_closed_pipe_loses_no_upload(command, request, emulator):
    site = site_for(command, request)
    uploads = request.getfixturevalue("uploads")
    with site.start(*command) as process:
        process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
    assert process.returncode == 1, err
    assert "Stopped: the output cannot be written: [Errno 32] Broken pipe." in err
    assert "Traceback" not in err
    assert "Exception ignored" not in err
    assert 1 <= uploads() == uploaded(site, emulator) < NUMBER


@pytest.mark.parametrize("command", [UPLOAD, RESTORE], ids=["upload", "restore"])
def test_closed_terminal_loses_no_upload(command, request, emulator):
    site = site_for(command, request)
    uploads = request.getfixturevalue("uploads")
    ours, theirs = os.openpty()
    with site.start(*command, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        while not uploads():
            os.read(ours, 65536)
        os.close(ours)
    assert process.returncode == 1
    assert 1 <= uploads() == uploaded(site, emulator) < NUMBER


def test_summary_that_cannot_be_written_is_an_error(pending, emulator, full):
    code, _, err = pending.run("groupme_upload", "gallery.Member", "--verbosity=1", stdout=full)
    assert code == 1
    assert "CommandError: Stopped: the output cannot be written: [Errno 28]" in err
    assert "Exception ignored" not in err
    assert uploaded(pending, emulator) == NUMBER


def test_dry_run_that_cannot_be_written_is_an_error(pending, full):
    code, _, err = pending.run("groupme_upload", "gallery.Member", "--dry-run", stdout=full)
    assert (code, err) == (
        1,
        "CommandError: The output cannot be written: [Errno 28] No space left on device.\n",
    )


def test_both_streams_that_cannot_be_written_lose_no_upload(pending, emulator, uploads, full):
    code, _, _ = pending.run(*UPLOAD, stdout=full, stderr=full)
    assert code == 1
    assert 1 <= uploads() == uploaded(pending, emulator) < NUMBER
    emulator.app.faults.clear()
    code, _, err = pending.run(*UPLOAD)
    assert code == 0, err
    assert uploads() == uploaded(pending, emulator) == NUMBER


def test_closed_descriptors_are_no_error(pending, emulator):
    def close() -> None:
        os.close(1)
        os.close(2)

    code, _, _ = pending.run(*UPLOAD, preexec_fn=close, stdout=None, stderr=None)
    assert code == 0
    assert uploaded(pending, emulator) == NUMBER


def test_names_that_the_terminal_cannot_show_are_escaped(site, emulator):
    site.fill([site.files.save("photos/ä.jpg", ContentFile(PHOTO))])
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "site_settings",
        "PYTHONPATH": f"{site.folder}:{ROOT}",
        "PYTHONIOENCODING": "ascii",
    }
    code, out, err = site.run(*UPLOAD, env=environment)
    assert code == 0, err
    assert "photos/\\xe4.jpg: moved" in out
    assert uploaded(site, emulator) == 1


def test_hangup_finishes_uploads_in_flight(pending, emulator, uploads):
    with pending.start(*UPLOAD) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGHUP)
        process.stdout.close()  # as of a terminal that is closed
        err = process.stderr.read()
    assert process.returncode == 128 + signal.SIGHUP, err
    assert 1 <= uploads() == uploaded(pending, emulator) < NUMBER


def test_hangup_under_nohup_is_ignored(pending, emulator):
    with pending.start(
        *UPLOAD, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)
    ) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGHUP)
        _, err = process.communicate()
    assert process.returncode == 0, err
    assert uploaded(pending, emulator) == NUMBER


# In this process


class Failing(io.StringIO):
    def flush(self) -> None:
        raise OSError("it is full")


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_stream_of_caller_that_fails_ends_the_command(emulator, waiting_files, stream):
    names = [waiting_files.save("cat.jpg", ContentFile(PHOTO)) for _ in range(NUMBER)]
    Member.objects.bulk_create(Member(photo=name) for name in names)
    streams = {"stdout": io.StringIO(), "stderr": io.StringIO()} | {stream: Failing()}
    with pytest.raises(CommandError, match="Stopped: the output cannot be written: it is full"):
        call_command("groupme_upload", rate=0, workers=1, verbosity=2, **streams)
    moved = Member.objects.filter(photo__startswith="http").count()
    assert 1 <= moved == len(emulator.app.record.as_list()) < NUMBER


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_cleanup_with_output_that_cannot_be_written_does_its_work(waiting_files, stream):
    name = waiting_files.save(f"{FORM_FOLDER}/cat.jpg", ContentFile(PHOTO))
    waiting_files.save(f"{FORM_FOLDER}/dog.jpg", ContentFile(PHOTO))
    streams = {"stdout": io.StringIO(), "stderr": io.StringIO()} | {stream: Failing()}
    options = {"older_than": 0, "verbosity": 2, **streams}
    if stream == "stdout":
        with pytest.raises(CommandError, match="The output cannot be written: it is full"):
            call_command("groupme_cleanup", **options)
    else:
        call_command("groupme_cleanup", **options)
    assert not waiting_files.exists(name)
    assert waiting_files.listdir(FORM_FOLDER) == ([], [])


def test_failures_that_cannot_be_kept_end_the_command(waiting_files, monkeypatch, emulator):
    """The temporary file that holds them cannot be made, because the disk is full."""
    names = [waiting_files.save("cat.jpg", ContentFile(PHOTO)) for _ in range(NUMBER)]
    Member.objects.bulk_create(Member(photo=name) for name in ["gone.jpg", *names])
    monkeypatch.setattr("django_groupme_images.report._SPOOLED_IN_MEMORY", 1)
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    with pytest.raises(CommandError, match="Stopped: the output cannot be written: .*/nowhere"):
        call_command("groupme_upload", rate=0, verbosity=0, stdout=io.StringIO())
    moved = Member.objects.filter(photo__startswith="http").count()
    assert moved == len(emulator.app.record.as_list())


def test_output_keeps_first_error_and_writes_nothing_more():
    stream = Failing()
    output = Output(stream)
    output.write("a")
    output.write("b")
    output.flush()
    assert str(output.error) == "it is full"
    assert stream.getvalue() == "a"
    output.discard()  # it has no descriptor
    assert not output.isatty()


def test_output_of_stream_without_flush():
    class Lines(list):
        write = list.append

    lines = Lines()
    Output(lines).write("a\udc00\n")
    assert lines == ["a\\udc00\n"]


def test_output_notices_failure_when_closed(full):
    output = Output(os.fdopen(os.dup(full.fileno()), "w"))
    output._stream.write("kept in a buffer")
    output.close()
    assert output.error.errno == 28
