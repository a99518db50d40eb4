"""
What Django's documentation promises of any storage, as suites to inherit.

``test_storage_contract.py`` runs them for Django's own storages, so that it is Django's
contract and not ours, and for ``GroupMeStorage`` in each of its ways of working. A subclass
says, in the attributes below, what its storage cannot do; it must then say why itself.
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


class Saving:
    """``save()``, and what becomes of names."""

    #: Whether a name says which file was saved, or is the storage's own.
    keeps_names = True

    def test_a_name_comes_back_under_which_the_content_is(self, storage: Storage) -> None:
        name = storage.save("cat.jpg", ContentFile(PHOTO))
        assert isinstance(name, str)
        assert storage.exists(name)
        with storage.open(name) as file:
            assert file.read() == PHOTO

    @pytest.mark.parametrize("name", ["cat.jpg", "photos/2026/cat.jpg", "äö.jpg", "cat"])
    def test_names(self, storage: Storage, name: str) -> None:
        saved = storage.save(name, ContentFile(PHOTO))
        assert (saved == name) == self.keeps_names
        assert "\\" not in saved

    def test_a_name_that_is_taken_stays_with_its_content(self, storage: Storage) -> None:
        names = [storage.save("cat.jpg", ContentFile(data)) for data in (PHOTO, OTHER, PHOTO)]
        assert len(set(names)) == 3
        for name, data in zip(names, (PHOTO, OTHER, PHOTO), strict=True):
            with storage.open(name) as file:
                assert file.read() == data

    def test_a_file_may_bring_its_name(self, storage: Storage) -> None:
        assert storage.exists(storage.save(None, ContentFile(PHOTO, name="cat.jpg")))

    @pytest.mark.parametrize(
        "name", ["../cat.jpg", "a/../../cat.jpg", "/etc/cat.jpg", "", ".", ".."]
    )
    def test_a_name_that_leads_elsewhere_is_refused(self, storage: Storage, name: str) -> None:
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
    def test_content_of_every_kind_from_its_beginning(self, storage: Storage, make: Any) -> None:
        content = make(PHOTO)
        content.seek(5)
        name = storage.save("cat.jpg", content)
        with storage.open(name) as file:
            assert file.read() == PHOTO

    def test_a_file_on_a_disk(self, storage: Storage, tmp_path: Path) -> None:
        (tmp_path / "cat.jpg").write_bytes(PHOTO)
        with (tmp_path / "cat.jpg").open("rb") as content:
            name = storage.save("cat.jpg", File(content))
            assert not content.closed
        assert (tmp_path / "cat.jpg").exists()
        with storage.open(name) as file:
            assert file.read() == PHOTO

    def test_a_large_uploaded_file(self, storage: Storage) -> None:
        with TemporaryUploadedFile("cat.jpg", "image/jpeg", len(PHOTO), None) as content:
            content.write(PHOTO)
            content.seek(0)
            name = storage.save("cat.jpg", content)
        with storage.open(name) as file:
            assert file.read() == PHOTO

    def test_a_file_of_the_storage_itself(self, storage: Storage) -> None:
        name = storage.save("cat.jpg", ContentFile(PHOTO))
        with storage.open(name) as content:
            again = storage.save("again.jpg", content)
        assert again != name
        with storage.open(again) as file:
            assert file.read() == PHOTO

    def test_many_at_once_get_names_of_their_own(self, storage: Storage) -> None:
        photos = [pictures.plain("PNG", size=(number, 1)) for number in range(1, 13)]
        with ThreadPoolExecutor(12) as pool:
            names = list(pool.map(lambda data: storage.save("a.png", ContentFile(data)), photos))
        assert len(set(names)) == len(photos)
        for name, data in zip(names, photos, strict=True):
            with storage.open(name) as file:
                assert file.read() == data

    def test_names_are_cleaned_as_everywhere(self, storage: Storage) -> None:
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

    def test_a_name_that_is_taken_or_too_long_is_not_available(self, storage: Storage) -> None:
        assert storage.is_name_available("never-saved.jpg", max_length=100)
        assert not storage.is_name_available("never-saved.jpg", max_length=5)
        name = storage.save("cat.jpg", ContentFile(PHOTO))
        assert not storage.is_name_available(name)

    def test_another_name_has_the_same_ending(self, storage: Storage) -> None:
        assert re.fullmatch(r"cat_\w{7}\.jpg", storage.get_alternative_name("cat", ".jpg"))

    def test_a_longest_name_that_leaves_no_room(self, storage: Storage) -> None:
        storage.save("cat.jpg", ContentFile(PHOTO))
        if self.keeps_names:
            with pytest.raises(SuspiciousFileOperation):
                storage.save("cat.jpg", ContentFile(PHOTO), max_length=5)
        else:
            storage.save("cat.jpg", ContentFile(PHOTO), max_length=5)

    def test_a_longest_name_holds_where_names_are_kept(self, storage: Storage) -> None:
        for _ in range(2):
            name = storage.save("x" * 90 + ".jpg", ContentFile(PHOTO), max_length=60)
            assert len(name) <= 60 or not self.keeps_names
            assert storage.exists(name)


class Opening:
    """``open()``, and the file that it gives."""

    #: Whether a file is opened for writing, too; and whether only reading asks if it is there.
    writes, opens_lazily = True, False

    def test_it_is_a_file_of_django(self, storage: Storage) -> None:
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

    def test_it_is_opened_again(self, storage: Storage) -> None:
        file = storage.open(storage.save("cat.jpg", ContentFile(PHOTO)))
        file.read(5)
        assert file.open().read() == PHOTO
        file.close()
        file.close()

    def test_two_at_once_do_not_disturb_each_other(self, storage: Storage) -> None:
        name = storage.save("cat.jpg", ContentFile(PHOTO))
        with storage.open(name) as one, storage.open(name) as other:
            assert one.read(10) + other.read(10) == PHOTO[:10] * 2
            one.close()
            assert other.read() == PHOTO[10:]

    def test_pillow_reads_it(self, storage: Storage) -> None:
        with storage.open(storage.save("cat.jpg", ContentFile(PHOTO))) as file:
            assert pictures.opened(file.read()).size == (48, 32)

    def test_one_that_is_not_there(self, storage: Storage, missing: str) -> None:
        if self.opens_lazily:
            file = storage.open(missing)
            with pytest.raises(FileNotFoundError):
                file.read()
        else:
            with pytest.raises(FileNotFoundError):
                storage.open(missing)

    def test_its_mode_is_that_it_was_opened_with(self, storage: Storage) -> None:
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


class Asking:
    """What a storage says of a file, without opening it."""

    has_paths = lists = knows_access = deletes = True

    @pytest.fixture
    def name(self, storage: Storage) -> str:
        return storage.save("cat.jpg", ContentFile(PHOTO))

    def test_exists(self, storage: Storage, name: str, missing: str) -> None:
        assert storage.exists(name) is True
        assert storage.exists(missing) is False

    def test_size(self, storage: Storage, name: str, missing: str) -> None:
        assert storage.size(name) == len(PHOTO)
        with pytest.raises(FileNotFoundError):
            storage.size(missing)

    def test_url(self, storage: Storage, name: str) -> None:
        assert isinstance(storage.url(name), str)
        assert storage.url(name) == storage.url(name)
        assert storage.url(name) != storage.url(storage.save("cat.jpg", ContentFile(OTHER)))

    @pytest.mark.parametrize("method", ["get_created_time", "get_modified_time"])
    def test_times(
        self, storage: Storage, name: str, missing: str, method: str, settings: Any
    ) -> None:
        ask = getattr(storage, method)
        assert abs(ask(name) - timezone.now()) < timedelta(minutes=1)
        assert ask(name).tzinfo is UTC
        with pytest.raises(FileNotFoundError):
            ask(missing)
        settings.USE_TZ = False
        assert abs(ask(name) - datetime.now()) < timedelta(minutes=1)  # noqa: DTZ005

    def test_time_of_access(self, storage: Storage, name: str, missing: str) -> None:
        if self.knows_access:
            assert abs(storage.get_accessed_time(name) - timezone.now()) < timedelta(minutes=1)
            assert storage.get_accessed_time(name).tzinfo is UTC
            with pytest.raises(FileNotFoundError):
                storage.get_accessed_time(missing)
        else:
            with pytest.raises(NotImplementedError):
                storage.get_accessed_time(name)

    def test_path(self, storage: Storage, name: str) -> None:
        if self.has_paths:
            assert Path(storage.path(name)).read_bytes() == PHOTO
        else:
            with pytest.raises(NotImplementedError):
                storage.path(name)

    @pytest.mark.parametrize("name", ["../../secret", "/etc/passwd"])
    def test_a_name_that_leads_elsewhere(self, storage: Storage, name: str) -> None:
        for ask in (storage.exists, storage.open, storage.path, storage.size):
            with pytest.raises((SuspiciousFileOperation, NotImplementedError, ValueError)):
                assert ask(name) is False  # exists() may say so
                raise NotImplementedError

    def test_a_url_can_stand_in_a_page(self, storage: Storage) -> None:
        url = storage.url(storage.save("a b#c?d%e.jpg", ContentFile(PHOTO)))
        assert not {" ", "#", "?"} & set(url)
        assert "%e" not in url

    def test_listdir(self, storage: Storage) -> None:
        if not self.lists:
            with pytest.raises(NotImplementedError):
                storage.listdir("")
            return
        for name in ("a.jpg", "folder/b.jpg"):
            storage.save(name, ContentFile(PHOTO))
        assert storage.listdir("") == (["folder"], ["a.jpg"])

    def test_delete(self, storage: Storage, name: str, missing: str) -> None:
        other = storage.save("cat.jpg", ContentFile(OTHER))
        storage.delete(name)
        assert storage.exists(name) == (not self.deletes)
        assert storage.exists(other)
        storage.delete(missing)  # is no error
        with pytest.raises(ValueError, match="name must be given"):
            storage.delete("")

    def test_a_copy_works_as_the_original(self, storage: Storage, name: str) -> None:
        for again in (copy.copy(storage), copy.deepcopy(storage)):
            assert again.url(name) == storage.url(name)
        assert again == storage or type(storage).__eq__ is object.__eq__

    def test_it_comes_out_of_a_migration_as_it_went_in(self, storage: Any, name: str) -> None:
        path, args, kwargs = storage.deconstruct()
        assert path.rpartition(".")[2] == type(storage).__name__
        assert type(storage)(*args, **kwargs).url(name) == storage.url(name)


class Pickling:
    """For storages that can be pickled, as those on a disk can."""

    def test_a_pickle(self, storage: Storage) -> None:
        name = storage.save("cat.jpg", ContentFile(PHOTO))
        again = pickle.loads(pickle.dumps(storage))
        assert again.url(name) == storage.url(name)
        assert again.exists(name)


class StorageContract(Saving, Opening, Asking, Pickling):
    """All of it. A subclass has the fixtures ``storage``, and ``missing``, a name of no file."""
