"""Tests of ``GroupMeStorage`` with a fallback storage."""

from __future__ import annotations

import errno
import io
import itertools
import logging
import os
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured, SuspiciousFileOperation
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, InMemoryStorage, storages
from django.core.files.uploadedfile import TemporaryUploadedFile

from django_groupme_images.exceptions import (
    AuthenticationFailed,
    FallbackFailed,
    InvalidPicture,
    RateLimited,
    ServiceUnavailable,
    UploadRejected,
)
from django_groupme_images.signals import picture_uploaded
from django_groupme_images.storage import GroupMeStorage
from django_groupme_images.storage.names import is_file_name
from tests.support import emulator_pictures as pictures
from tests.support.outages import fail_uploads
from tests.support.streams import UnseekableStream
from tests.support.urls_of_pictures import JPEG

PHOTO = pictures.plain()

pytestmark = pytest.mark.usefixtures("fallback")


def content_of(storage: Any, name: str) -> bytes:
    with storage.open(name) as file:
        return file.read()


# Saving


def test_save_with_available_service_leaves_fallback_empty(storage, fallback, sent, list_requests):
    name = storage.save("photos/cat.jpg", ContentFile(PHOTO))
    assert storage.picture(name).width == 48
    assert fallback.listdir("") == ([], [])
    assert list_requests() == ["POST /pictures"]
    ((signal, arguments),) = sent
    assert signal == "uploaded"
    assert arguments["sender"] is GroupMeStorage
    assert arguments["storage"] is storage
    assert arguments["picture"].url == name
    assert arguments["name"] == "photos/cat.jpg"


@pytest.mark.parametrize(
    ("status", "error"), [(503, ServiceUnavailable), (429, RateLimited), (420, RateLimited)]
)
def test_save_after_temporary_failure_writes_to_fallback(
    storage, fallback, sent, emulator, caplog, status, error
):
    fail_uploads(emulator, status)
    name = storage.save("photos/cat.jpg", ContentFile(PHOTO))
    assert name == "photos/cat.jpg"
    assert content_of(fallback, name) == PHOTO
    ((signal, arguments),) = sent
    assert signal == "postponed"
    assert arguments["sender"] is GroupMeStorage
    assert (arguments["storage"], arguments["name"]) == (storage, name)
    assert type(arguments["error"]) is error
    (record,) = [record for record in caplog.records if record.name.startswith("django_groupme")]
    assert record.levelno == logging.WARNING
    assert "photos/cat.jpg" in record.getMessage()
    assert str(status) in record.getMessage()


def test_save_without_server_writes_to_fallback(fallback, settings, free_port):
    settings.GROUPME_UPLOAD_URL = f"http://127.0.0.1:{free_port}/pictures"
    assert GroupMeStorage().save("cat.jpg", ContentFile(PHOTO)) == "cat.jpg"
    assert fallback.size("cat.jpg") == len(PHOTO)


@pytest.mark.parametrize(
    ("status", "error"), [(401, AuthenticationFailed), (400, UploadRejected), (413, UploadRejected)]
)
def test_save_of_rejected_upload_raises(storage, fallback, sent, emulator, status, error):
    fail_uploads(emulator, status)
    content = ContentFile(PHOTO)
    with pytest.raises(error):
        storage.save("cat.jpg", content)
    assert fallback.listdir("") == ([], [])
    assert content.tell() == 0
    assert [signal for signal, _ in sent] == ["failed"]


@pytest.mark.parametrize("make", [io.BytesIO, UnseekableStream, ContentFile])
def test_save_to_fallback_keeps_complete_content(storage, fallback, emulator, make):
    fail_uploads(emulator)
    assert content_of(fallback, storage.save("cat.jpg", make(PHOTO))) == PHOTO


def test_save_of_temporary_file_to_fallback_keeps_complete_content(storage, fallback, emulator):
    fail_uploads(emulator)
    upload = TemporaryUploadedFile("cat.jpg", "image/jpeg", 0, None)
    upload.write(PHOTO * 100)
    upload.seek(0)
    name = storage.save(None, upload)
    assert fallback.size(name) == len(PHOTO) * 100
    upload.close()


def test_save_to_fallback_with_strip_metadata_keeps_metadata(storage, fallback, emulator, settings):
    settings.GROUPME_STRIP_METADATA = True
    fail_uploads(emulator)
    assert content_of(fallback, storage.save("cat.jpg", ContentFile(PHOTO))) == PHOTO


def test_save_to_fallback_returns_name_given_by_fallback(storage, fallback, emulator):
    fail_uploads(emulator, times=2)
    first, second = (storage.save("a b.jpg", ContentFile(PHOTO), max_length=20) for _ in range(2))
    assert first == "a_b.jpg"
    assert first != second
    assert len(second) <= 20


@pytest.mark.parametrize(
    "name", [JPEG, "https:/i.groupme.com/1x1.png.123456789", "HTTP://i.groupme.com/123456789"]
)
def test_save_to_fallback_with_url_as_name_keeps_last_part(storage, fallback, emulator, name):
    fail_uploads(emulator)
    saved = storage.save(name, ContentFile(PHOTO))
    assert is_file_name(saved)
    assert saved == name.rpartition("/")[2]
    assert fallback.exists(saved)


class UrlNameStorage(InMemoryStorage):
    def _save(self, name: str, content: Any) -> str:
        return f"https://files.example.com/{super()._save(name, content)}"


def test_save_to_fallback_that_returns_urls_raises(storage, emulator, settings):
    settings.STORAGES = settings.STORAGES | {"urls": {"BACKEND": f"{__name__}.UrlNameStorage"}}
    settings.GROUPME_FALLBACK = "urls"
    fail_uploads(emulator)
    with pytest.raises(ImproperlyConfigured, match="looks like the URL of an uploaded image"):
        storage.save("cat.jpg", ContentFile(PHOTO))


@pytest.mark.parametrize("name", ["../cat.jpg", "a/../../cat.jpg", "/etc/cat.jpg"])
@pytest.mark.parametrize("deferred", [True, False])
def test_save_with_suspicious_name_raises(storage, fallback, emulator, settings, name, deferred):
    settings.GROUPME_DEFERRED = deferred
    fail_uploads(emulator)
    with pytest.raises(SuspiciousFileOperation):
        storage.save(name, ContentFile(PHOTO))
    assert fallback.listdir("") == ([], [])


class FullStorage(InMemoryStorage):
    def _save(self, name: str, content: Any) -> str:
        raise OSError("no space left on device")


@pytest.mark.parametrize("deferred", [False, True])
def test_save_to_full_fallback_raises_with_both_causes(storage, emulator, settings, deferred):
    settings.STORAGES = settings.STORAGES | {"full": {"BACKEND": f"{__name__}.FullStorage"}}
    settings.GROUPME_FALLBACK, settings.GROUPME_DEFERRED = "full", deferred
    fail_uploads(emulator)
    content = ContentFile(PHOTO)
    with pytest.raises(FallbackFailed, match="could not save the file: no space left") as caught:
        storage.save("cat.jpg", content)
    assert content.tell() == 0
    assert isinstance(caught.value, OSError)
    assert ("503" in str(caught.value)) is not deferred
    assert caught.value.status == (None if deferred else 503)


class TruncatedFile(ContentFile):
    """A file that raises ``ENOSPC`` after its first block."""

    def chunks(self, chunk_size: int | None = None) -> Any:
        yield from itertools.islice(super().chunks(100), 1)
        raise OSError(errno.ENOSPC, "no space left on device")


@pytest.mark.parametrize("deferred", [False, True])
def test_save_to_full_disk_leaves_no_partial_file(storage, emulator, settings, fallback, deferred):
    settings.GROUPME_DEFERRED = deferred
    fail_uploads(emulator)
    fallback.save("cat.jpg", ContentFile(b"another cat"))
    with pytest.raises(FallbackFailed, match="no space left"):
        storage.save("cat.jpg", TruncatedFile(PHOTO))
    assert fallback.listdir("") == ([], ["cat.jpg"])
    assert content_of(fallback, "cat.jpg") == b"another cat"


class RacingStorage(FileSystemStorage):
    """A storage in which another process saves the same name before the disk is full."""

    other = b"another cat"

    def _save(self, name: str, content: Any) -> str:
        super()._save(name, ContentFile(self.other))
        raise OSError(errno.ENOSPC, "no space left on device")


class RacingStorageWithSameContent(RacingStorage):
    other = PHOTO


@pytest.mark.parametrize("backend", [RacingStorage, RacingStorageWithSameContent])
def test_save_to_full_disk_keeps_file_of_another_process(
    storage, emulator, settings, tmp_path, backend
):
    config = {"BACKEND": f"{__name__}.{backend.__name__}", "OPTIONS": {"location": tmp_path}}
    settings.STORAGES = settings.STORAGES | {"raced": config}
    settings.GROUPME_FALLBACK = "raced"
    fail_uploads(emulator)
    with pytest.raises(FallbackFailed):
        storage.save("cat.jpg", ContentFile(PHOTO))
    assert (tmp_path / "cat.jpg").read_bytes() == backend.other


def test_save_with_failing_signal_receiver_succeeds(storage, emulator, sent, caplog):
    def failing_receiver(**kwargs: Any) -> None:
        raise RuntimeError("a receiver of this project")

    picture_uploaded.connect(failing_receiver)
    try:
        assert storage.exists(storage.save("cat.jpg", ContentFile(PHOTO)))
    finally:
        picture_uploaded.disconnect(failing_receiver)
    assert "a receiver of this project" in caplog.text
    assert [signal for signal, _ in sent] == ["uploaded"]


@pytest.mark.parametrize(("size", "reason"), [(0, "is empty"), (11, "has 11 bytes, more than")])
def test_deferred_save_of_invalid_size_raises(storage, fallback, settings, size, reason):
    settings.GROUPME_DEFERRED = True
    settings.GROUPME_MAX_UPLOAD_SIZE = 10
    with pytest.raises(UploadRejected, match=reason):
        storage.save("cat.jpg", ContentFile(bytes(size)))
    assert fallback.listdir("") == ([], [])


def test_deferred_save_writes_to_fallback_without_request(
    storage, fallback, sent, settings, list_requests
):
    settings.GROUPME_DEFERRED = True
    name = storage.save("cat.jpg", ContentFile(PHOTO))
    assert name == "cat.jpg"
    assert fallback.exists(name)
    assert list_requests() == sent == []
    assert storage.exists(storage.upload(ContentFile(PHOTO)).url)


def test_save_from_url_after_temporary_failure_raises(storage, emulator, sent):
    fail_uploads(emulator)
    with pytest.raises(ServiceUnavailable):
        storage.save_from_url("https://example.com/cat.jpg")
    assert [signal for signal, _ in sent] == ["failed"]


def test_save_from_url_sends_picture_uploaded(storage, sent, emulator):
    name = storage.save("cat.jpg", ContentFile(PHOTO))
    again = storage.save_from_url(name)
    assert [arguments["name"] for _, arguments in sent] == ["cat.jpg", name]
    assert sent[1][1]["picture"].url == again


# Methods that accept a URL or a file name


def test_methods_with_file_name_use_fallback(storage, fallback, list_requests, emulator):
    name = fallback.save("photos/cat.jpg", ContentFile(PHOTO))
    assert storage.exists(name)
    assert storage.size(name) == len(PHOTO)
    assert storage.url(name) == "/media/photos/cat.jpg"
    assert storage.path(name) == fallback.path(name)
    for method in ("get_modified_time", "get_created_time", "get_accessed_time"):
        assert getattr(storage, method)(name) == getattr(fallback, method)(name)
    assert content_of(storage, name) == PHOTO
    with storage.open(name, "ab") as file:
        file.write(b"!")
    assert fallback.size(name=name) == len(PHOTO) + 1
    storage.delete(name)
    assert not fallback.exists(name)
    assert not storage.exists(name)
    with pytest.raises(FileNotFoundError):
        storage.size(name)
    assert list_requests() == []


def test_path_of_missing_file_raises(storage, fallback):
    """easy-thumbnails calls ``path("test")`` to detect local storages, so this has to raise."""
    (Path(fallback.location) / "test").mkdir()
    for name in ("gone.png", "test", JPEG):
        with pytest.raises(NotImplementedError, match="no local path"):
            storage.path(name)


def test_times_of_pending_file_are_those_of_fallback(storage, fallback):
    name = fallback.save("cat.jpg", ContentFile(PHOTO))
    os.utime(fallback.path(name), (0, 0))
    assert storage.get_modified_time(name) == fallback.get_modified_time(name)
    assert storage.get_created_time(name) == fallback.get_created_time(name)
    assert storage.get_created_time(name) != storage.get_modified_time(name)


def test_methods_with_image_url_use_service(storage, fallback, list_requests):
    name = storage.save("cat.jpg", ContentFile(PHOTO))
    assert storage.exists(name)
    assert storage.size(name) > 0
    assert storage.url(name) == name
    assert storage.open(name).read()
    storage.delete(name)
    assert storage.exists(name=name)
    assert fallback.listdir("") == ([], [])


@pytest.mark.parametrize(
    "name", ["", None, "https://example.com/cat.jpg", "http://127.0.0.1/cat.jpg", "https:/a/b"]
)
def test_methods_with_invalid_name_raise_without_request(storage, list_requests, name):
    for method in ("url", "open", "size", "get_modified_time"):
        with pytest.raises(InvalidPicture):
            getattr(storage, method)(name)
    assert not storage.exists(name)
    if name:
        storage.delete(name)
    assert list_requests() == []


def test_size_with_path_object_returns_size(storage, fallback):
    name = fallback.save("photos/cat.jpg", ContentFile(PHOTO))
    assert storage.size(Path(name)) == len(PHOTO)


def test_url_of_file_name_without_fallback_raises(settings):
    settings.GROUPME_FALLBACK = None
    with pytest.raises(InvalidPicture):
        GroupMeStorage().url("photos/cat.jpg")


@pytest.mark.parametrize(
    ("alias", "reason"),
    [
        ("nowhere", "Could not find config for 'nowhere'"),
        ("groupme", "must not be a GroupMeStorage"),
        (5, "must be the alias of another storage, or None \\(got 5\\)"),
        ("", "must be the alias of another storage"),
    ],
)
def test_save_with_invalid_fallback_option_raises(settings, alias, reason):
    settings.GROUPME_FALLBACK = alias
    with pytest.raises(ImproperlyConfigured, match=reason):
        GroupMeStorage().save("cat.jpg", ContentFile(PHOTO))


def test_url_with_itself_as_fallback_raises(settings):
    settings.GROUPME_FALLBACK = "groupme"
    with pytest.raises(ImproperlyConfigured, match="the GroupMe storage itself"):
        storages["groupme"].url("cat.jpg")


def test_deferred_save_without_fallback_raises(settings):
    settings.GROUPME_FALLBACK = None
    settings.GROUPME_DEFERRED = True
    with pytest.raises(ImproperlyConfigured, match="'deferred' requires a fallback storage"):
        GroupMeStorage().save("cat.jpg", ContentFile(PHOTO))
