"""Django's contract of a storage: for Django's own, and for ours in each of its ways of working."""

from __future__ import annotations

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, InMemoryStorage

from django_groupme_images.emulator.faults import Fault
from django_groupme_images.exceptions import (
    AuthenticationFailed,
    PictureNotFound,
    RateLimited,
    ServiceUnavailable,
    UnexpectedResponse,
    UploadRejected,
)
from django_groupme_images.storage import GroupMeStorage

from .storage_contract import PHOTO, Saving, StorageContract


class TestFileSystemStorage(StorageContract):
    @pytest.fixture
    def storage(self, tmp_path):
        return FileSystemStorage(location=tmp_path / "files", base_url="/media/")

    @pytest.fixture
    def missing(self):
        return "missing.jpg"


class TestInMemoryStorage(Saving):
    """What it opens is not quite a file of Django's."""

    @pytest.fixture
    def storage(self):
        return InMemoryStorage(base_url="/media/")


class OnGroupMe(StorageContract):
    """Every file becomes a picture."""

    keeps_names = has_paths = lists = knows_access = deletes = writes = False
    opens_lazily = True

    @pytest.fixture
    def missing(self, emulator):
        return f"{emulator.cdn_url}1x1.png.123456789"


class TestGroupMeStorage(OnGroupMe):
    @pytest.fixture
    def storage(self, emulator):
        return GroupMeStorage()


class TestGroupMeStorageWithoutMetadata(OnGroupMe):
    @pytest.fixture
    def storage(self, emulator):
        return GroupMeStorage(strip_metadata=True)


class TestGroupMeStorageWithFallback(OnGroupMe):
    @pytest.fixture
    def storage(self, emulator, fallback):
        return GroupMeStorage()


class InTheFallback(StorageContract):
    """Every file goes to the fallback, and is one of a disk."""

    lists = False

    @pytest.fixture
    def missing(self):
        return "missing.jpg"


class TestGroupMeStorageDeferred(InTheFallback):
    @pytest.fixture
    def storage(self, emulator, fallback):
        return GroupMeStorage(deferred=True)


class TestGroupMeStorageInAnOutage(InTheFallback):
    @pytest.fixture
    def storage(self, fallback, free_port):
        return GroupMeStorage(upload_url=f"http://127.0.0.1:{free_port}/pictures")


# Not there, and every other failure: for a picture, and for a file of the fallback.

ASKING = {
    "exists": lambda storage, name: storage.exists(name),
    "size": lambda storage, name: storage.size(name),
    "get_created_time": lambda storage, name: storage.get_created_time(name),
    "get_modified_time": lambda storage, name: storage.get_modified_time(name),
    "open": lambda storage, name: storage.open(name).read(),
    "size of the file": lambda storage, name: storage.open(name).size,
}
every_method = pytest.mark.parametrize("method", ASKING)


@every_method
@pytest.mark.parametrize("status", [403, 404])
def test_only_these_mean_that_a_picture_is_not_there(emulator, method, status):
    emulator.app.faults.add(Fault("status", status=status, headers={"Content-Type": "text/xml"}))
    name = f"{emulator.cdn_url}48x32.jpeg.123456789"
    if method == "exists":
        assert ASKING[method](GroupMeStorage(), name) is False
    else:
        with pytest.raises(PictureNotFound, match=rf"^{name} is not there \({status}\)$"):
            ASKING[method](GroupMeStorage(), name)


failures = pytest.mark.parametrize(
    ("fault", "kind"),
    [
        *((Fault("status", status=status), UnexpectedResponse) for status in (204, 401, 410)),
        *((Fault("status", status=status), RateLimited) for status in (420, 429)),
        *((Fault("status", status=status), ServiceUnavailable) for status in (500, 503)),
        (Fault("redirect", location="http://127.0.0.1:9/"), UnexpectedResponse),
        (Fault("drop"), ServiceUnavailable),
        (Fault("delay", seconds=0.5), ServiceUnavailable),
    ],
    ids=lambda value: f"{value.kind} {value.status}" if isinstance(value, Fault) else "",
)


@every_method
@failures
@pytest.mark.parametrize("with_fallback", [False, True])
def test_every_other_failure_of_the_cdn_propagates(
    request, emulator, settings, method, with_fallback, fault, kind
):
    if with_fallback:
        request.getfixturevalue("fallback")
    settings.GROUPME_TIMEOUT = 0.1 if fault.kind == "delay" else 30
    name = GroupMeStorage(timeout=30).save("cat.jpg", ContentFile(PHOTO))
    emulator.app.faults.add(Fault(**vars(fault)))
    with pytest.raises(kind) as caught:
        ASKING[method](GroupMeStorage(), name)
    assert type(caught.value) is kind


@failures
def test_every_failure_of_an_upload_propagates(emulator, fault, kind):
    storage = GroupMeStorage(timeout=0.1 if fault.kind == "delay" else 30)
    kind = {401: AuthenticationFailed, 410: UploadRejected}.get(fault.status, kind)
    for call in (
        lambda: storage.save("cat.jpg", ContentFile(PHOTO)),
        lambda: storage.save_from_url("http://127.0.0.1:9/cat.jpg"),
    ):
        emulator.app.faults.add(Fault(**vars(fault)))
        with pytest.raises(kind) as caught:
            call()
        assert type(caught.value) is kind


class Locked(InMemoryStorage):
    """A disk that may not be read."""

    def _refuse(self, *args, **kwargs):
        raise PermissionError(13, "Permission denied")

    exists = size = get_created_time = get_modified_time = _open = _refuse
    _save = delete = path = url = get_accessed_time = _refuse


@pytest.fixture
def locked(settings):
    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": f"{__name__}.Locked"}}
    return GroupMeStorage(fallback="default", deferred=True)


@pytest.mark.parametrize(
    "call",
    [
        *ASKING.values(),
        lambda storage, name: storage.get_accessed_time(name),
        lambda storage, name: storage.path(name),
        lambda storage, name: storage.url(name),
        lambda storage, name: storage.delete(name),
        lambda storage, name: storage.save(name, ContentFile(PHOTO)),
    ],
)
def test_every_failure_of_the_fallback_propagates(locked, call):
    with pytest.raises(PermissionError):
        call(locked, "photos/cat.jpg")


@every_method
def test_a_file_that_is_not_in_the_fallback(fallback, method):
    if method == "exists":
        assert ASKING[method](GroupMeStorage(), "cat.jpg") is False
    else:
        with pytest.raises(FileNotFoundError) as caught:
            ASKING[method](GroupMeStorage(), "cat.jpg")
        assert not isinstance(caught.value, PictureNotFound)
