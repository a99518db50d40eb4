"""Tests of Django's storage contract with Django's storages and each mode of ``GroupMeStorage``."""

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
from tests.support.deadlines import DEADLINE
from tests.support.storage_contract import PHOTO, SaveContract, StorageContract


class TestFileSystemStorage(StorageContract):
    @pytest.fixture
    def storage(self, tmp_path):
        return FileSystemStorage(location=tmp_path / "files", base_url="/media/")

    @pytest.fixture
    def missing(self):
        return "missing.jpg"


class TestInMemoryStorage(SaveContract):
    """Tests only of saving, because the files differ from those of other storages."""

    @pytest.fixture
    def storage(self):
        return InMemoryStorage(base_url="/media/")

    # Django's storage does not lock between choosing a name and saving the file.
    test_concurrent_saves_return_different_names = None


class ServiceContract(StorageContract):
    """Contract of a storage that uploads every file, so names are URLs."""

    keeps_names = has_paths = lists = knows_access = deletes = writes = False
    opens_lazily = True

    @pytest.fixture
    def missing(self, emulator):
        return f"{emulator.cdn_url}1x1.png.123456789"


class TestGroupMeStorage(ServiceContract):
    @pytest.fixture
    def storage(self, emulator):
        return GroupMeStorage()


class TestGroupMeStorageWithoutMetadata(ServiceContract):
    @pytest.fixture
    def storage(self, emulator):
        return GroupMeStorage(strip_metadata=True)


class TestGroupMeStorageWithFallback(ServiceContract):
    @pytest.fixture
    def storage(self, emulator, fallback):
        return GroupMeStorage()


class FallbackContract(StorageContract):
    """Contract of a storage that saves every file to the fallback storage, a folder."""

    lists = False

    @pytest.fixture
    def missing(self):
        return "missing.jpg"


class TestGroupMeStorageDeferred(FallbackContract):
    @pytest.fixture
    def storage(self, emulator, fallback):
        return GroupMeStorage(deferred=True)


class TestGroupMeStorageInOutage(FallbackContract):
    @pytest.fixture
    def storage(self, fallback, free_port):
        return GroupMeStorage(upload_url=f"http://127.0.0.1:{free_port}/pictures")


# Missing files and other failures, on the CDN and in the fallback storage.

METHODS = {
    "exists": lambda storage, name: storage.exists(name),
    "size": lambda storage, name: storage.size(name),
    "get_created_time": lambda storage, name: storage.get_created_time(name),
    "get_modified_time": lambda storage, name: storage.get_modified_time(name),
    "open": lambda storage, name: storage.open(name).read(),
    "size of the file": lambda storage, name: storage.open(name).size,
}
every_method = pytest.mark.parametrize("method", METHODS)


@every_method
@pytest.mark.parametrize("status", [403, 404])
def test_methods_after_403_or_404_of_cdn_raise_picture_not_found(emulator, method, status):
    emulator.app.faults.add(Fault("status", status=status, headers={"Content-Type": "text/xml"}))
    name = f"{emulator.cdn_url}48x32.jpeg.123456789"
    if method == "exists":
        assert METHODS[method](GroupMeStorage(), name) is False
    else:
        with pytest.raises(
            PictureNotFound, match=rf"^{name} was not found on the CDN \(HTTP {status}\)$"
        ):
            METHODS[method](GroupMeStorage(), name)


failures = pytest.mark.parametrize(
    ("fault", "kind"),
    [
        *((Fault("status", status=status), UnexpectedResponse) for status in (204, 401, 410)),
        *((Fault("status", status=status), RateLimited) for status in (420, 429)),
        *((Fault("status", status=status), ServiceUnavailable) for status in (500, 503)),
        (Fault("redirect", location="http://127.0.0.1:9/"), UnexpectedResponse),
        (Fault("drop"), ServiceUnavailable),
        (Fault("delay", seconds=3600), ServiceUnavailable),
    ],
    ids=lambda value: f"{value.kind} {value.status}" if isinstance(value, Fault) else "",
)


@every_method
@failures
@pytest.mark.parametrize("with_fallback", [False, True])
def test_methods_after_other_failure_of_cdn_raise_it(
    request, emulator, settings, method, with_fallback, fault, kind
):
    if with_fallback:
        request.getfixturevalue("fallback")
    settings.GROUPME_TIMEOUT = 0.1 if fault.kind == "delay" else DEADLINE
    name = GroupMeStorage(timeout=DEADLINE).save("cat.jpg", ContentFile(PHOTO))
    emulator.app.faults.add(Fault(**vars(fault)))
    with pytest.raises(kind) as caught:
        METHODS[method](GroupMeStorage(), name)
    assert type(caught.value) is kind


@failures
def test_save_after_failed_upload_raises_its_error(emulator, fault, kind):
    storage = GroupMeStorage(timeout=0.1 if fault.kind == "delay" else DEADLINE)
    kind = {401: AuthenticationFailed, 410: UploadRejected}.get(fault.status, kind)
    for call in (
        lambda: storage.save("cat.jpg", ContentFile(PHOTO)),
        lambda: storage.save_from_url("http://127.0.0.1:9/cat.jpg"),
    ):
        emulator.app.faults.add(Fault(**vars(fault)))
        with pytest.raises(kind) as caught:
            call()
        assert type(caught.value) is kind


class LockedStorage(InMemoryStorage):
    """A storage without permissions."""

    def _raise_permission_error(self, *args, **kwargs):
        raise PermissionError(13, "Permission denied")

    exists = size = get_created_time = get_modified_time = _open = _raise_permission_error
    _save = delete = path = url = get_accessed_time = _raise_permission_error


@pytest.fixture
def locked_storage(settings):
    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": f"{__name__}.LockedStorage"}}
    return GroupMeStorage(fallback="default", deferred=True)


@pytest.mark.parametrize(
    "call",
    [
        *METHODS.values(),
        lambda storage, name: storage.get_accessed_time(name),
        lambda storage, name: storage.path(name),
        lambda storage, name: storage.url(name),
        lambda storage, name: storage.delete(name),
        lambda storage, name: storage.save(name, ContentFile(PHOTO)),
    ],
)
def test_methods_after_failure_of_fallback_raise_it(locked_storage, call):
    with pytest.raises(PermissionError):
        call(locked_storage, "photos/cat.jpg")


@every_method
def test_methods_with_file_missing_in_fallback_raise(fallback, method):
    if method == "exists":
        assert METHODS[method](GroupMeStorage(), "cat.jpg") is False
    else:
        with pytest.raises(FileNotFoundError) as caught:
            METHODS[method](GroupMeStorage(), "cat.jpg")
        assert not isinstance(caught.value, PictureNotFound)
