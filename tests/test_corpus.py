"""Every odd file on each of its ways: by a form, by a row, and straight to the service."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import pytest
import requests
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile, TemporaryUploadedFile
from django.db import transaction

from django_groupme_images.emulator import EmulatorServer
from django_groupme_images.exceptions import UploadRejected
from django_groupme_images.forms import GroupMeImageFormField

from .corpus import CORPUS, EMPTY, POLYGLOTS, TAKEN, Odd
from .emulator_pictures import opened
from .gallery.models import Member
from .odd_images import JPEG

pytestmark = [
    pytest.mark.any_django,
    pytest.mark.filterwarnings("ignore:Image appears to be a malformed MPO:UserWarning"),
]

every_file = pytest.mark.parametrize("odd", CORPUS.values(), ids=CORPUS)


@pytest.fixture(scope="module")
def server() -> Iterator[EmulatorServer]:
    with EmulatorServer() as server:
        yield server


@pytest.fixture
def emulator(server: EmulatorServer, settings: Any) -> EmulatorServer:
    """The same one for all, because there are hundreds of files."""
    server.app._reset()
    settings.GROUPME_UPLOAD_URL = server.upload_url
    settings.GROUPME_CDN_URL = server.cdn_url
    return server


def stored(emulator: EmulatorServer, url: str) -> bytes:
    path = emulator.store.find(url.removeprefix(emulator.cdn_url))
    assert path
    return path.read_bytes()


def named(url: str) -> str:
    """How the picture's name begins."""
    return url.rpartition("/")[2].rpartition(".")[0]


def code_of_form(odd: Odd) -> str:
    if odd.service == EMPTY:
        return "empty"
    return "rejected" if odd.form == TAKEN else odd.form


@every_file
def test_by_a_form(odd: Odd, emulator: EmulatorServer, arrived: Callable[[], list[str]]) -> None:
    data = odd.make()
    file = SimpleUploadedFile("cat.jpg", data)
    if odd.form == TAKEN and odd.is_accepted:
        picture = GroupMeImageFormField().clean(file).picture
        assert f"{picture.width}x{picture.height}.{picture.format}" == odd.service
        assert stored(emulator, picture.url) == data
        return
    with pytest.raises(ValidationError) as caught:
        GroupMeImageFormField().clean(file)
    assert caught.value.code == code_of_form(odd)
    assert arrived() == (["POST /pictures"] if odd.form == TAKEN else [])
    assert file.tell() == 0
    assert not file.closed


@every_file
def test_by_a_row_without_a_form(odd: Odd, emulator: EmulatorServer, db: None) -> None:
    data = odd.make()
    content = ContentFile(data, "cat.jpg")
    member = Member(name="Ada", photo=content)
    if odd.is_accepted:
        member.save()
        assert named(member.photo.url) == odd.service
        assert stored(emulator, member.photo.url) == data
        return
    with pytest.raises(UploadRejected, match=odd.service if data else "the file is empty"):
        with transaction.atomic():
            member.save()
    assert content.tell() == 0
    assert not content.closed
    assert not Member.objects.exists()


@every_file
def test_straight_to_the_service(odd: Odd, emulator: EmulatorServer) -> None:
    data = odd.make()
    headers = {"X-Access-Token": "any", "Content-Type": "image/jpeg"}
    answer = requests.post(emulator.upload_url, data, headers=headers, timeout=20).json()
    if odd.is_accepted:
        url = answer["payload"]["url"]
        assert named(url) == odd.service
        assert stored(emulator, url) == data
        assert opened(requests.get(f"{url}.avatar", timeout=20).content).size == (60, 60)
    else:
        assert answer["meta"] == {"code": 400, "errors": [odd.service]}
        assert [path for path in emulator.store.directory.iterdir() if path.is_file()] == []


def test_the_polyglots_are_what_they_say() -> None:
    for kind, odd in POLYGLOTS.items():
        assert zipfile.is_zipfile(BytesIO(odd.make())) == kind.endswith(("is a zip", "is a jar"))
    assert POLYGLOTS["gif that is a script"].make().startswith(b"GIF89a/*")
    assert b"%PDF" in POLYGLOTS["jpeg that is a pdf"].make()[:1024]


@pytest.mark.parametrize("limit", [None, 100_000_000])
def test_a_hundred_megabytes(
    limit: int | None, emulator: EmulatorServer, arrived: Callable[[], list[str]], settings: Any
) -> None:
    settings.GROUPME_MAX_UPLOAD_SIZE = limit
    file = TemporaryUploadedFile("cat.jpg", "image/jpeg", 0, None)
    file.write(JPEG)
    file.truncate(100 << 20)  # with zeros that take no room
    file.size = 100 << 20
    with file:
        if limit is None:
            picture = GroupMeImageFormField().clean(file)
            (path,) = emulator.store.directory.glob("160x120.jpeg.*")
            assert path.stat().st_size == 100 << 20
            assert picture.url.endswith(path.name)
        else:
            with pytest.raises(ValidationError) as caught:
                GroupMeImageFormField().clean(file)
            assert caught.value.code == "too_large"
            assert arrived() == []
            assert file.tell() == 0
