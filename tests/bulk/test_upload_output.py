"""Tests of the output and the progress of the bulk commands."""

from __future__ import annotations

import io
import os
import re
from contextlib import suppress

import pytest
from django.core.files.base import ContentFile
from django.core.management import CommandError, call_command

from django_groupme_images.storage import GroupMeStorage
from tests.support.bulk import PHOTO, create_members, save_file

pytestmark = [
    pytest.mark.django_db(databases=["default", "other"]),
    pytest.mark.usefixtures("fallback"),
]


def test_upload_with_verbosity_0_reports_only_failures(upload):
    create_members(save_file(), "gone.jpg")
    verbose = upload(verbosity=2)
    assert "photos/cat.jpg: moved, http://" in verbose
    assert verbose.count("gone.jpg: failed, ") == 1
    silent = upload(verbosity=0)
    assert silent.startswith("gallery.Member.photo pk=")
    assert len(silent.splitlines()) == 2


def test_progress_without_terminal_writes_lines(emulator):
    create_members(*[save_file() for _ in range(3)])
    err = io.StringIO()
    call_command("groupme_upload", "gallery.Member", rate=0, stdout=io.StringIO(), stderr=err)
    first, *_, last = err.getvalue().splitlines()
    assert first.startswith("0 of 3 files")
    assert re.fullmatch(r"3 of 3 files, .* files/s, 00:00 left", last)
    assert "\r" not in err.getvalue()


@pytest.mark.any_django
def test_progress_on_terminal_draws_bar(project):
    termios = pytest.importorskip("termios", reason="needs a pseudo-terminal")
    project.create_table()
    project.insert_members([save_file(f"photos/{number}.jpg") for number in range(5)])
    read_end, write_end = os.openpty()
    termios.tcsetwinsize(write_end, (24, 80))
    with project.start(
        "groupme_upload", "gallery.Member", "--rate=0", "--verbosity=2", stderr=write_end
    ) as process:
        os.close(write_end)
        out, _ = process.communicate()
    bar = ""
    # At its end, a terminal raises OSError on Linux.
    with os.fdopen(read_end, "rb", buffering=0) as terminal, suppress(OSError):
        while data := terminal.read(65536):
            bar += data.decode()
    assert process.returncode == 0
    assert "5 moved, 0 skipped, 0 failed" in out
    assert re.search(r"\r.*100%\|.*\| 5/5 \[\d\d:\d\d<00:00", bar)


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("groupme_upload", ["gallery.Member"]),
        ("groupme_upload", ["gallery.Member", "--enqueue"]),
        ("groupme_upload", ["--verbosity=0"]),
        ("groupme_check", ["gallery.Member"]),
        ("groupme_check", ["--verbosity=0"]),
        ("groupme_cleanup", []),
    ],
)
@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_command_without_work_writes_nothing(emulator, command, arguments):
    out, err = io.StringIO(), io.StringIO()
    call_command(command, *arguments, stdout=out, stderr=err)
    assert (out.getvalue(), err.getvalue()) == ("", "")


def test_progress_of_one_image_uses_singular(emulator):
    create_members(GroupMeStorage().save("cat.jpg", ContentFile(PHOTO)))
    err = io.StringIO()
    call_command("groupme_check", "gallery.Member", rate=0, stdout=io.StringIO(), stderr=err)
    assert re.fullmatch(r"1 of 1 image, .* images/s, 00:00 left", err.getvalue().splitlines()[-1])


def test_progress_with_skipped_files_beyond_limit_raises_total(emulator, report, monkeypatch):
    create_members(*[save_file("a.png", b"no image") for _ in range(3)])
    options = {"rate": 0, "report": report, "skip_failed": True, "stdout": io.StringIO()}
    with pytest.raises(CommandError, match=r"^3 of 3 rows failed\.$"):
        call_command("groupme_upload", "gallery.Member", **options)
    create_members(*[save_file() for _ in range(2)])
    monkeypatch.setattr("django_groupme_images.bulk.batches.PAGE_SIZE", 3)
    err = io.StringIO()
    call_command("groupme_upload", "gallery.Member", **options, limit=2, stderr=err)
    first, *_, last = err.getvalue().splitlines()
    assert first.startswith("0 of 2 files, ")
    assert last.startswith("5 of 5 files, ")


def test_check_of_one_failing_row_reports_singular(check):
    create_members("https://example.com/cat.jpg")
    assert check().endswith("exit 1: 1 of 1 row needs attention.")


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--limit=0", "argument --limit: must be an integer greater than 0 (got '0')."),
        ("--rate=x", "argument --rate: must be a number of 0 or more (got 'x')."),
    ],
)
def test_upload_with_invalid_argument_quotes_value(argument, message):
    with pytest.raises(CommandError, match=re.escape(message)):
        call_command("groupme_upload", argument)
