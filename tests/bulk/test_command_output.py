"""Tests of commands whose output could not be written: no upload is lost."""

from __future__ import annotations

import io
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.management import CommandError, call_command

from django_groupme_images.emulator import EmulatorServer
from django_groupme_images.emulator.faults import Fault
from django_groupme_images.management.output import Output
from django_groupme_images.storage import GroupMeStorage
from django_groupme_images.storage.names import FORM_FOLDER
from tests.support.bulk import PHOTO, create_members, save_file
from tests.support.deadlines import SLOWNESS
from tests.support.groupme_check import delete_from_cdn
from tests.support.projects import Project
from tests.testapp.models import Member

pytestmark = [
    pytest.mark.django_db(databases=["default", "other"]),
    pytest.mark.any_django,
    pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full"),
]


NUMBER = 40
OPTIONS = ("gallery.Member", "--rate=0", "--workers=4")
UPLOAD = ("groupme_upload", "--verbosity=2", *OPTIONS)
RESTORE = ("groupme_check", "--verbosity=2", "--restore=default", "--max-missing=100", *OPTIONS)


@pytest.fixture
def pending_project(project: Project, emulator: EmulatorServer) -> Project:
    """A project with files to upload, to a service that takes a moment for each."""
    project.create_table()
    project.insert_members([save_file(f"photos/{number}.jpg") for number in range(NUMBER)])
    emulator.app.faults.add(Fault("delay", seconds=0.05 * SLOWNESS, times=1000))
    return project


@pytest.fixture
def damaged_project(project: Project, emulator: EmulatorServer) -> Project:
    """A project with images to restore, to a service that takes a moment for each."""
    storage = GroupMeStorage()
    urls = [storage.save(f"{number}.jpg", ContentFile(PHOTO)) for number in range(NUMBER)]
    project.create_table()
    project.insert_members(urls)
    for url in urls:
        save_file(f"groupme-pictures/{url.rpartition('/')[2]}")
    delete_from_cdn(emulator, *urls)
    emulator.app.faults.add(Fault("delay", seconds=0.05 * SLOWNESS, times=1000))
    return project


@pytest.fixture
def full_device() -> Iterator[Any]:
    """A file on a device that is always full."""
    with open("/dev/full", "w") as device:  # noqa: PTH123
        yield device


@pytest.fixture
def count_uploads(list_requests: Any) -> Callable[[], int]:
    """Return the number of uploads since the fixture was requested."""
    before = len(list_requests())
    return lambda: sum(line.startswith("POST") for line in list_requests()[before:])


def count_uploaded_rows(project: Project, emulator: EmulatorServer) -> int:
    """Return the number of different images on the emulator that the rows have."""
    return sum(
        emulator.app.store.find(name.rpartition("/")[2]) is not None
        for name in set(project.stored_names())
        if name.startswith(emulator.cdn_url)
    )


def project_for(command: tuple[str, ...], request: Any) -> Project:
    return request.getfixturevalue("pending_project" if command == UPLOAD else "damaged_project")


@pytest.mark.parametrize("command", [UPLOAD, RESTORE], ids=["upload", "restore"])
@pytest.mark.parametrize("stream", ["stdout", "stderr", "report"])
def test_command_with_full_disk_stops_without_losing_uploads(
    command, stream, request, emulator, full_device
):
    project = project_for(command, request)
    count_uploads = request.getfixturevalue("count_uploads")
    if stream == "report":
        code, _, err = project.run(*command, "--report=/dev/full")
    else:
        code, _, err = project.run(*command, **{stream: full_device})
    assert code == 1, err
    assert 1 <= count_uploads() == count_uploaded_rows(project, emulator) < NUMBER
    if stream != "stderr":
        assert (
            "CommandError: Stopped: the output could not be written: [Errno 28] No space left on "
            "device. Run the command again to continue." in err
        )
    assert "Traceback" not in err
    assert "Exception ignored" not in err


@pytest.mark.parametrize("command", [UPLOAD, RESTORE], ids=["upload", "restore"])
def test_command_with_closed_pipe_stops_without_losing_uploads(command, request, emulator):
    project = project_for(command, request)
    count_uploads = request.getfixturevalue("count_uploads")
    with project.start(*command) as process:
        process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
    assert process.returncode == 1, err
    assert "Stopped: the output could not be written: [Errno 32] Broken pipe." in err
    assert "Traceback" not in err
    assert "Exception ignored" not in err
    assert 1 <= count_uploads() == count_uploaded_rows(project, emulator) < NUMBER


@pytest.mark.parametrize("command", [UPLOAD, RESTORE], ids=["upload", "restore"])
def test_command_with_closed_terminal_stops_without_losing_uploads(command, request, emulator):
    project = project_for(command, request)
    count_uploads = request.getfixturevalue("count_uploads")
    read_end, write_end = os.openpty()
    with project.start(*command, stdout=write_end, stderr=write_end) as process:
        os.close(write_end)
        while not count_uploads():
            os.read(read_end, 65536)
        os.close(read_end)
    assert process.returncode == 1
    assert 1 <= count_uploads() == count_uploaded_rows(project, emulator) < NUMBER


def test_upload_with_unwritable_summary_raises(pending_project, emulator, full_device):
    code, _, err = pending_project.run(
        "groupme_upload", "--verbosity=1", *OPTIONS, stdout=full_device
    )
    assert code == 1
    assert "CommandError: Stopped: the output could not be written: [Errno 28]" in err
    assert "Exception ignored" not in err
    assert count_uploaded_rows(pending_project, emulator) == NUMBER


def test_dry_run_with_unwritable_output_raises(pending_project, full_device):
    code, _, err = pending_project.run("groupme_upload", "--dry-run", *OPTIONS, stdout=full_device)
    assert code == 1
    assert err.endswith(
        "CommandError: The output could not be written: [Errno 28] No space left on device.\n"
    )
    assert "Traceback" not in err
    assert "Exception ignored" not in err


def test_upload_after_run_with_unwritable_streams_continues(
    pending_project, emulator, count_uploads, full_device
):
    code, _, _ = pending_project.run(*UPLOAD, stdout=full_device, stderr=full_device)
    assert code == 1
    assert 1 <= count_uploads() == count_uploaded_rows(pending_project, emulator) < NUMBER
    emulator.app.faults.clear()
    code, _, err = pending_project.run(*UPLOAD)
    assert code == 0, err
    assert count_uploads() == count_uploaded_rows(pending_project, emulator) == NUMBER


def test_upload_with_closed_descriptors_succeeds(pending_project, emulator):
    def close() -> None:
        os.close(1)
        os.close(2)

    code, _, _ = pending_project.run(*UPLOAD, preexec_fn=close, stdout=None, stderr=None)
    assert code == 0
    assert count_uploaded_rows(pending_project, emulator) == NUMBER


def test_upload_with_ascii_output_escapes_names(project, emulator):
    project.create_table()
    project.insert_members([save_file("photos/ä.jpg")])
    environment = project.environment | {"PYTHONIOENCODING": "ascii"}
    code, out, err = project.run(*UPLOAD, env=environment)
    assert code == 0, err
    assert "photos/\\xe4.jpg: moved" in out
    assert count_uploaded_rows(project, emulator) == 1


def test_upload_after_sighup_finishes_uploads_in_flight(pending_project, emulator, count_uploads):
    with pending_project.start(*UPLOAD) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGHUP)
        process.stdout.close()  # SIGHUP is sent when the terminal closes.
        err = process.stderr.read()
    assert process.returncode == 128 + signal.SIGHUP, err
    assert 1 <= count_uploads() == count_uploaded_rows(pending_project, emulator) < NUMBER


def test_upload_with_ignored_sighup_uploads_all_files(pending_project, emulator):
    with pending_project.start(
        *UPLOAD, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)
    ) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGHUP)
        _, err = process.communicate()
    assert process.returncode == 0, err
    assert count_uploaded_rows(pending_project, emulator) == NUMBER


class FailingStream(io.StringIO):
    """A stream that raises when it is flushed."""

    def flush(self) -> None:
        raise OSError("it is full")


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
@pytest.mark.usefixtures("fallback")
def test_upload_with_failing_stream_of_caller_stops(emulator, stream):
    create_members(*[save_file() for _ in range(NUMBER)])
    streams = {"stdout": io.StringIO(), "stderr": io.StringIO()} | {stream: FailingStream()}
    with pytest.raises(CommandError, match="Stopped: the output could not be written: it is full"):
        call_command("groupme_upload", rate=0, workers=1, verbosity=2, **streams)
    uploaded = Member.objects.filter(photo__startswith="http").count()
    assert 1 <= uploaded == len(emulator.app.record.as_list()) < NUMBER


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_cleanup_with_failing_stream_of_caller_deletes_files(fallback, stream):
    name = save_file(f"{FORM_FOLDER}/cat.jpg")
    save_file(f"{FORM_FOLDER}/dog.jpg")
    streams = {"stdout": io.StringIO(), "stderr": io.StringIO()} | {stream: FailingStream()}
    options = {"older_than": 0, "verbosity": 2, **streams}
    if stream == "stdout":
        with pytest.raises(CommandError, match="The output could not be written: it is full"):
            call_command("groupme_cleanup", **options)
    else:
        call_command("groupme_cleanup", **options)
    assert not fallback.exists(name)
    assert fallback.listdir(FORM_FOLDER) == ([], [])


@pytest.mark.usefixtures("fallback")
def test_upload_with_unwritable_temporary_folder_stops(monkeypatch, emulator):
    """Failures are kept in a temporary file until the end of the command."""
    create_members("gone.jpg", *[save_file() for _ in range(NUMBER)])
    monkeypatch.setattr("django_groupme_images.bulk.results._MAX_BYTES_IN_MEMORY", 1)
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    with pytest.raises(CommandError, match="Stopped: the output could not be written: .*/nowhere"):
        call_command("groupme_upload", rate=0, verbosity=0, stdout=io.StringIO())
    uploaded = Member.objects.filter(photo__startswith="http").count()
    assert uploaded == len(emulator.app.record.as_list())


def test_output_after_error_writes_nothing_more():
    stream = FailingStream()
    output = Output(stream)
    output.write("a")
    output.write("b")
    output.flush()
    assert str(output.error) == "it is full"
    assert stream.getvalue() == "a"
    output.discard()  # The stream has no descriptor to close.
    assert not output.isatty()


def test_output_to_stream_without_flush_writes_escaped_text():
    class Lines(list):
        write = list.append

    lines = Lines()
    Output(lines).write("a\udc00\n")
    assert lines == ["a\\udc00\n"]


def test_output_close_with_full_disk_keeps_error(full_device):
    output = Output(os.fdopen(os.dup(full_device.fileno()), "w"))
    output._stream.write("kept in a buffer")
    output.close()
    assert output.error.errno == 28
