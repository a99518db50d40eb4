"""
Test classes for the storage API that Django documents.

``test_storage_contract.py`` runs them with Django's storages, to prove that Django fulfills the
contract, and with ``GroupMeStorage`` in each of its modes. A subclass sets the attributes below to
``False`` for each operation that its storage does not support.
"""

from __future__ import annotations

import copy
import io
import pickle
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.base import ContentFile, File
from django.core.files.storage import Storage
from django.core.files.uploadedfile import (
    InMemoryUploadedFile,
    SimpleUploadedFile,
    TemporaryUploadedFile,
)
from django.utils import timezone

from . import emulator_pictures as pictures

PHOTO = pictures.plain()
OTHER = pictures.plain("PNG", size=(3, 2))


class SaveContract:
    """Tests of ``save()`` and of file names."""

    #: Whether ``save()`` returns the given name if it is available.
    keeps_names = True

    def test_save_returns_name_of_content(self, storage: Storage) -> None:
        name = storage.save("cat.jpg", ContentFile(PHOTO))
        assert isinstance(name, str)
        assert storage.exists(name)
        with storage.open(name) as file:
            assert file.read() == PHOTO

    @pytest.mark.parametrize("name", ["cat.jpg", "photos/2026/cat.jpg", "äö.jpg", "cat"])
    def test_save_with_valid_name_keeps_it_if_supported(self, storage: Storage, name: str) -> None:
        saved = storage.save(name, ContentFile(PHOTO))
        assert (saved == name) == self.keeps_names
        assert "\\" not in saved

    def test_save_with_existing_name_keeps_both_contents(self, storage: Storage) -> None:
        names = [storage.save("cat.jpg", ContentFile(data)) for data in (PHOTO, OTHER, PHOTO)]
        assert len(set(names)) == 3
        for name, data in zip(names, (PHOTO, OTHER, PHOTO), strict=True):
            with storage.open(name) as file:
                assert file.read() == data

    def test_save_without_name_uses_name_of_content(self, storage: Storage) -> None:
        assert storage.exists(storage.save(None, ContentFile(PHOTO, name="cat.jpg")))

    @pytest.mark.parametrize(
        "name", ["../cat.jpg", "a/../../cat.jpg", "/etc/cat.jpg", "", ".", ".."]
    )
    def test_save_with_suspicious_name_raises(self, storage: Storage, name: str) -> None:
        content = ContentFile(PHOTO)
        with pytest.raises(SuspiciousFileOperation):
            storage.save(name, content)
        assert not content.closed

    @pytest.mark.parametrize(
        "make",
        [
            ContentFile,
            io.BytesIO,
            lambda data: File(io.BytesIO(data)),
            lambda data: SimpleUploadedFile("cat.jpg", data, "image/jpeg"),
            lambda data: InMemoryUploadedFile(
                io.BytesIO(data), "photo", "cat.jpg", "image/jpeg", len(data), None
            ),
        ],
        ids=["ContentFile", "BytesIO", "File", "SimpleUploadedFile", "InMemoryUploadedFile"],
    )
    def test_save_of_any_file_object_reads_from_beginning(
        self, storage: Storage, make: Any
    ) -> None:
        content = make(PHOTO)
        content.seek(5)
        name = storage.save("cat.jpg", content)
        with storage.open(name) as file:
            assert file.read() == PHOTO

    def test_save_of_file_on_disk_keeps_it_open(self, storage: Storage, tmp_path: Path) -> None:
        (tmp_path / "cat.jpg").write_bytes(PHOTO)
        with (tmp_path / "cat.jpg").open("rb") as content:
            name = storage.save("cat.jpg", File(content))
            assert not content.closed
        assert (tmp_path / "cat.jpg").exists()
        with storage.open(name) as file:
            assert file.read() == PHOTO

    def test_save_of_temporary_uploaded_file_stores_content(self, storage: Storage) -> None:
        with TemporaryUploadedFile("cat.jpg", "image/jpeg", len(PHOTO), None) as content:
            content.write(PHOTO)
            content.seek(0)
            name = storage.save("cat.jpg", content)
        with storage.open(name) as file:
            assert file.read() == PHOTO

    def test_save_of_stored_file_creates_copy(self, storage: Storage) -> None:
        name = storage.save("cat.jpg", ContentFile(PHOTO))
        with storage.open(name) as content:
            again = storage.save("again.jpg", content)
        assert again != name
        with storage.open(again) as file:
            assert file.read() == PHOTO

    def test_concurrent_saves_return_different_names(self, storage: Storage) -> None:
        photos = [pictures.plain("PNG", size=(number, 1)) for number in range(1, 13)]
        with ThreadPoolExecutor(12) as pool:
            names = list(pool.map(lambda data: storage.save("a.png", ContentFile(data)), photos))
        assert len(set(names)) == len(photos)
        for name, data in zip(names, photos, strict=True):
            with storage.open(name) as file:
                assert file.read() == data

    def test_name_methods_sanitize_or_reject_names(self, storage: Storage) -> None:
        assert storage.get_valid_name("a b;c.jpg") == "a_bc.jpg"
        assert storage.generate_filename("photos/a b.jpg") == "photos/a_b.jpg"
        for name in ("", ".", "..", "photos/.."):
            with pytest.raises(SuspiciousFileOperation):
                storage.get_valid_name(name.rpartition("/")[2])
            with pytest.raises(SuspiciousFileOperation):
                storage.generate_filename(name)
        for name in ("../a.jpg", "a/../../b.jpg"):
            with pytest.raises(SuspiciousFileOperation):
                storage.generate_filename(name)

    def test_is_name_available_with_existing_or_long_name_is_false(self, storage: Storage) -> None:
        assert storage.is_name_available("never-saved.jpg", max_length=100)
        assert not storage.is_name_available("never-saved.jpg", max_length=5)
        name = storage.save("cat.jpg", ContentFile(PHOTO))
        assert not storage.is_name_available(name)

    def test_get_alternative_name_keeps_extension(self, storage: Storage) -> None:
        assert re.fullmatch(r"cat_\w{7}\.jpg", storage.get_alternative_name("cat", ".jpg"))

    def test_save_with_too_small_max_length_raises_if_names_are_kept(
        self, storage: Storage
    ) -> None:
        storage.save("cat.jpg", ContentFile(PHOTO))
        if self.keeps_names:
            with pytest.raises(SuspiciousFileOperation):
                storage.save("cat.jpg", ContentFile(PHOTO), max_length=5)
        else:
            storage.save("cat.jpg", ContentFile(PHOTO), max_length=5)

    def test_save_with_max_length_shortens_name_if_names_are_kept(self, storage: Storage) -> None:
        for _ in range(2):
            name = storage.save("x" * 90 + ".jpg", ContentFile(PHOTO), max_length=60)
            assert len(name) <= 60 or not self.keeps_names
            assert storage.exists(name)


class OpenContract:
    """Tests of ``open()`` and of the file that it returns."""

    #: Whether files can be opened for writing, and whether only reading raises for a missing file.
    writes, opens_lazily = True, False

    def test_open_returns_django_file(self, storage: Storage) -> None:
        name = storage.save("cat.jpg", ContentFile(PHOTO))
        with storage.open(name) as file:
            assert isinstance(file, File)
            assert file.name.endswith(name)
            assert (file.readable(), file.seekable(), file.closed) == (True, True, False)
            assert file.size == len(file) == len(PHOTO)
            assert b"".join(file.chunks(100)) == PHOTO
            assert file.multiple_chunks(100)
            assert not file.multiple_chunks()
            assert file.seek(2) == file.tell() == 2
            assert file.read(3) == PHOTO[2:5]
            assert file.seek(-1, io.SEEK_END) == len(PHOTO) - 1
            assert file.read() == PHOTO[-1:]
            assert file.read() == b""
        assert file.closed

    def test_open_of_opened_file_reads_from_beginning(self, storage: Storage) -> None:
        file = storage.open(storage.save("cat.jpg", ContentFile(PHOTO)))
        file.read(5)
        assert file.open().read() == PHOTO
        file.close()
        file.close()

    def test_open_twice_returns_independent_files(self, storage: Storage) -> None:
        name = storage.save("cat.jpg", ContentFile(PHOTO))
        with storage.open(name) as one, storage.open(name) as other:
            assert one.read(10) + other.read(10) == PHOTO[:10] * 2
            one.close()
            assert other.read() == PHOTO[10:]

    def test_open_returns_content_that_pillow_reads(self, storage: Storage) -> None:
        with storage.open(storage.save("cat.jpg", ContentFile(PHOTO))) as file:
            assert pictures.opened(file.read()).size == (48, 32)

    def test_open_of_missing_file_raises(self, storage: Storage, missing: str) -> None:
        if self.opens_lazily:
            file = storage.open(missing)
            with pytest.raises(FileNotFoundError):
                file.read()
        else:
            with pytest.raises(FileNotFoundError):
                storage.open(missing)

    def test_open_with_mode_returns_file_of_that_mode(self, storage: Storage) -> None:
        name = storage.save("cat.jpg", ContentFile(PHOTO))
        with storage.open(name) as file:
            assert file.mode == "rb"
            assert not file.writable()
        if self.writes:
            with storage.open(name, "wb") as file:
                file.write(OTHER)
            assert storage.size(name) == len(OTHER)
        else:
            with pytest.raises(ValueError, match="mode 'wb'"):
                storage.open(name, "wb")


class InformationContract:
    """Tests of the methods that return information about a file."""

    has_paths = lists = knows_access = deletes = True

    @pytest.fixture
    def name(self, storage: Storage) -> str:
        return storage.save("cat.jpg", ContentFile(PHOTO))

    def test_exists_returns_whether_file_is_stored(
        self, storage: Storage, name: str, missing: str
    ) -> None:
        assert storage.exists(name) is True
        assert storage.exists(missing) is False

    def test_size_of_missing_file_raises(self, storage: Storage, name: str, missing: str) -> None:
        assert storage.size(name) == len(PHOTO)
        with pytest.raises(FileNotFoundError):
            storage.size(missing)

    def test_url_of_each_file_is_stable_and_unique(self, storage: Storage, name: str) -> None:
        assert isinstance(storage.url(name), str)
        assert storage.url(name) == storage.url(name)
        assert storage.url(name) != storage.url(storage.save("cat.jpg", ContentFile(OTHER)))

    @pytest.mark.parametrize("method", ["get_created_time", "get_modified_time"])
    def test_times_with_use_tz_are_aware(
        self, storage: Storage, name: str, missing: str, method: str, settings: Any
    ) -> None:
        ask = getattr(storage, method)
        assert abs(ask(name) - timezone.now()) < timedelta(minutes=1)
        assert ask(name).tzinfo is UTC
        with pytest.raises(FileNotFoundError):
            ask(missing)
        settings.USE_TZ = False
        assert abs(ask(name) - datetime.now()) < timedelta(minutes=1)  # noqa: DTZ005

    def test_accessed_time_is_recent_if_supported(
        self, storage: Storage, name: str, missing: str
    ) -> None:
        if self.knows_access:
            assert abs(storage.get_accessed_time(name) - timezone.now()) < timedelta(minutes=1)
            assert storage.get_accessed_time(name).tzinfo is UTC
            with pytest.raises(FileNotFoundError):
                storage.get_accessed_time(missing)
        else:
            with pytest.raises(NotImplementedError):
                storage.get_accessed_time(name)

    def test_path_leads_to_content_if_supported(self, storage: Storage, name: str) -> None:
        if self.has_paths:
            assert Path(storage.path(name)).read_bytes() == PHOTO
        else:
            with pytest.raises(NotImplementedError):
                storage.path(name)

    @pytest.mark.parametrize("name", ["../../secret", "/etc/passwd"])
    def test_methods_with_suspicious_name_raise(self, storage: Storage, name: str) -> None:
        for ask in (storage.exists, storage.open, storage.path, storage.size):
            with pytest.raises((SuspiciousFileOperation, NotImplementedError, ValueError)):
                assert ask(name) is False  # exists() may return False instead.
                raise NotImplementedError

    def test_url_of_special_characters_is_quoted(self, storage: Storage) -> None:
        url = storage.url(storage.save("a b#c?d%e.jpg", ContentFile(PHOTO)))
        assert not {" ", "#", "?"} & set(url)
        assert "%e" not in url

    def test_listdir_returns_folders_and_files_if_supported(self, storage: Storage) -> None:
        if not self.lists:
            with pytest.raises(NotImplementedError):
                storage.listdir("")
            return
        for name in ("a.jpg", "folder/b.jpg"):
            storage.save(name, ContentFile(PHOTO))
        assert storage.listdir("") == (["folder"], ["a.jpg"])

    def test_delete_removes_file_if_supported(
        self, storage: Storage, name: str, missing: str
    ) -> None:
        other = storage.save("cat.jpg", ContentFile(OTHER))
        storage.delete(name)
        assert storage.exists(name) == (not self.deletes)
        assert storage.exists(other)
        storage.delete(missing)  # Deleting a missing file raises no error.
        with pytest.raises(ValueError, match="name must be given"):
            storage.delete("")

    def test_copy_has_urls_of_original(self, storage: Storage, name: str) -> None:
        for again in (copy.copy(storage), copy.deepcopy(storage)):
            assert again.url(name) == storage.url(name)
        assert again == storage or type(storage).__eq__ is object.__eq__

    def test_deconstruct_returns_arguments_of_equal_storage(self, storage: Any, name: str) -> None:
        path, args, kwargs = storage.deconstruct()
        assert path.rpartition(".")[2] == type(storage).__name__
        assert type(storage)(*args, **kwargs).url(name) == storage.url(name)


class PickleContract:
    """Tests of pickling, for storages that support it."""

    def test_pickle_has_files_of_original(self, storage: Storage) -> None:
        name = storage.save("cat.jpg", ContentFile(PHOTO))
        again = pickle.loads(pickle.dumps(storage))
        assert again.url(name) == storage.url(name)
        assert again.exists(name)


class StorageContract(SaveContract, OpenContract, InformationContract, PickleContract):
    """All tests. Subclasses define the fixtures ``storage`` and ``missing`` (a missing name)."""
