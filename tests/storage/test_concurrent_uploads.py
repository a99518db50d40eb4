"""``GroupMeStorage.concurrent_uploads()``: several files are uploaded at the same time."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any

import pytest
from django.core.files.base import ContentFile

from django_groupme_images.client import GroupMeClient
from django_groupme_images.emulator import EmulatorServer
from django_groupme_images.emulator.faults import Fault
from django_groupme_images.exceptions import (
    AuthenticationFailed,
    ImageRejected,
    RateLimited,
    ServiceUnavailable,
    UploadRejected,
)
from django_groupme_images.pictures import Picture
from django_groupme_images.storage import GroupMeStorage
from django_groupme_images.storage.names import is_file_name
from django_groupme_images.storage.reuse import save_once
from django_groupme_images.testing import InProcessService
from tests.support import emulator_pictures as pictures
from tests.support.deadlines import DEADLINE
from tests.support.descriptors import CAN_COUNT, no_more_descriptors
from tests.support.field_data import upload_count
from tests.support.gates import Gate
from tests.support.outages import fail_uploads


def files(count: int, **options: Any) -> list[ContentFile[bytes]]:
    """Return images of different widths: 1, 2, 3, … pixels."""
    return [
        ContentFile(pictures.plain(size=(width, 1), **options), f"{width}.jpg")
        for width in range(1, count + 1)
    ]


def save_all(storage: GroupMeStorage, contents: Any, **options: Any) -> list[str]:
    with storage.concurrent_uploads(contents, **options):
        return [storage.save(None, content) for content in contents]


def outcomes(storage: GroupMeStorage, contents: Any) -> list[type]:
    """Return the type of the exception of each file, or ``str``."""
    results: list[type] = []
    with storage.concurrent_uploads(contents):
        for content in contents:
            try:
                results.append(type(storage.save(None, content)))
            except Exception as error:  # noqa: BLE001
                results.append(type(error))
    return results


def widths(names: list[str]) -> list[int | None]:
    return [Picture.parse(name, name.rpartition("/")[0]).width for name in names]


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_concurrent_uploads_are_at_most_limit_at_a_time_and_in_order(settings, limit):
    gate = Gate(limit)
    with EmulatorServer(log=gate) as server:
        settings.GROUPME_UPLOAD_URL, settings.GROUPME_CDN_URL = server.upload_url, server.cdn_url
        names = save_all(GroupMeStorage(), files(6), limit=limit)
        assert len({entry["connection"] for entry in server.app.record.as_list()}) == limit
    assert not gate.is_broken
    assert gate.peak == limit
    assert widths(names) == [1, 2, 3, 4, 5, 6]


def test_concurrent_uploads_prepare_at_most_limit_images_at_a_time(storage, monkeypatch):
    import tempfile

    open_files: list[Any] = []
    peak = 0

    class CountedFile(tempfile.SpooledTemporaryFile):  # type: ignore[type-arg]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            nonlocal peak
            super().__init__(*args, **kwargs)
            open_files.append(self)
            peak = max(peak, sum(not file.closed for file in open_files))

    monkeypatch.setattr(tempfile, "SpooledTemporaryFile", CountedFile)
    storage.max_dimension = 10
    contents = [ContentFile(pictures.plain(size=(20 + n, 20)), f"{n}.jpg") for n in range(7)]
    assert len(save_all(storage, contents)) == 7
    assert peak == 3
    assert all(file.closed for file in open_files)


def test_concurrent_uploads_call_token_and_send_signals_in_calling_thread(storage, sent):
    threads = []

    def token() -> str:
        threads.append(threading.current_thread())
        return "token"

    storage.access_token = token
    names = save_all(storage, files(4))
    assert threads == [threading.current_thread()] * 4
    assert [(kind, values["picture"].url) for kind, values in sent] == [
        ("uploaded", name) for name in names
    ]


def test_concurrent_uploads_leave_no_thread_and_no_socket(emulator):
    names: list[str] = []
    save_all(GroupMeStorage(), files(3))
    threads = set(threading.enumerate())
    if not CAN_COUNT:
        pytest.skip("the system does not list descriptors")
    emulator.stop()  # Its sockets are in this process.
    with no_more_descriptors():
        with suppress(ServiceUnavailable):
            names = save_all(GroupMeStorage(max_retries=0), files(3))
        assert not {thread for thread in threading.enumerate() if "Pool" in thread.name} - threads
    assert names == []


def test_concurrent_upload_of_one_file_keeps_connection_of_thread(storage, emulator):
    for content in files(2):
        save_all(storage, [content])
    assert len({entry["connection"] for entry in emulator.app.record.as_list()}) == 1


def test_concurrent_uploads_after_rejected_file_continue(storage, emulator, list_requests):
    emulator.app.faults.add(Fault("status", status=400, method="POST"))
    results = outcomes(storage, files(5))
    assert sorted(result.__name__ for result in results) == ["UploadRejected"] + ["str"] * 4
    assert upload_count(list_requests) == 5


def test_concurrent_uploads_with_invalid_file_raise_its_error_in_order(storage, list_requests):
    storage.max_upload_size = 2000
    contents = files(3)
    contents.insert(1, ContentFile(bytes(3000), "large.jpg"))
    assert outcomes(storage, contents) == [str, ImageRejected, str, str]
    assert upload_count(list_requests) == 3


def test_concurrent_uploads_prepare_each_file_once(storage, monkeypatch):
    prepared = []

    def prepare(self: Any, content: Any) -> Any:
        prepared.append(content.name)
        return original(self, content)

    original = GroupMeStorage._prepared
    monkeypatch.setattr(GroupMeStorage, "_prepared", prepare)
    storage.max_upload_size = 2000
    contents = files(3)
    contents.insert(1, ContentFile(bytes(3000), "large.jpg"))
    assert outcomes(storage, contents) == [str, ImageRejected, str, str]
    assert prepared == [content.name for content in contents]


def test_concurrent_upload_of_corrected_file_succeeds(storage):
    storage.max_upload_size = 2000
    content = ContentFile(bytes(3000), "large.jpg")
    with storage.concurrent_uploads([*files(1), content]):
        with pytest.raises(ImageRejected):
            storage.save("large.jpg", content)
        content.seek(0)
        content.truncate()
        content.write(pictures.plain())
        assert storage.save("small.jpg", content).startswith(storage.cdn_url)


@pytest.mark.parametrize(
    ("status", "error"),
    [(503, ServiceUnavailable), (429, RateLimited), (401, AuthenticationFailed)],
)
def test_concurrent_uploads_in_outage_start_no_more(
    storage, emulator, list_requests, status, error
):
    storage.max_retries = 0
    fail_uploads(emulator, status, times=100)
    assert outcomes(storage, files(40)) == [error] * 40
    assert upload_count(list_requests) == 3


@pytest.mark.parametrize("is_overridden", [False, True])
def test_concurrent_uploads_in_outage_save_rest_to_fallback(
    fallback, emulator, list_requests, sent, is_overridden
):
    storage = (Overridden if is_overridden else GroupMeStorage)(max_retries=0)
    fail_uploads(emulator, times=100)
    names = save_all(storage, files(10))
    assert all(map(is_file_name, names))
    assert [kind for kind, _ in sent] == ["postponed"] * 10
    assert upload_count(list_requests) == (1 if is_overridden else 3)
    for name, content in zip(names, files(10), strict=True):
        with fallback.open(name) as file:
            assert file.read() == content.read()


def test_concurrent_uploads_without_fallback_prepare_nothing_after_outage(storage, emulator):
    fail_uploads(emulator, times=100)
    storage.max_retries, storage.max_dimension = 0, 10
    contents = [ContentFile(pictures.plain(size=(20, 20)), f"{n}.jpg") for n in range(6)]
    with storage.concurrent_uploads(contents):
        for content in contents[:3]:
            with pytest.raises(ServiceUnavailable):
                storage.save(None, content)
        contents[3].close()  # Reading it would raise ValueError.
        with pytest.raises(ServiceUnavailable):
            storage.save(None, contents[3])


class Overridden(GroupMeStorage):
    """A storage that changes the name of each file."""

    def save(self, name: Any, content: Any, max_length: Any = None) -> str:
        return super().save(f"x-{content.name}", content, max_length)


class Rewriting(GroupMeStorage):
    """A storage that changes the content of each file."""

    def _save(self, name: str, content: Any) -> str:
        return super()._save(name, ContentFile(pictures.plain(size=(99, 9)), name))


def test_concurrent_uploads_of_subclass_use_its_methods(emulator, sent):
    assert len(save_all(Overridden(), files(3))) == 3
    assert [values["name"] for _, values in sent] == ["x-1.jpg", "x-2.jpg", "x-3.jpg"]
    assert widths(save_all(Rewriting(), files(3))) == [99, 99, 99]
    assert len({entry["connection"] for entry in emulator.app.record.as_list()}) == 2


def test_concurrent_uploads_with_deferred_send_nothing(fallback, list_requests):
    names = save_all(GroupMeStorage(deferred=True), files(4))
    assert all(map(is_file_name, names))
    assert list_requests() == []


def pool_threads() -> set[threading.Thread]:
    """Return the threads of pools, which may include those of earlier tests."""
    return {thread for thread in threading.enumerate() if "ThreadPool" in thread.name}


def test_concurrent_uploads_after_exception_finish_and_report(storage, sent):
    contents, threads = files(5), pool_threads()
    with pytest.raises(KeyError), storage.concurrent_uploads(contents):
        storage.save(None, contents[0])
        assert pool_threads() - threads
        raise KeyError
    assert not pool_threads() - threads
    assert [values["name"] for _, values in sent] == ["1.jpg", "2.jpg", "3.jpg"]


def test_concurrent_uploads_after_exception_do_not_report_failed_ones(storage, emulator, sent):
    storage.max_retries = 0
    fail_uploads(emulator, times=3)
    contents = files(3)
    with pytest.raises(ServiceUnavailable), storage.concurrent_uploads(contents):
        storage.save(None, contents[0])
    assert [values["name"] for _, values in sent] == ["1.jpg"]


class BrokenFile(ContentFile):  # type: ignore[type-arg]
    """A file that cannot be read, or that only the thread that created it can read."""

    def __init__(self, *args: Any, is_readable_here: bool) -> None:
        super().__init__(*args)
        self._thread = threading.current_thread() if is_readable_here else None

    def read(self, size: int = -1) -> bytes:
        content = super().read(size)
        if threading.current_thread() is not self._thread:
            raise OSError("the disk is broken")
        return content


@pytest.mark.parametrize("is_readable_here", [False, True])
def test_concurrent_upload_of_unreadable_file_raises_its_error(storage, is_readable_here):
    contents = [
        BrokenFile(pictures.plain(), f"{n}.jpg", is_readable_here=is_readable_here)
        for n in range(2)
    ]
    with pytest.raises(OSError, match="disk"):
        save_all(storage, contents)
    assert contents[0].tell() == 0


def test_concurrent_uploads_of_same_file_read_it_in_one_thread(storage, list_requests):
    [file] = files(1)
    assert len(save_all(storage, [file, file])) == 2
    with storage.concurrent_uploads([file, file]):
        names = [save_once(file, storage, lambda: storage.save(None, file)) for _ in range(2)]
    assert names[0] == names[1]
    assert upload_count(list_requests) == 3


def test_concurrent_uploads_skip_uploaded_files(storage, list_requests):
    contents = files(3)
    for _ in range(2):
        with storage.concurrent_uploads(contents):
            for content in contents:
                save_once(content, storage, lambda content=content: storage.save(None, content))
    assert upload_count(list_requests) == 3


def test_save_to_other_storage_during_concurrent_uploads_is_separate(storage, list_requests):
    contents = files(2)
    with storage.concurrent_uploads(contents):
        for content in contents:
            storage.save(None, content)
        GroupMeStorage().save(None, contents[0])
        storage.save(None, files(3)[2])
    assert upload_count(list_requests) == 4


def test_concurrent_uploads_with_max_upload_time_are_limited_together(settings):
    class Slow(Gate):
        def __call__(self, line: str) -> None:
            done.wait(DEADLINE)

    done = threading.Event()
    with EmulatorServer(log=Slow()) as server:
        settings.GROUPME_UPLOAD_URL, settings.GROUPME_CDN_URL = server.upload_url, server.cdn_url
        storage = GroupMeStorage(max_upload_time=0.5, timeout=DEADLINE)
        assert outcomes(storage, files(8)) == [ServiceUnavailable] * 8
        done.set()


def test_concurrent_uploads_in_tests_are_made_in_order():
    contents = files(8)
    with InProcessService() as service:
        save_all(GroupMeStorage(), contents)
        assert [upload.picture.width for upload in service.uploads] == [1, 2, 3, 4, 5, 6, 7, 8]


def test_start_upload_without_token_fails_in_future(emulator):
    from concurrent.futures import ThreadPoolExecutor

    client = GroupMeClient(None, upload_url=emulator.upload_url, cdn_url=emulator.cdn_url)
    with ThreadPoolExecutor(1) as executor:
        future = client.start_upload(files(1)[0], executor)
    assert isinstance(future.exception(), AuthenticationFailed)
    assert not isinstance(future.exception(), UploadRejected)
