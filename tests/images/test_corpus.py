"""Each file of the corpus, through a form field, a model instance, and an upload request."""

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
from tests.support.corpus import ACCEPTED, CORPUS, POLYGLOTS, SIGNATURES, CorpusFile
from tests.support.deadlines import DEADLINE
from tests.support.emulator_pictures import opened
from tests.support.odd_images import JPEG
from tests.testapp.models import Member

pytestmark = [
    pytest.mark.any_django,
    pytest.mark.filterwarnings("ignore:Image appears to be a malformed MPO:UserWarning"),
]

each_file = pytest.mark.parametrize("corpus_file", CORPUS.values(), ids=CORPUS)


@pytest.fixture(scope="module")
def server() -> Iterator[EmulatorServer]:
    with EmulatorServer() as server:
        yield server


@pytest.fixture
def emulator(server: EmulatorServer, settings: Any) -> EmulatorServer:
    """Return the emulator of the module, because starting one for each file takes time."""
    server.app._reset()
    settings.GROUPME_UPLOAD_URL = server.upload_url
    settings.GROUPME_CDN_URL = server.cdn_url
    return server


def stored_content(emulator: EmulatorServer, url: str) -> bytes:
    path = emulator.store.find(url.removeprefix(emulator.cdn_url))
    assert path
    return path.read_bytes()


def name_start(url: str) -> str:
    """Return the size and the format in the URL of an image, as ``"48x32.jpeg"``."""
    return url.rpartition("/")[2].rpartition(".")[0]


def form_error_code(corpus_file: CorpusFile) -> str:
    return "rejected" if corpus_file.form == ACCEPTED else corpus_file.form


@each_file
def test_form_field_with_each_file_accepts_or_rejects_it(
    corpus_file: CorpusFile, emulator: EmulatorServer, list_requests: Callable[[], list[str]]
) -> None:
    data = corpus_file.make()
    file = SimpleUploadedFile("cat.jpg", data)
    if corpus_file.form == ACCEPTED and corpus_file.is_accepted:
        picture = GroupMeImageFormField().clean(file).picture
        assert f"{picture.width}x{picture.height}.{picture.format}" == corpus_file.service
        assert stored_content(emulator, picture.url) == data
        return
    with pytest.raises(ValidationError) as caught:
        GroupMeImageFormField().clean(file)
    assert caught.value.code == form_error_code(corpus_file)
    assert list_requests() == (["POST /pictures"] if corpus_file.form == ACCEPTED else [])
    assert file.tell() == 0
    assert not file.closed


def storage_error(corpus_file: CorpusFile) -> str:
    """Return the message of the storage if it reads the file, or else that of the service."""
    if corpus_file in SIGNATURES.values() and corpus_file.form == "truncated":
        return "the file is damaged or incomplete"
    is_svg = corpus_file is SIGNATURES["svg with a script"]
    return "the format SVG is not allowed" if is_svg else corpus_file.service


@each_file
def test_model_save_with_each_file_accepts_or_rejects_it(
    corpus_file: CorpusFile, emulator: EmulatorServer, db: None
) -> None:
    data = corpus_file.make()
    content = ContentFile(data, "cat.jpg")
    member = Member(name="Ada", photo=content)
    if corpus_file.is_accepted:
        member.save()
        assert name_start(member.photo.url) == corpus_file.service
        assert stored_content(emulator, member.photo.url) == data
        return
    with pytest.raises(UploadRejected, match=storage_error(corpus_file)):
        with transaction.atomic():
            member.save()
    assert content.tell() == 0
    assert not content.closed
    assert not Member.objects.exists()


@each_file
def test_upload_request_with_each_file_is_accepted_or_rejected(
    corpus_file: CorpusFile, emulator: EmulatorServer
) -> None:
    data = corpus_file.make()
    headers = {"X-Access-Token": "any", "Content-Type": "image/jpeg"}
    response = requests.post(emulator.upload_url, data, headers=headers, timeout=DEADLINE).json()
    if corpus_file.is_accepted:
        url = response["payload"]["url"]
        assert name_start(url) == corpus_file.service
        assert stored_content(emulator, url) == data
        assert opened(requests.get(f"{url}.avatar", timeout=DEADLINE).content).size == (60, 60)
    else:
        assert response["meta"] == {"code": 400, "errors": [corpus_file.service]}
        assert [path for path in emulator.store.directory.iterdir() if path.is_file()] == []


def test_polyglots_of_corpus_have_both_formats() -> None:
    for kind, corpus_file in POLYGLOTS.items():
        assert zipfile.is_zipfile(BytesIO(corpus_file.make())) == kind.endswith(
            ("is a zip", "is a jar")
        )
    assert POLYGLOTS["gif that is a script"].make().startswith(b"GIF89a/*")
    assert b"%PDF" in POLYGLOTS["jpeg that is a pdf"].make()[:1024]


@pytest.mark.parametrize("limit", [None, 100_000_000])
def test_form_field_with_file_of_100_mb_respects_max_upload_size(
    limit: int | None,
    emulator: EmulatorServer,
    list_requests: Callable[[], list[str]],
    settings: Any,
) -> None:
    settings.GROUPME_MAX_UPLOAD_SIZE = limit
    file = TemporaryUploadedFile("cat.jpg", "image/jpeg", 0, None)
    file.write(JPEG)
    file.truncate(100 << 20)  # The zeros that this adds use no disk space.
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
            assert list_requests() == []
            assert file.tell() == 0
