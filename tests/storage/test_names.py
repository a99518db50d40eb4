"""Tests of hostile file names in the service, the fallback storage, and forms."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from django_groupme_images.forms import GroupMeImageFormField
from django_groupme_images.storage import GroupMeStorage
from django_groupme_images.storage.names import is_file_name
from tests.properties.tag import Tags
from tests.support import emulator_pictures as pictures
from tests.testapp.models import Member

PHOTO = pictures.plain()
REJECTED = SuspiciousFileOperation
TOO_LONG = OSError

#: Hostile names. The values are the name or exception of the fallback storage, and the stem that
#: remains in the name of a file from a form. The stem is ``None`` if Django rejects the name.
NAMES: dict[str, tuple[str | type[Exception], str | None]] = {
    "a\r\n\x1b[31mb\x7f.jpg": ("a31mb.jpg", "a31mb"),
    "cat\0.jpg": ("cat.jpg", "cat"),
    "x" * 5000 + ".jpg": (TOO_LONG, "x" * 50),
    "猫" * 100 + ".jpg": (TOO_LONG, "猫" * 50),
    "cat." + "x" * 120: ("cat." + "x" * 120, "cat"),
    "../cat.jpg": (REJECTED, "cat"),
    "a/../../cat.jpg": (REJECTED, "cat"),
    "a/./b/c.jpg": ("a/b/c.jpg", "c"),
    "/etc/passwd": (REJECTED, "passwd"),
    "~/cat.jpg": ("~/cat.jpg", "cat"),
    "..\\..\\cat.jpg": (REJECTED, "cat"),
    "C:\\Windows\\cat.jpg": ("C:/Windows/cat.jpg", "cat"),
    "\\\\host\\share\\cat.jpg": (REJECTED, "cat"),
    "https://example.com/cat.jpg": ("cat.jpg", "cat"),
    "https:/i.groupme.com/1x1.png.123456789": ("1x1.png.123456789", "1x1.png"),
    "file:///etc/passwd": ("file:/etc/passwd", "passwd"),
    "javascript:alert(1)": ("javascriptalert1", "javascriptalert1"),
    "gpj.\u202etac.exe": ("gpj.tac.exe", "gpj.tac"),
    "\ud800cat.jpg": ("cat.jpg", "cat"),
    "cat.jpg...": ("cat.jpg...", "cat.jpg.."),
    "": (REJECTED, None),
    ".": (REJECTED, None),
    "..": (REJECTED, None),
    "cat/": (REJECTED, None),
    " ": (REJECTED, "_"),
    "\n": (REJECTED, ""),
    "\u202e\ud800": (REJECTED, ""),
    ".htaccess": (".htaccess", ".htaccess"),
    "CON": ("CON", "CON"),
    "aux.jpg": ("aux.jpg", "aux"),
    "cat.jpg:stream": ("cat.jpgstream", "cat"),
    "<img src=x onerror=alert(1)>.jpg": ("img_srcx_onerroralert1.jpg", "img_srcx_onerroralert1"),
    "cat.php.html": ("cat.php.html", "cat.php"),
    "%2e%2e%2fcat.jpg": ("2e2e2fcat.jpg", "2e2e2fcat"),
}

every_name = pytest.mark.parametrize(
    ("name", "saved", "stem"),
    [(name, *rest) for name, rest in NAMES.items()],
    ids=[ascii(name)[:30] for name in NAMES],
)


@pytest.fixture
def deferred(fallback: FileSystemStorage, settings: Any) -> FileSystemStorage:
    settings.GROUPME_DEFERRED = True
    return fallback


def files_in(folder: Path) -> list[str]:
    """Return the relative paths of all files in a folder and its subfolders."""
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]


@every_name
def test_save_to_fallback_with_hostile_name_sanitizes_or_raises(
    deferred: FileSystemStorage, tmp_path: Path, name: str, saved: Any, stem: Any
) -> None:
    content = ContentFile(PHOTO)
    if not isinstance(saved, str):
        with pytest.raises(saved):
            GroupMeStorage().save(name, content)
        assert files_in(tmp_path) == []
        assert content.tell() == 0
        return
    assert GroupMeStorage().save(name, content) == saved
    assert files_in(tmp_path) == [f"files/{saved}"]
    assert is_file_name(saved)
    with GroupMeStorage().open(saved) as file:
        assert file.read() == PHOTO


@every_name
def test_save_on_service_with_hostile_name_uploads_or_raises(
    emulator: Any, name: str, saved: Any, stem: Any
) -> None:
    is_valid_on_service = name in (" ", "\n", "\u202e\ud800")
    if saved is REJECTED and not is_valid_on_service:
        with pytest.raises(SuspiciousFileOperation):
            GroupMeStorage().save(name, ContentFile(PHOTO))
    else:
        assert GroupMeStorage().save(name, ContentFile(PHOTO)).startswith(emulator.cdn_url)


@every_name
@pytest.mark.parametrize("model_field", [None, Member._meta.get_field("photo")], ids=str)
def test_form_field_with_hostile_name_stores_sanitized_name(
    deferred: FileSystemStorage, tmp_path: Path, model_field: Any, name: str, saved: Any, stem: Any
) -> None:
    if stem is None:
        with pytest.raises(SuspiciousFileOperation):
            SimpleUploadedFile(name, PHOTO)
        return
    value = GroupMeImageFormField(model_field=model_field).clean(SimpleUploadedFile(name, PHOTO))
    (stored,) = files_in(tmp_path)
    folder = re.escape("files/groupme-forms/")
    extension = r"\.jpg" if name.endswith(".jpg") else r"\.jpeg"
    assert re.fullmatch(rf"{folder}\w{{7}}_{re.escape(stem)}{extension}", stored)
    assert unquote(value.url) == "/media/" + stored.removeprefix("files/")


def post_form(client: Client, name: str, content: bytes = PHOTO) -> Any:
    """Post a form with a file of this name, which the test client would change."""
    head = b'Content-Disposition: form-data; name="photo"; filename="%s"' % (
        name.replace('"', '\\"').encode("utf-8", "surrogatepass")
    )
    lines = [
        b"--x",
        b'Content-Disposition: form-data; name="name"\r\n\r\nAda',
        b"--x",
        head + b"\r\nContent-Type: image/jpeg\r\n\r\n" + content,
        b"--x--",
    ]
    url, kind = reverse("member_add"), "multipart/form-data; boundary=x"
    return client.post(url, b"\r\n".join([*lines, b""]), content_type=kind)


@every_name
def test_form_post_with_hostile_name_stores_sanitized_name(
    db: None,
    client: Client,
    deferred: FileSystemStorage,
    tmp_path: Path,
    name: str,
    saved: Any,
    stem: Any,
) -> None:
    response = post_form(client, name)
    if len(name) > 1024:  # Django rejects longer headers of a part.
        assert response.status_code == 400
        assert files_in(tmp_path) == []
        return
    assert response.status_code == 302
    stored = Member.objects.get().photo.name
    assert files_in(tmp_path) == ([f"files/{stored}"] if stored else [])
    assert not stored or re.fullmatch(r"groupme-forms/\w{7}_[\w.-]{0,50}\.jpe?g", stored)


@every_name
def test_form_error_with_hostile_name_is_escaped(
    db: None,
    client: Client,
    emulator: Any,
    list_requests: Callable[[], list[str]],
    name: str,
    saved: Any,
    stem: Any,
) -> None:
    expected = post_form(client, "cat.jpg", b"no image")
    response = post_form(client, name, b"no image")
    if len(name) > 1024:
        assert response.status_code == 400
    elif response.status_code == 302:
        assert Member.objects.get().photo == ""  # Django ignored the file.
    else:
        assert [tag for tag, _ in Tags(response.text).tags] == [
            tag for tag, _ in Tags(expected.text).tags
        ]
        (error,) = response.context["form"].errors["photo"]
        assert re.fullmatch("“.{0,100}” is not a valid image. .*", error)
        assert error.isprintable()
    assert list_requests() == []
