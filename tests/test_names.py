"""Hostile names of files on every way: to the service, to a disk, and by a form."""

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
from django_groupme_images.names import is_file_name
from django_groupme_images.storage import GroupMeStorage

from . import emulator_pictures as pictures
from .gallery.models import Member
from .properties.tag import Tags

PHOTO = pictures.plain()
REFUSED = SuspiciousFileOperation
TOO_LONG = OSError

#: By the name: what the fallback calls the file, or raises, as Django does; and what is left of
#: the name where a form gives the file one of its own, ``None`` where Django takes it for none.
NAMES: dict[str, tuple[str | type[Exception], str | None]] = {
    "a\r\n\x1b[31mb\x7f.jpg": ("a31mb.jpg", "a31mb"),
    "cat\0.jpg": ("cat.jpg", "cat"),
    "x" * 5000 + ".jpg": (TOO_LONG, "x" * 50),
    "猫" * 100 + ".jpg": (TOO_LONG, "猫" * 50),
    "cat." + "x" * 120: ("cat." + "x" * 120, "cat"),
    "../cat.jpg": (REFUSED, "cat"),
    "a/../../cat.jpg": (REFUSED, "cat"),
    "a/./b/c.jpg": ("a/b/c.jpg", "c"),
    "/etc/passwd": (REFUSED, "passwd"),
    "~/cat.jpg": ("~/cat.jpg", "cat"),
    "..\\..\\cat.jpg": (REFUSED, "cat"),
    "C:\\Windows\\cat.jpg": ("C:/Windows/cat.jpg", "cat"),
    "\\\\host\\share\\cat.jpg": (REFUSED, "cat"),
    "https://example.com/cat.jpg": ("cat.jpg", "cat"),
    "https:/i.groupme.com/1x1.png.123456789": ("1x1.png.123456789", "1x1.png"),
    "file:///etc/passwd": ("file:/etc/passwd", "passwd"),
    "javascript:alert(1)": ("javascriptalert1", "javascriptalert1"),
    "gpj.\u202etac.exe": ("gpj.tac.exe", "gpj.tac"),
    "\ud800cat.jpg": ("cat.jpg", "cat"),
    "cat.jpg...": ("cat.jpg...", "cat.jpg..."),
    "": (REFUSED, None),
    ".": (REFUSED, None),
    "..": (REFUSED, None),
    "cat/": (REFUSED, None),
    " ": (REFUSED, "_"),
    "\n": (REFUSED, ""),
    "\u202e\ud800": (REFUSED, ""),
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
    """All that there is in a folder, and in those below it, by its path from there."""
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]


@every_name
def test_in_the_fallback(
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
def test_on_the_service(emulator: Any, name: str, saved: Any, stem: Any) -> None:
    if saved is REFUSED and name not in (" ", "\n", "\u202e\ud800"):  # of which a disk has no use
        with pytest.raises(SuspiciousFileOperation):
            GroupMeStorage().save(name, ContentFile(PHOTO))
    else:
        assert GroupMeStorage().save(name, ContentFile(PHOTO)).startswith(emulator.cdn_url)


@every_name
@pytest.mark.parametrize("model_field", [None, Member._meta.get_field("photo")], ids=str)
def test_of_a_form_s_file(
    deferred: FileSystemStorage, tmp_path: Path, model_field: Any, name: str, saved: Any, stem: Any
) -> None:
    if stem is None:
        with pytest.raises(SuspiciousFileOperation):
            SimpleUploadedFile(name, PHOTO)
        return
    value = GroupMeImageFormField(model_field=model_field).clean(SimpleUploadedFile(name, PHOTO))
    (stored,) = files_in(tmp_path)
    folder = re.escape("files/groupme-forms/")
    assert re.fullmatch(rf"{folder}\w{{7}}_{re.escape(stem)}\.jpeg", stored)
    assert unquote(value.url) == "/media/" + stored.removeprefix("files/")


def sent(client: Client, name: str, content: bytes = PHOTO) -> Any:
    """The answer to a form whose file is named so, byte by byte."""
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
def test_over_the_web(
    db: None,
    client: Client,
    deferred: FileSystemStorage,
    tmp_path: Path,
    name: str,
    saved: Any,
    stem: Any,
) -> None:
    page = sent(client, name)
    if len(name) > 1024:  # bytes of a part's head, for Django
        assert page.status_code == 400
        assert files_in(tmp_path) == []
        return
    assert page.status_code == 302
    stored = Member.objects.get().photo.name
    assert files_in(tmp_path) == ([f"files/{stored}"] if stored else [])
    assert not stored or re.fullmatch(r"groupme-forms/\w{7}_[\w.-]{0,50}\.jpeg", stored)


@every_name
def test_in_an_error_of_the_form(
    db: None,
    client: Client,
    emulator: Any,
    arrived: Callable[[], list[str]],
    name: str,
    saved: Any,
    stem: Any,
) -> None:
    plain, page = sent(client, "cat.jpg", b"no image"), sent(client, name, b"no image")
    if len(name) > 1024:
        assert page.status_code == 400
    elif page.status_code == 302:
        assert Member.objects.get().photo == ""  # Django saw no file
    else:
        assert [tag for tag, _ in Tags(page.text).tags] == [tag for tag, _ in Tags(plain.text).tags]
        (error,) = page.context["form"].errors["photo"]
        assert re.fullmatch("“.{0,100}” is not an image. .*", error)
        assert error.isprintable()
    assert arrived() == []
