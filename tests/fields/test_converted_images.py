"""Images that the storage converts or shrinks: columns, forms, serializers, and bulk uploads."""

from __future__ import annotations

import io
import sys
from typing import Any

import pillow_heif
import pytest
from django.core.files.base import ContentFile
from PIL import Image

from django_groupme_images.emulator import EmulatorServer
from django_groupme_images.pictures import Picture
from tests.support import emulator_pictures as pictures
from tests.support.api import MemberSerializer
from tests.support.commands import run_command
from tests.support.field_data import stored_dimensions, uploaded_file
from tests.support.form_data import MemberForm
from tests.support.outages import fail_uploads
from tests.testapp.models import Measured, Member

pytestmark = pytest.mark.django_db

JPEG_ON_ITS_SIDE = pictures.rotated(6)  # It is displayed with 32×48 pixels.
WEBP = pictures.plain("WEBP")


def heic(size: tuple[int, int] = (48, 32)) -> bytes:
    """Return a HEIC photo that is stored rotated, as iPhones do, with its EXIF orientation."""
    image = Image.new("RGB", size, "teal")
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    pillow_heif.from_pillow(image).save(file, exif=exif.tobytes())
    return file.getvalue()


@pytest.fixture(params=["up", "down", "deferred"])
def state(request: Any, emulator: EmulatorServer, fallback: Any, settings: Any) -> str:
    settings.GROUPME_DEFERRED = request.param == "deferred"
    if request.param == "down":
        fail_uploads(emulator)
    return str(request.param)


@pytest.mark.parametrize(
    ("data", "max_dimension", "expected"),
    [
        (heic(), None, (32, 48)),
        (heic(), 24, (16, 24)),
        (WEBP, None, (48, 32)),
        (WEBP, 24, (24, 16)),
        (JPEG_ON_ITS_SIDE, None, None),
        (JPEG_ON_ITS_SIDE, 24, (16, 24)),
    ],
    ids=["heic", "small heic", "webp", "small webp", "jpeg", "small jpeg"],
)
def test_columns_contain_dimensions_of_saved_image(
    state: str, settings: Any, data: bytes, max_dimension: int | None, expected: Any
) -> None:
    settings.GROUPME_MAX_DIMENSION = max_dimension
    row = Measured.objects.create(photo=ContentFile(data, "cat.heic"))
    # As in Django, the columns of a file that is not changed ignore its orientation. The
    # service does not.
    expected = expected or ((32, 48) if state == "up" else (48, 32))
    assert stored_dimensions(row) == (row.width, row.height) == expected
    assert (row.photo.width, row.photo.height) == expected
    if state != "up":
        with row.photo.open() as file:
            assert Image.open(file).size == expected
        assert row.photo.name.endswith(
            ".heic" if data == JPEG_ON_ITS_SIDE and not max_dimension else ".jpg"
        )


def test_columns_without_conversion_contain_dimensions_of_file(
    fallback: Any, settings: Any
) -> None:
    settings.GROUPME_DEFERRED, settings.GROUPME_CONVERT_FORMATS = True, []
    row = Measured.objects.create(photo=ContentFile(WEBP, "cat.webp"))
    assert stored_dimensions(row) == (48, 32)
    assert row.photo.name == "cat.webp"


def test_form_with_heic_uploads_jpeg_once(emulator: EmulatorServer, list_requests: Any) -> None:
    file = uploaded_file("IMG_1.heic", heic())
    form = MemberForm({"name": "Ada"}, {"photo": file})
    assert form.is_valid(), form.errors
    assert form.cleaned_data["photo"] is file
    assert file.read() == heic()  # Validators see the file as submitted.
    assert file.picture.format == "jpeg"
    member = form.save()
    assert (member.photo.format, member.photo.width) == ("jpeg", 32)
    assert list_requests() == ["POST /pictures"]


def test_form_without_heif_decoder_names_the_format(
    emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    form = MemberForm({"name": "Ada"}, {"photo": uploaded_file("IMG_1.heic", heic())})
    assert form.errors["photo"] == [
        "This site cannot convert HEIF (HEIC) images. Please upload “IMG_1.heic” as JPEG."
    ]
    assert form.errors.as_data()["photo"][0].code == "no_decoder"
    assert "Install django-groupme-images[heif]" in caplog.text


@pytest.mark.parametrize(
    ("name", "data", "displayed"),
    [
        ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        ("a.jxl", b"\xff\x0a" + bytes(60), "JPEG XL"),
        ("a.nef", b"MM\0*\0\0\0\x08" + bytes(60), "RAW"),
        ("a.tif", b"MM\0*\0\0\0\x08" + bytes(60), "TIFF"),
    ],
)
def test_form_with_unsupported_format_reports_its_name(
    emulator: EmulatorServer, name: str, data: bytes, displayed: str
) -> None:
    form = MemberForm({"name": "Ada"}, {"photo": uploaded_file(name, data)})
    assert form.errors["photo"] == [
        f"{displayed} images are not supported. Please upload “{name}” as JPEG, PNG or GIF."
    ]


def test_form_with_result_format_that_is_not_allowed_reports_error(
    emulator: EmulatorServer, settings: Any
) -> None:
    settings.GROUPME_ALLOWED_FORMATS = ["jpeg"]
    data = pictures.plain("WEBP", mode="RGBA", color=(0, 0, 0, 9))
    form = MemberForm({"name": "Ada"}, {"photo": uploaded_file("cat.webp", data)})
    assert form.errors["photo"] == [
        "“cat.webp” would be converted to PNG, which is not supported. Please upload it as JPEG."
    ]


@pytest.mark.parametrize("early", [True, False])
def test_form_with_damaged_webp_is_invalid(
    emulator: EmulatorServer, settings: Any, list_requests: Any, early: bool
) -> None:
    settings.GROUPME_UPLOAD_EARLY = early
    damaged = bytearray(pictures.encoded(Image.effect_noise((64, 64), 80), "WEBP", lossless=True))
    damaged[40:] = bytes(len(damaged) - 40)
    form = MemberForm({"name": "Ada"}, {"photo": uploaded_file("cat.webp", bytes(damaged))})
    assert not form.is_valid()
    assert form.errors.as_data()["photo"][0].code == "truncated"
    assert list_requests() == []


def test_serializer_converts_and_names_formats(emulator: EmulatorServer) -> None:
    serializer = MemberSerializer(
        data={"name": "Ada", "photo": uploaded_file("IMG_1.heic", heic())}
    )
    assert serializer.is_valid(), serializer.errors
    assert Picture.parse(serializer.save().photo.url, emulator.cdn_url).format == "jpeg"
    serializer = MemberSerializer(
        data={"name": "Ada", "photo": uploaded_file("a.svg", b"<svg></svg>")}
    )
    assert not serializer.is_valid()
    (error,) = serializer.errors["photo"]
    assert error.code == "format_not_allowed"
    assert "SVG" in error


def test_groupme_upload_converts_existing_files(emulator: EmulatorServer, fallback: Any) -> None:
    names = [
        fallback.save(name, ContentFile(data))
        for name, data in [
            ("a.webp", WEBP),
            ("b.heic", heic()),
            ("c.svg", b"<svg></svg>"),
        ]
    ]
    rows = [Member.objects.create(name=name, photo=name) for name in names]
    output = run_command("groupme_upload", rate=0)
    assert "2 moved, 0 skipped, 1 failed" in output
    assert "the format SVG is not allowed" in output
    for row in rows:
        row.refresh_from_db()
    assert [row.photo.format for row in rows] == ["jpeg", "jpeg", None]
