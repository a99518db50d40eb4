"""Tests of ``groupme_upload --dry-run``: it counts files, and inspects them without a request."""

from __future__ import annotations

import io
import textwrap
from functools import partial
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.test.utils import CaptureQueriesContext
from PIL import Image, features

from tests.support import emulator_pictures as pictures
from tests.support.bulk import PHOTO, create_members, fail_query, is_uploaded, save_file
from tests.support.descriptors import CAN_COUNT, no_more_descriptors
from tests.support.hidden_metadata import GIF, gif_xmp
from tests.support.photographs import XMP
from tests.testapp.models import Club, Group, Member, Plain, Profile

pytestmark = [
    pytest.mark.django_db(databases=["default", "other"]),
    pytest.mark.usefixtures("fallback"),
]


@pytest.fixture
def dry_run(upload: Any) -> Any:
    """Run ``groupme_upload --dry-run``, and return its output."""
    return partial(upload, dry_run=True)


def encoded(image_format: str, size: tuple[int, int] = (48, 32), mode: str = "RGB") -> bytes:
    """Return an image file in this format."""
    file = io.BytesIO()
    Image.new(mode, size).save(file, image_format)
    return file.getvalue()


def test_dry_run_with_shared_and_missing_files_counts_them(dry_run, list_requests):
    rows = create_members(*[save_file()] * 3, save_file(), "gone.jpg")
    Group.objects.create(photo=save_file(), banner=rows[0].photo.name)
    assert dry_run() == textwrap.dedent(
        f"""\
        gallery.Member.photo: 5 rows, 3 files, {2 * len(PHOTO):,} bytes, 1 unreadable file
        gallery.Group.photo: 1 row, 1 file, {len(PHOTO):,} bytes
        gallery.Group.banner: 1 row, 1 file, {len(PHOTO):,} bytes
        """
    )
    assert not any(map(is_uploaded, rows))
    assert list_requests() == []


def test_dry_run_with_limit_counts_all_rows_of_file(dry_run):
    create_members(*[save_file()] * 700)
    assert dry_run(limit=1).startswith("gallery.Member.photo: 700 rows, 1 file, ")


def test_dry_run_makes_same_number_of_queries_for_many_files(dry_run):
    counts = []
    for _ in range(2):
        create_members(*[save_file() for _ in range(5)])
        with CaptureQueriesContext(connections["default"]) as queries:
            dry_run()
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_dry_run_without_files_reports_that(dry_run):
    assert dry_run() == "There are no files to upload.\n"


def test_dry_run_with_urls_that_are_not_on_cdn_counts_them(dry_run, settings):
    settings.GROUPME_CDN_URL = "https://i.groupme.com/"
    on_cdn = "https://i.groupme.com/480x325.jpeg.9e20b71dd6af4b58bbd132d4a7dec009"
    create_members("http://example.com/a.jpg", "http://example.com/b.jpg", on_cdn, "", save_file())
    Group.objects.create(photo=on_cdn.replace("https", "http"), banner="https://example.com/a.jpg")
    end = "that is not on the CDN (https://i.groupme.com/). groupme_upload skips such rows.\n"
    assert dry_run() == (
        f"gallery.Member.photo: 1 row, 1 file, {len(PHOTO):,} bytes\n"
        f"gallery.Member.photo: 2 rows with a URL {end}"
        f"gallery.Group.banner: 1 row with a URL {end}"
    )


def test_dry_run_of_child_model_counts_only_its_rows(dry_run):
    for model, count in ((Group, 3), (Club, 2)):
        for _ in range(count):
            model.objects.create(photo=save_file(), banner="http://example.com/a.jpg")
    first, second, *others = dry_run("gallery.Club").splitlines()
    assert first == f"gallery.Club.photo: 2 rows, 2 files, {2 * len(PHOTO):,} bytes"
    assert second.startswith("gallery.Club.banner: 2 rows with a URL that is not on the CDN")
    assert others == []


def test_dry_run_of_default_file_counts_it(dry_run):
    save_file("profiles/default.png")
    Profile.objects.create(other="")
    assert dry_run().endswith(" bytes, 1 default file\n")


def test_dry_run_after_lost_database_connection_raises(dry_run):
    create_members(save_file())

    def fail_later(execute: Any, sql: str, *args: Any) -> Any:
        return fail_query() if "LOWER" in sql else execute(sql, *args)

    with connections["default"].execute_wrapper(fail_later):
        output = dry_run()
    assert output.startswith("exit 1: Stopped: OperationalError: the connection was lost.")


def test_dry_run_with_lost_connection_at_its_end_raises(dry_run):
    create_members(save_file())
    with CaptureQueriesContext(connections["default"]) as queries:
        dry_run("gallery.Member")
    left = len(queries)

    def fail_last(execute: Any, *args: Any) -> Any:
        nonlocal left
        left -= 1
        return execute(*args) if left else fail_query()

    with connections["default"].execute_wrapper(fail_last):
        output = dry_run("gallery.Member")
    assert "gallery.Member.photo: 1 row, 1 file" in output
    assert "exit 1: Stopped: OperationalError: the connection was lost." in output


def test_dry_run_of_several_databases_counts_selected_one(dry_run):
    create_members(save_file(), save_file("text.png", b"no image"))
    Member(photo=save_file("text.png", b"no image")).save(using="other")
    assert dry_run(database="other") == (
        "gallery.Member.photo: 1 row, 1 file, 8 bytes, 1 file likely to be rejected\n"
    )


@pytest.mark.parametrize("max_bytes_in_memory", [0, 1_000_000])
def test_dry_run_reports_rejections_of_each_field(
    dry_run, list_requests, monkeypatch, max_bytes_in_memory
):
    module = "django_groupme_images.bulk.inspection"
    monkeypatch.setattr(f"{module}._MAX_BYTES_IN_MEMORY", max_bytes_in_memory)
    bad = save_file("text.png", b"no image")
    valid, text, shared, empty = create_members(save_file(), bad, bad, save_file("e.png", b""))
    plain = Plain.objects.create(photo=bad, other="")
    output = dry_run(verbosity=2)
    *lines, member_total, plain_total = output.splitlines()
    size = len(PHOTO) + len(b"no image")
    assert member_total == (
        f"gallery.Member.photo: 4 rows, 3 files, {size:,} bytes, 2 files likely to be rejected"
    )
    assert plain_total == (
        "gallery.Plain.photo: 1 row, 1 file, 8 bytes, 1 file likely to be rejected"
    )
    unknown = f"{bad}: likely to be rejected, the file is not an image of a known format"
    assert sorted(lines) == sorted(
        [
            f"gallery.Member.photo pk={text.pk} {unknown}",
            f"gallery.Member.photo pk={shared.pk} {unknown}",
            f"gallery.Member.photo pk={empty.pk} e.png: likely to be rejected, the file is empty",
            f"gallery.Plain.photo pk={plain.pk} {unknown}",
        ]
    )
    assert list_requests() == []
    assert not is_uploaded(valid)


def test_dry_run_with_verbosity_2_reports_why_file_is_unreadable(dry_run):
    (member,) = create_members("gone.jpg")
    line, total = dry_run(verbosity=2).splitlines()
    assert line.startswith(
        f"gallery.Member.photo pk={member.pk} gone.jpg: unreadable, FileNotFoundError: "
    )
    assert total == "gallery.Member.photo: 1 row, 1 file, 0 bytes, 1 unreadable file"


CONTENTS = {
    "jpeg": PHOTO,
    "damaged": PHOTO[:-50],
    "png": encoded("PNG"),
    "bmp": encoded("BMP"),
    "tiff": encoded("TIFF"),
    "webp": encoded("WEBP") if features.check("webp") else b"",
}
SIZE, PIXELS = len(PHOTO), 48 * 32
# A GIF with data after the end of an extension, whose metadata cannot be removed.
CONTENTS["gif"] = GIF[:-1] + gif_xmp(b"\1 \0" + XMP) + GIF[-1:]


@pytest.mark.parametrize(
    ("kind", "options", "reason"),
    [
        ("jpeg", {"MAX_UPLOAD_SIZE": SIZE}, ""),
        ("jpeg", {"MAX_UPLOAD_SIZE": SIZE - 1}, f"{SIZE:,} bytes, more than the {SIZE - 1:,}"),
        ("damaged", {}, "the file is damaged or incomplete"),
        ("tiff", {}, "the format TIFF is not allowed"),
        ("tiff", {"CONVERT_FORMATS": ["tiff"]}, ""),
        ("png", {"ALLOWED_FORMATS": ["jpeg"]}, "the format PNG is not allowed"),
        ("bmp", {}, ""),
        ("bmp", {"CONVERT_FORMATS": []}, "the format BMP is not allowed"),
        ("bmp", {"MAX_PIXELS": PIXELS - 1}, "the image has 1,536 pixels, more than the 1,535"),
        # Without transparency, a BMP is converted to JPEG.
        ("bmp", {"ALLOWED_FORMATS": ["png"]}, "BMP is converted to JPEG, which is not allowed"),
        ("bmp", {"ALLOWED_FORMATS": ["jpeg"]}, ""),
        ("png", {"MAX_DIMENSION": 40, "MAX_PIXELS": PIXELS - 1}, "the image has 1,536 pixels"),
        ("png", {"MAX_DIMENSION": 48, "MAX_PIXELS": PIXELS - 1}, ""),
        ("png", {"STRIP_METADATA": True}, ""),
        ("gif", {}, ""),
        ("gif", {"STRIP_METADATA": True}, "the metadata of the GIF is damaged"),
        pytest.param(
            "webp",
            {"ALLOWED_FORMATS": ["webp"], "STRIP_METADATA": True},
            "the metadata of the file cannot be removed",
            marks=pytest.mark.skipif(not features.check("webp"), reason="needs WebP"),
        ),
    ],
)
def test_dry_run_with_options_counts_files_that_exceed_them(
    dry_run, settings, kind, options, reason
):
    for name, value in options.items():
        setattr(settings, f"GROUPME_{name}", value)
    content = CONTENTS[kind]
    create_members(save_file("a.img", content))
    output = dry_run("gallery.Member", verbosity=2)
    total = f"gallery.Member.photo: 1 row, 1 file, {len(content):,} bytes"
    if reason:
        line, output = output.split("\n", 1)
        assert "a.img: likely to be rejected, " in line
        assert reason in line
        total += ", 1 file likely to be rejected"
    assert output == f"{total}\n"


def test_dry_run_with_invalid_image_option_raises(dry_run, settings):
    settings.GROUPME_MAX_PIXELS = "many"
    create_members(save_file())
    assert "exit 1: Stopped: " in dry_run(skip_checks=True)


def test_dry_run_of_storage_without_sizes_counts_bytes(dry_run, settings):
    settings.STORAGES = settings.STORAGES | {
        "default": {"BACKEND": "tests.support.bulk.StorageWithoutSizes"}
    }
    create_members(save_file())
    assert dry_run() == f"gallery.Member.photo: 1 row, 1 file, {len(PHOTO):,} bytes\n"


def test_dry_run_shows_progress(emulator):
    create_members(save_file(), save_file())
    err = io.StringIO()
    call_command("groupme_upload", "gallery.Member", dry_run=True, stdout=io.StringIO(), stderr=err)
    assert err.getvalue().splitlines()[-1].startswith("2 of 2 files, ")


class FailingStream(io.StringIO):
    """A stream that raises when it is flushed."""

    def flush(self) -> None:
        raise OSError("it is full")


def test_dry_run_with_failing_stream_stops(emulator):
    create_members(*(f"{number}.jpg" for number in range(40)))
    out = FailingStream()
    options = {"dry_run": True, "verbosity": 2, "stdout": out, "stderr": io.StringIO()}
    with pytest.raises(CommandError, match="Stopped: the output could not be written: it is full"):
        call_command("groupme_upload", "gallery.Member", **options)
    assert len(out.getvalue().splitlines()) == 1


@pytest.mark.skipif(not CAN_COUNT, reason="needs /proc")
def test_dry_run_closes_all_files(dry_run):
    contents = (PHOTO, PHOTO[:-50], b"no image", encoded("BMP"), pictures.plain("PNG"))
    create_members(*[save_file("a.img", content) for content in contents for _ in range(8)])
    dry_run()  # Pillow and tqdm import and open files once.
    with no_more_descriptors():
        dry_run()
