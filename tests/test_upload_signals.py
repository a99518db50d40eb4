"""Tests of the signals that each way to upload an image sends: one for each result."""

from __future__ import annotations

import asyncio
import io
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core.exceptions import ImproperlyConfigured, SuspiciousFileOperation
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage, storages
from django.core.management import CommandError, call_command

from django_groupme_images.bulk.mirror import MIRROR_FOLDER
from django_groupme_images.emulator.faults import Fault
from django_groupme_images.exceptions import (
    AuthenticationFailed,
    FallbackFailed,
    GroupMeImageError,
    ImageRejected,
    ServiceError,
    ServiceUnavailable,
    UploadRejected,
)
from django_groupme_images.pictures import Picture
from django_groupme_images.signals import upload_failed
from django_groupme_images.storage import GroupMeStorage, groupme_storage
from django_groupme_images.storage.reuse import save_once
from django_groupme_images.tasks import upload_row
from tests.support import emulator_pictures as pictures
from tests.support.api import MemberSerializer
from tests.support.bulk import create_members, save_file
from tests.support.field_data import PHOTO, content_file, uploaded_file
from tests.support.form_data import MemberForm
from tests.support.groupme_check import create_member, delete_from_cdn, upload_image
from tests.support.multiple_images import AlbumForm, images, submit
from tests.support.outages import fail_uploads
from tests.testapp.models import Member

pytestmark = pytest.mark.django_db(databases=["default", "other"])

REMOTE = "https://example.com/cat.jpg"


@pytest.fixture(autouse=True)
def fast_retries(settings: Any) -> None:
    settings.GROUPME_MAX_RETRIES = 0
    settings.GROUPME_MAX_RETRY_WAIT = 0.01


class FullStorage(InMemoryStorage):
    def _save(self, name: str, content: Any) -> str:
        raise OSError("no space left on device")


# Ways to upload an image with the name cat.jpg


def save() -> None:
    groupme_storage.save("cat.jpg", content_file())


def save_in_event_loop() -> None:
    async def main() -> None:
        groupme_storage.save("cat.jpg", content_file())

    asyncio.run(main())


def save_in_thread_of_async_view() -> None:
    asyncio.run(sync_to_async(groupme_storage.save)("cat.jpg", content_file()))


def save_concurrently() -> None:
    contents = [content_file("cat.jpg")]
    with GroupMeStorage().concurrent_uploads(contents):
        GroupMeStorage().save(None, contents[0])


def save_instance() -> None:
    Member.objects.create(photo=content_file())


def validate_form_that_is_invalid() -> None:
    MemberForm({"name": ""}, {"photo": uploaded_file()}).is_valid()


def validate_and_save_form() -> None:
    form = MemberForm({"name": "Ada"}, {"photo": uploaded_file()})
    if form.is_valid():
        form.save()


def validate_form_for_multiple_images() -> None:
    submit(AlbumForm, images("cat.jpg")).is_valid()


def save_serializer() -> None:
    serializer = MemberSerializer(data={"name": "Ada", "photo": uploaded_file()})
    serializer.is_valid(raise_exception=True)
    serializer.save()


SAVES: list[Callable[[], Any]] = [
    save,
    save_in_event_loop,
    save_in_thread_of_async_view,
    save_concurrently,
    save_instance,
    validate_form_that_is_invalid,
    validate_and_save_form,
    validate_form_for_multiple_images,
    save_serializer,
]


# Ways to upload a pending file


def run_command() -> None:
    call_command("groupme_upload", rate=0, verbosity=0)


def run_task() -> None:
    upload_row.func("gallery.Member", str(Member.objects.get().pk), "default")


# Ways to make the image service fetch an image


def save_from_url(url: str) -> None:
    groupme_storage.save_from_url(url)


def save_field_from_url(url: str) -> None:
    Member().photo.save_from_url(url)


def save_field_from_url_asynchronously(url: str) -> None:
    asyncio.run(Member().photo.asave_from_url(url, save=False))


def validate_form_with_url(url: str) -> None:
    MemberForm({"name": "Ada", "photo-url": url}).is_valid()


def save_serializer_with_url(url: str) -> None:
    serializer = MemberSerializer(data={"name": "Ada", "photo": url})
    serializer.is_valid(raise_exception=True)


FETCHES: list[Callable[[str], Any]] = [
    save_from_url,
    save_field_from_url,
    save_field_from_url_asynchronously,
    validate_form_with_url,
    save_serializer_with_url,
]

ERRORS = [(400, UploadRejected), (401, AuthenticationFailed), (503, ServiceUnavailable)]


def uploaded_bytes(emulator: Any) -> int:
    """Return the size of the body of the latest request."""
    return int(emulator.app.record.as_list()[-1]["body_bytes"])


def basename(name: str) -> str:
    return name.rpartition("/")[2]


def assert_failed_once(sent: Any, error: type[ServiceError], name: str) -> None:
    ((kind, values),) = sent
    assert kind == "failed"
    assert values["sender"] is type(values["storage"]) is GroupMeStorage
    assert values["name"].endswith(basename(name))  # Forms add a prefix to names of pending files.
    assert type(values["error"]) is error
    # These would keep a socket open.
    assert values["error"].__traceback__ is values["error"].__context__ is None


@pytest.mark.parametrize("way", SAVES)
def test_upload_sends_picture_uploaded_with_duration_and_size(way, emulator, sent):
    started = time.perf_counter()
    way()
    elapsed = time.perf_counter() - started
    ((kind, values),) = sent
    assert kind == "uploaded"
    assert values["sender"] is type(values["storage"]) is GroupMeStorage
    assert basename(values["name"]) == "cat.jpg"
    assert 0 < values["duration"] < elapsed
    assert values["size"] == uploaded_bytes(emulator) > 0


@pytest.mark.parametrize("way", SAVES)
@pytest.mark.parametrize(("status", "error"), ERRORS)
def test_failed_upload_sends_upload_failed(way, status, error, emulator, sent):
    fail_uploads(emulator, status, times=100)
    with suppress(Exception):
        way()
    assert_failed_once(sent, error, "cat.jpg")


@pytest.mark.parametrize("way", SAVES)
def test_postponed_upload_sends_only_upload_postponed(way, emulator, fallback, sent):
    fail_uploads(emulator, times=100)
    way()
    assert [kind for kind, _ in sent] == ["postponed"]


@pytest.mark.parametrize("way", SAVES)
def test_upload_that_fallback_cannot_save_sends_upload_failed(way, emulator, settings, sent):
    settings.STORAGES = settings.STORAGES | {"full": {"BACKEND": f"{__name__}.FullStorage"}}
    settings.GROUPME_FALLBACK = "full"
    fail_uploads(emulator, times=100)
    with suppress(Exception):
        way()
    assert_failed_once(sent, FallbackFailed, "cat.jpg")


@pytest.mark.parametrize("way", [run_command, run_task])
def test_upload_of_pending_file_sends_duration_and_size(way, emulator, fallback, sent):
    create_members(name := save_file())
    way()
    ((kind, values),) = sent
    assert (kind, values["name"], values["size"]) == ("uploaded", name, len(PHOTO))
    assert values["duration"] > 0


@pytest.mark.parametrize("way", [run_command, run_task])
@pytest.mark.parametrize(("status", "error"), ERRORS)
def test_failed_upload_of_pending_file_sends_upload_failed(
    way, status, error, emulator, fallback, sent
):
    create_members(name := save_file())
    fail_uploads(emulator, status, times=100)
    with suppress(CommandError, SystemExit, GroupMeImageError):
        way()
    assert_failed_once(sent, error, name)
    assert sent[0][1]["name"] == name


@pytest.mark.parametrize("way", [run_command, run_task])
def test_upload_of_missing_pending_file_sends_no_signal(way, emulator, fallback, sent):
    create_members("missing.jpg")
    with suppress(CommandError, SystemExit, GroupMeImageError):
        way()
    assert sent == []


@pytest.mark.parametrize("way", FETCHES)
def test_fetched_image_sends_picture_uploaded_without_size(way, emulator, remote_url, sent):
    way(remote_url)
    ((kind, values),) = sent
    assert (kind, values["name"], values["size"]) == ("uploaded", remote_url, None)
    assert values["duration"] > 0


@pytest.mark.parametrize("way", FETCHES)
@pytest.mark.parametrize(("status", "error"), ERRORS)
def test_failed_fetch_sends_upload_failed(way, status, error, emulator, fallback, sent):
    fail_uploads(emulator, status, times=100)
    with suppress(Exception):
        way(REMOTE)
    assert_failed_once(sent, error, REMOTE)
    assert sent[0][1]["name"] == REMOTE


@pytest.mark.parametrize("url", ["ftp://example.com/cat.jpg", ""])
def test_save_from_invalid_url_sends_upload_failed(url, emulator, sent):
    with pytest.raises(UploadRejected):
        groupme_storage.save_from_url(url)
    assert_failed_once(sent, UploadRejected, url)


# Restored images


@pytest.fixture
def missing_photo(emulator: Any, settings: Any, sent: Any) -> str:
    """The URL of a missing image that is in the mirror."""
    settings.STORAGES = settings.STORAGES | {
        "mirror": {"BACKEND": "django.core.files.storage.InMemoryStorage"}
    }
    row = create_member(upload_image())
    call_command("groupme_check", mirror="mirror", rate=0, verbosity=0)
    delete_from_cdn(emulator, row.photo.name)
    sent.clear()
    return str(row.photo.name)


def restore() -> None:
    with suppress(CommandError, SystemExit):
        call_command("groupme_check", restore="mirror", rate=0, verbosity=0)


def test_restored_image_sends_picture_uploaded(missing_photo, sent):
    restore()
    ((kind, values),) = sent
    assert (kind, values["name"], values["size"]) == ("uploaded", missing_photo, len(PHOTO))
    assert values["duration"] > 0


@pytest.mark.parametrize(("status", "error"), ERRORS)
def test_failed_restore_sends_upload_failed(missing_photo, status, error, emulator, sent):
    fail_uploads(emulator, status, times=100)
    restore()
    assert_failed_once(sent, error, missing_photo)
    assert sent[0][1]["name"] == missing_photo


def test_restore_with_second_copy_sends_only_picture_uploaded(missing_photo, emulator, sent):
    storages["mirror"].save(Picture.parse(missing_photo, emulator.cdn_url).id, content_file())
    fail_uploads(emulator, 400)
    restore()
    assert [kind for kind, _ in sent] == ["uploaded"]


def test_restore_of_damaged_copy_sends_no_signal(missing_photo, emulator, sent):
    name = f"{MIRROR_FOLDER}/{basename(missing_photo)}"
    storages["mirror"].delete(name)
    storages["mirror"].save(name, ContentFile(PHOTO[:-40]))
    restore()
    assert sent == []


# Files that are rejected before anything is sent, and other exceptions


@pytest.mark.parametrize("deferred", [False, True])
def test_save_of_file_that_is_too_large_sends_upload_failed(
    deferred, fallback, settings, sent, list_requests
):
    settings.GROUPME_DEFERRED, settings.GROUPME_MAX_UPLOAD_SIZE = deferred, 10
    with pytest.raises(ImageRejected):
        save()
    assert_failed_once(sent, ImageRejected, "cat.jpg")
    assert sent[0][1]["error"].code == "too_large"
    assert list_requests() == []


@pytest.mark.parametrize("count", [1, 3])
def test_concurrent_upload_of_rejected_file_sends_upload_failed_once(
    count, emulator, settings, sent
):
    settings.GROUPME_MAX_UPLOAD_SIZE, settings.GROUPME_STRIP_METADATA = 2000, True
    contents = [content_file(f"{number}.jpg") for number in range(count)]
    contents[0] = ContentFile(bytes(3000), "large.jpg")
    storage = GroupMeStorage()
    with storage.concurrent_uploads(contents):
        for content in contents:
            with suppress(ImageRejected):
                save_once(content, storage, lambda content=content: storage.save(None, content))
    assert [kind for kind, _ in sent] == ["failed", *["uploaded"] * (count - 1)]
    assert sent[0][1]["name"] == "large.jpg"


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("cat.jpg", io.StringIO("text"), TypeError),
        ("../cat.jpg", content_file(), SuspiciousFileOperation),
    ],
)
def test_save_that_raises_another_exception_sends_no_signal(name, content, error, emulator, sent):
    with pytest.raises(error):
        groupme_storage.save(name, content)
    assert sent == []


def test_save_without_token_configured_sends_no_signal(emulator, settings, monkeypatch, sent):
    monkeypatch.delenv("GM_TOKEN", raising=False)
    settings.GROUPME_ACCESS_TOKEN = None
    with pytest.raises(ImproperlyConfigured):
        save()
    assert sent == []


def test_form_that_rejects_file_sends_no_signal(emulator, sent):
    files = [uploaded_file("cat.jpg", b"text"), uploaded_file("cat.jpg", PHOTO[:-40])]
    for file in files:
        assert not MemberForm({"name": "Ada"}, {"photo": file}).is_valid()
        assert not MemberSerializer(data={"name": "Ada", "photo": file}).is_valid()
    assert sent == []


def test_deferred_save_sends_no_signal(fallback, settings, sent):
    settings.GROUPME_DEFERRED = True
    save()
    assert sent == []


# Concurrent uploads


def save_three_concurrently() -> None:
    contents, storage = images("a.jpg", "b.jpg", "c.jpg"), GroupMeStorage()
    with storage.concurrent_uploads(contents):
        for content in contents:
            with suppress(ServiceError):
                storage.save(None, content)


def test_concurrent_uploads_send_duration_and_size_of_each_file(emulator, sent):
    emulator.app.faults.add(Fault("delay", seconds=0.1, times=3))
    save_three_concurrently()
    assert [values["name"] for _, values in sent] == ["a.jpg", "b.jpg", "c.jpg"]
    assert all(values["duration"] >= 0.1 for _, values in sent)
    sizes = [image.size for image in images("a.jpg", "b.jpg", "c.jpg")]
    assert [values["size"] for _, values in sent] == sizes


def test_failed_concurrent_uploads_send_upload_failed_in_calling_thread(emulator, sent):
    threads = []

    def note(**kwargs: Any) -> None:
        threads.append(threading.current_thread())

    fail_uploads(emulator, times=100)
    upload_failed.connect(note)
    save_three_concurrently()
    upload_failed.disconnect(note)
    assert [values["name"] for _, values in sent] == ["a.jpg", "b.jpg", "c.jpg"]
    assert {kind for kind, _ in sent} == {"failed"}
    assert {*threads} == {threading.current_thread()}


# Durations, sizes, and receivers


def test_duration_excludes_time_to_determine_token(emulator, settings, monkeypatch, sent):
    now = [0.0]
    clock = SimpleNamespace(perf_counter=lambda: now[0])
    monkeypatch.setattr("django_groupme_images.measurement.time", clock)
    settings.GROUPME_ACCESS_TOKEN = lambda: now.append(now.pop() + 100) or "token"
    save()
    assert (now, sent[0][1]["duration"]) == ([100], 0)


def test_duration_includes_wait_before_retry(emulator, settings, sent):
    settings.GROUPME_MAX_RETRIES, settings.GROUPME_MAX_RETRY_WAIT = 1, 0.1
    fail_uploads(emulator, 429)
    save()
    assert sent[0][1]["duration"] >= 0.1


def test_size_of_converted_image_is_that_of_uploaded_file(emulator, sent):
    content = pictures.encoded(pictures.opened(PHOTO), "WEBP")
    groupme_storage.save("cat.webp", ContentFile(content))
    assert sent[0][1]["size"] == uploaded_bytes(emulator) != len(content)


def test_failed_save_with_failing_receiver_raises_error_of_upload(emulator, caplog):
    def fail(**kwargs: Any) -> None:
        raise ValueError("a receiver of this project")

    fail_uploads(emulator, 400)
    upload_failed.connect(fail)
    try:
        with pytest.raises(UploadRejected):
            save()
    finally:
        upload_failed.disconnect(fail)
    assert "a receiver of this project" in caplog.text
