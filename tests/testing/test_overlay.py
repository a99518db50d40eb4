"""Tests of the overlay, which keeps files for the fallback storage in memory."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage, storages
from django.test.utils import override_settings
from django.utils.timezone import now

from django_groupme_images.storage import GroupMeStorage
from django_groupme_images.testing import InProcessService, image_file
from tests.support.saved_images import save_image, stored_width

# Reading


def test_file_saved_by_app_is_found_in_memory(unchanged, outage):
    storage, before = GroupMeStorage(), now()
    name = save_image("photos/ada.png")
    assert name == "photos/ada.png"
    assert storage.exists(name)
    assert storage.exists("./photos//ada.png")
    assert storage.size(name) == image_file("ada.png", 33).size
    assert storage.url(name) == "/media/photos/ada.png"
    assert stored_width(name) == stored_width("photos//ada.png") == 33
    for method in (storage.get_created_time, storage.get_modified_time, storage.get_accessed_time):
        assert timedelta() <= method(name) - before < timedelta(minutes=1)
    with pytest.raises(NotImplementedError):
        storage.path(name)
    with pytest.raises(NotImplementedError, match="in memory"):
        storage.fallback_storage.path(name)


def test_file_saved_before_block_is_found_in_real_storage(unchanged, outage):
    storage, name = GroupMeStorage(), "photos/real.png"
    assert storage.exists(name)
    assert storage.size(name) == unchanged.size(name)
    assert storage.url(name) == "/media/photos/real.png"
    assert stored_width(name) == 11
    assert storage.path(name) == unchanged.path(name)
    assert storage.get_created_time(name) == unchanged.get_created_time(name)
    assert storage.get_modified_time(name) == unchanged.get_modified_time(name)
    assert storage.get_accessed_time(name) == unchanged.get_accessed_time(name)


def test_file_saved_by_test_during_block_is_found(media, outage):
    assert not GroupMeStorage().exists("new.png")
    default_storage.save("new.png", image_file("new.png", 44))
    assert stored_width("new.png") == 44
    Path(media.path("disk.png")).write_bytes(image_file("disk.png", 55).read())
    assert stored_width("disk.png") == 55


def test_storage_used_directly_finds_files_of_the_app(unchanged, outage):
    name = save_image()
    for storage in (unchanged, storages["default"], default_storage):
        assert storage.exists(name)
        assert storage.exists("photos/real.png")
        assert stored_width(name, storage) == 33
        assert storage.size(name) == image_file(name, 33).size
        assert storage.listdir("") == (["photos"], [name])
        assert storage.get_modified_time(name) <= now()
        assert storage.get_created_time(name) == storage.get_accessed_time(name)
    default_storage.delete(name)
    assert not GroupMeStorage().exists(name)


def test_storage_used_directly_writes_real_files(media, outage):
    name = save_image()
    direct_name = media.save(name, image_file(name, 55))
    assert direct_name != name
    assert Path(media.path(direct_name)).exists()
    assert (stored_width(name, media), stored_width(direct_name, media)) == (33, 55)
    with media.open("notes.txt", "w") as file:
        file.write("mine")
    assert Path(media.path("notes.txt")).read_text(encoding="utf-8") == "mine"
    with media.open("notes.txt", mode="r") as file:
        assert file.read() == "mine"


def test_storage_used_directly_after_block_is_unchanged(media, settings):
    methods = vars(media).copy()
    with InProcessService() as service:
        service.fail(status=503)
        name = save_image()
        with InProcessService(files_in_memory=False):
            assert not media.exists(name)
        assert media.exists(name)
    assert vars(media) == methods


def test_storage_used_directly_after_settings_override_finds_files(unchanged, outage):
    name = save_image()
    for more in ({"more": {"BACKEND": "django.core.files.storage.InMemoryStorage"}}, {}):
        with override_settings(STORAGES=settings.STORAGES | more):
            assert default_storage.exists(name)
        assert default_storage.exists(name)
    without = {alias: value for alias, value in settings.STORAGES.items() if alias != "default"}
    with override_settings(STORAGES=without):
        pass
    assert default_storage.exists(name)


def test_open_and_size_of_missing_file_raise(unchanged, outage):
    assert not GroupMeStorage().exists("none.png")
    with pytest.raises(FileNotFoundError):
        GroupMeStorage().open("none.png")
    with pytest.raises(FileNotFoundError):
        GroupMeStorage().size("none.png")


def test_file_after_close_can_be_read_again(unchanged, outage):
    name = save_image()
    file = GroupMeStorage().open(name)
    first = file.read()
    file.close()
    assert file.open().read() == first
    one, other = GroupMeStorage().open(name), GroupMeStorage().open(name)
    assert (one.read(5), other.read(5)) == (first[:5], first[:5])


def test_save_of_any_file_object_stores_content(unchanged, outage):
    storage = GroupMeStorage().fallback_storage
    assert storage.save(None, ContentFile(b"abc", "ada.png")) == "ada.png"
    assert storage.save("bob.png", io.BytesIO(b"abc")) == "bob.png"
    assert storage.size("bob.png") == 3


# Names


def test_save_with_name_of_real_file_returns_other_name(unchanged, outage):
    name = save_image("photos/real.png")
    assert name != "photos/real.png"
    assert name.startswith("photos/real_")
    assert (stored_width(name), stored_width("photos/real.png")) == (33, 11)


def test_save_with_name_of_file_in_memory_returns_other_name(unchanged, outage):
    names = {save_image("ada.png", number + 1): number + 1 for number in range(5)}
    assert {name: stored_width(name) for name in names} == names


def test_save_uses_name_generated_by_real_storage(fallback, settings, outage):
    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": f"{__name__}.LowercaseStorage"}}
    assert save_image("ADA.PNG") == "lower/ada.png"


class LowercaseStorage(FileSystemStorage):
    def get_valid_name(self, name):
        return super().get_valid_name(name).lower()

    def generate_filename(self, filename):
        return f"lower/{super().generate_filename(filename)}"


def test_storage_with_allow_overwrite_keeps_real_file(unchanged, settings, outage):
    options = {"location": unchanged.location, "allow_overwrite": True}
    backend = "django.core.files.storage.FileSystemStorage"
    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": backend, "OPTIONS": options}}
    name = save_image("photos/real.png")
    assert name != "photos/real.png"
    assert stored_width("photos/real.png") == 11


def test_save_with_max_length_shortens_name(unchanged, outage):
    storage = GroupMeStorage()
    first, second = (storage.save("a" * 20 + ".png", image_file(), 20) for _ in range(2))
    assert len(first) <= 20
    assert len(second) <= 20
    assert first != second


@pytest.mark.parametrize("name", ["../ada.png", "/etc/ada.png"])
def test_save_with_name_outside_folder_raises(unchanged, outage, name):
    with pytest.raises(Exception, match=r"path traversal|outside|absolute|Detected"):
        GroupMeStorage().fallback_storage.save(name, image_file())


def test_get_valid_name_returns_name_of_real_storage(unchanged, outage):
    assert GroupMeStorage().fallback_storage.get_valid_name("a b.png") == "a_b.png"


def test_saves_from_threads_return_different_names(unchanged, outage):
    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(lambda number: save_image("ada.png", number + 1), range(40)))
    assert [stored_width(name) for name in names] == [*range(1, 41)]


# Deleting


def test_delete_of_file_in_memory_keeps_real_files(unchanged, outage):
    storage, name = GroupMeStorage(), save_image("photos/real.png")
    storage.delete(name)
    assert not storage.exists(name)
    assert storage.exists("photos/real.png")
    with pytest.raises(FileNotFoundError):
        storage.open(name)
    storage.delete(name)  # As with files on disk, a second call raises no error.


def test_delete_of_real_file_deletes_it(media, outage):
    GroupMeStorage().delete("photos/real.png")
    assert not GroupMeStorage().exists("photos/real.png")
    assert not media.exists("photos/real.png")


def test_delete_without_name_raises(unchanged, outage):
    with pytest.raises(ValueError, match="name must be given"):
        GroupMeStorage().fallback_storage.delete("")


def test_save_with_name_of_deleted_file_reuses_it(media, outage):
    name = save_image("ada.png")
    GroupMeStorage().delete(name)
    assert save_image("ada.png") == name
    GroupMeStorage().delete(name)
    media.save("ada.png", image_file("ada.png", 66))
    assert stored_width("ada.png") == 66


# Listing


def test_listdir_returns_files_in_memory_and_real_files(unchanged, outage):
    overlay = GroupMeStorage().fallback_storage
    for name in ("ada.png", "photos/ada.png", "photos/2026/ada.png", "new/a/ada.png", "gone.png"):
        save_image(name)
    GroupMeStorage().delete("gone.png")
    assert overlay.listdir("") == (["photos", "new"], ["ada.png"])
    assert overlay.listdir("photos") == (["2026"], ["real.png", "ada.png"])
    assert overlay.listdir("photos/") == overlay.listdir("./photos")
    assert overlay.listdir("new") == (["a"], [])
    assert overlay.listdir("new/a") == ([], ["ada.png"])
    with pytest.raises(FileNotFoundError):
        overlay.listdir("none")


# Opening for writing


@pytest.mark.parametrize("name", ["photos/real.png", "ada.png"])
def test_open_for_writing_writes_to_memory(unchanged, outage, name):
    storage = GroupMeStorage().fallback_storage
    save_image("ada.png")
    with storage.open(name, "wb") as file:
        file.write(b"abc")
    with storage.open(name, "ab") as file:
        file.write(b"def")
    with storage.open(name, "r+b") as file:
        file.write(b"A")
    assert storage.open(name).read() == b"Abcdef"
    assert storage.size(name) == 6
    with pytest.raises(FileExistsError):
        storage.open(name, "xb")


def test_open_new_file_for_writing_writes_to_memory(unchanged, outage):
    storage = GroupMeStorage().fallback_storage
    with storage.open("new.txt", "x") as file:
        file.write("größer")
    with storage.open("new.txt", "a") as file:
        file.write("!")
    assert storage.open("new.txt", "r").read() == "größer!"
    assert storage.open("new.txt").read() == "größer!".encode()
    with storage.open("other.txt", "ab") as file:
        file.write(b"abc")
    assert storage.size("other.txt") == 3
    with pytest.raises(FileNotFoundError):
        storage.open("none.txt", "r+b")
