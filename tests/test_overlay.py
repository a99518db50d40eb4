"""Files that the app writes to a fallback storage during a test stay in memory."""

from __future__ import annotations

import copy
import io
import pickle
import unittest
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from django import forms
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage, storages
from django.core.management import call_command
from django.test import TestCase
from django.test.utils import override_settings
from django.utils.timezone import now
from PIL import Image

from django_groupme_images.fallback import overlays
from django_groupme_images.forms import GroupMeImageFormField
from django_groupme_images.storage import GroupMeStorage
from django_groupme_images.tasks import upload_batch, upload_row
from django_groupme_images.testing import InProcessService, InProcessServiceMixin, image_file

from .api import MemberSerializer
from .gallery.models import Member

BACKENDS = upload_row.get_backend().__module__.rpartition(".")[0]


@pytest.fixture
def media(fallback):
    """The folder of the fallback storage, which contains one file of the project."""
    fallback.save("photos/real.png", image_file("real.png", 11, 22))
    return fallback


@pytest.fixture
def outage(groupme_service):
    """Uploads fail as long as the test runs, and the files go to the fallback storage."""
    groupme_service.fail(status=503, times=999)
    return groupme_service


def on_disk(storage):
    """Each file and folder, with the content."""
    return sorted(
        (str(path), path.read_bytes() if path.is_file() else None)
        for path in Path(storage.location).rglob("*")
    )


def saved(name="ada.png", width=33, storage=None):
    return (storage or GroupMeStorage()).save(name, image_file(name, width))


def width(name, storage=None):
    with (storage or GroupMeStorage()).open(name) as file:
        return Image.open(file).width


@pytest.fixture
def unchanged(media):
    """The folder is the same after the test as before."""
    before = on_disk(media)
    yield media
    assert on_disk(media) == before


# Reading


def test_file_of_the_app_is_found_in_memory(unchanged, outage):
    storage, before = GroupMeStorage(), now()
    name = saved("photos/ada.png")
    assert name == "photos/ada.png"
    assert storage.exists(name)
    assert storage.exists("./photos//ada.png")
    assert storage.size(name) == image_file("ada.png", 33).size
    assert storage.url(name) == "/media/photos/ada.png"
    assert width(name) == width("photos//ada.png") == 33
    for method in (storage.get_created_time, storage.get_modified_time, storage.get_accessed_time):
        assert timedelta() <= method(name) - before < timedelta(minutes=1)
    with pytest.raises(NotImplementedError):
        storage.path(name)
    with pytest.raises(NotImplementedError, match="in memory"):
        storage.fallback_storage.path(name)


def test_file_of_the_test_is_found_in_the_real_storage(unchanged, outage):
    storage, name = GroupMeStorage(), "photos/real.png"
    assert storage.exists(name)
    assert storage.size(name) == unchanged.size(name)
    assert storage.url(name) == "/media/photos/real.png"
    assert width(name) == 11
    assert storage.path(name) == unchanged.path(name)
    assert storage.get_created_time(name) == unchanged.get_created_time(name)
    assert storage.get_modified_time(name) == unchanged.get_modified_time(name)
    assert storage.get_accessed_time(name) == unchanged.get_accessed_time(name)


def test_file_that_the_test_saves_during_the_block_is_found(media, outage):
    assert not GroupMeStorage().exists("new.png")
    default_storage.save("new.png", image_file("new.png", 44))
    assert width("new.png") == 44
    Path(media.path("disk.png")).write_bytes(image_file("disk.png", 55).read())
    assert width("disk.png") == 55


def test_storage_used_directly_finds_files_of_the_app(unchanged, outage):
    name = saved()
    for storage in (unchanged, storages["default"], default_storage):
        assert storage.exists(name)
        assert storage.exists("photos/real.png")
        assert width(name, storage) == 33
        assert storage.size(name) == image_file(name, 33).size
        assert storage.listdir("") == (["photos"], [name])
        assert storage.get_modified_time(name) <= now()
        assert storage.get_created_time(name) == storage.get_accessed_time(name)
    default_storage.delete(name)
    assert not GroupMeStorage().exists(name)


def test_storage_used_directly_writes_real_files(media, outage):
    name = saved()
    mine = media.save(name, image_file(name, 55))
    assert mine != name
    assert Path(media.path(mine)).exists()
    assert (width(name, media), width(mine, media)) == (33, 55)
    with media.open("notes.txt", "w") as file:
        file.write("mine")
    assert Path(media.path("notes.txt")).read_text() == "mine"
    with media.open("notes.txt", mode="r") as file:
        assert file.read() == "mine"


def test_storage_used_directly_is_as_before_after_the_block(media, settings):
    methods = vars(media).copy()
    with InProcessService() as service:
        service.fail(status=503)
        name = saved()
        with InProcessService(files_in_memory=False):
            assert not media.exists(name)
        assert media.exists(name)
    assert vars(media) == methods


def test_storage_used_directly_finds_files_after_settings_are_overridden(unchanged, outage):
    name = saved()
    for more in ({"more": {"BACKEND": "django.core.files.storage.InMemoryStorage"}}, {}):
        with override_settings(STORAGES=settings.STORAGES | more):
            assert default_storage.exists(name)
        assert default_storage.exists(name)
    without = {alias: value for alias, value in settings.STORAGES.items() if alias != "default"}
    with override_settings(STORAGES=without):
        pass
    assert default_storage.exists(name)


def test_missing_file_raises(unchanged, outage):
    assert not GroupMeStorage().exists("none.png")
    with pytest.raises(FileNotFoundError):
        GroupMeStorage().open("none.png")
    with pytest.raises(FileNotFoundError):
        GroupMeStorage().size("none.png")


def test_file_can_be_read_again_after_it_is_closed(unchanged, outage):
    name = saved()
    file = GroupMeStorage().open(name)
    first = file.read()
    file.close()
    assert file.open().read() == first
    one, other = GroupMeStorage().open(name), GroupMeStorage().open(name)
    assert (one.read(5), other.read(5)) == (first[:5], first[:5])


# Names


def test_name_of_a_real_file_is_not_used(unchanged, outage):
    name = saved("photos/real.png")
    assert name != "photos/real.png"
    assert name.startswith("photos/real_")
    assert (width(name), width("photos/real.png")) == (33, 11)


def test_name_of_a_file_in_memory_is_not_used(unchanged, outage):
    names = {saved("ada.png", number + 1): number + 1 for number in range(5)}
    assert {name: width(name) for name in names} == names


def test_name_is_made_by_the_real_storage(fallback, settings, outage):
    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": f"{__name__}.Lower"}}
    assert saved("ADA.PNG") == "lower/ada.png"


class Lower(FileSystemStorage):
    def get_valid_name(self, name):
        return super().get_valid_name(name).lower()

    def generate_filename(self, filename):
        return f"lower/{super().generate_filename(filename)}"


def test_storage_that_overwrites_files_keeps_its_own(unchanged, settings, outage):
    options = {"location": unchanged.location, "allow_overwrite": True}
    backend = "django.core.files.storage.FileSystemStorage"
    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": backend, "OPTIONS": options}}
    name = saved("photos/real.png")
    assert name != "photos/real.png"
    assert width("photos/real.png") == 11


def test_max_length_is_kept(unchanged, outage):
    storage = GroupMeStorage()
    first, second = (storage.save("a" * 20 + ".png", image_file(), 20) for _ in range(2))
    assert len(first) <= 20
    assert len(second) <= 20
    assert first != second


@pytest.mark.parametrize("name", ["../ada.png", "/etc/ada.png"])
def test_name_outside_the_folder_raises(unchanged, outage, name):
    with pytest.raises(Exception, match=r"path traversal|outside|absolute|Detected"):
        GroupMeStorage().fallback_storage.save(name, image_file())


def test_valid_names_are_those_of_the_real_storage(unchanged, outage):
    assert GroupMeStorage().fallback_storage.get_valid_name("a b.png") == "a_b.png"


def test_threads_get_names_of_their_own(unchanged, outage):
    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(lambda number: saved("ada.png", number + 1), range(40)))
    assert [width(name) for name in names] == [*range(1, 41)]


# Deleting


def test_deleting_a_file_in_memory_keeps_real_files(unchanged, outage):
    storage, name = GroupMeStorage(), saved("photos/real.png")
    storage.delete(name)
    assert not storage.exists(name)
    assert storage.exists("photos/real.png")
    with pytest.raises(FileNotFoundError):
        storage.open(name)
    storage.delete(name)  # once more, as from a disk


def test_deleting_a_real_file_deletes_it(media, outage):
    GroupMeStorage().delete("photos/real.png")
    assert not GroupMeStorage().exists("photos/real.png")
    assert not media.exists("photos/real.png")


def test_deleting_without_a_name_raises(unchanged, outage):
    with pytest.raises(ValueError, match="name must be given"):
        GroupMeStorage().fallback_storage.delete("")


def test_name_of_a_deleted_file_can_be_used_again(media, outage):
    name = saved("ada.png")
    GroupMeStorage().delete(name)
    assert saved("ada.png") == name
    GroupMeStorage().delete(name)
    media.save("ada.png", image_file("ada.png", 66))
    assert width("ada.png") == 66


# Listing


def test_listdir_lists_both(unchanged, outage):
    overlay = GroupMeStorage().fallback_storage
    for name in ("ada.png", "photos/ada.png", "photos/2026/ada.png", "new/a/ada.png", "gone.png"):
        saved(name)
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
    saved("ada.png")
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


# Blocks


def test_files_are_gone_after_the_block(unchanged):
    storage = GroupMeStorage()
    with InProcessService() as service:
        service.fail(status=503)
        name = saved()
        assert storage.exists(name)
        assert not Path(unchanged.path(name)).exists()
    assert not storage.exists(name)
    assert not unchanged.exists(name)
    assert storage.fallback_storage is unchanged
    with service:
        assert not storage.exists(name)
    assert overlays == []


def test_files_are_gone_after_a_block_that_fails(unchanged):
    with pytest.raises(RuntimeError, match="the test failed"), InProcessService() as service:
        service.fail(status=503)
        saved()
        raise RuntimeError("the test failed")
    assert overlays == []
    assert GroupMeStorage().fallback_storage is unchanged


def test_turned_off_files_are_real(media):
    with InProcessService(files_in_memory=False) as service:
        service.fail(status=503)
        name = saved()
        assert GroupMeStorage().path(name) == media.path(name)
        assert GroupMeStorage().fallback_storage is media
    assert media.exists(name)


def test_turned_off_within_another_block_files_are_real(media, outage):
    with InProcessService(files_in_memory=False) as service:
        service.fail(status=503)
        assert media.exists(saved("inner.png"))
    outage.fail(status=503)
    assert not media.exists(saved("outer.png"))


def test_inner_block_sees_and_restores_files_of_the_outer_one(unchanged, outage):
    storage = GroupMeStorage()
    kept, deleted = saved("kept.png"), saved("deleted.png")
    with InProcessService() as service:
        service.fail(status=503, times=9)
        assert width(kept) == 33
        storage.delete(deleted)
        assert not storage.exists(deleted)
        assert saved("kept.png") != kept
        with storage.fallback_storage.open(kept, "wb") as file:
            file.write(b"changed")
        assert storage.fallback_storage.listdir("")[1] == ["kept.png", *others(storage, kept)]
    assert width(kept) == width(deleted) == 33
    assert others(storage, kept) == [deleted]


def others(storage, *names):
    return [name for name in storage.fallback_storage.listdir("")[1] if name not in names]


def test_blocks_that_end_in_another_order_keep_their_own_files(unchanged):
    first, second, storage = InProcessService(), InProcessService(), GroupMeStorage()
    with ExitStack() as stack:
        stack.enter_context(first).fail(status=503)
        of_first = saved("first.png")
        stack.enter_context(second).fail(status=503, times=2)
        of_second = saved("second.png")
        first.__exit__(None, None, None)
        assert not storage.exists(of_first)
        assert width(of_second) == 33
        assert storage.exists(saved("third.png"))
        first.__enter__()
    assert overlays == []


# Settings


def test_storages_overridden_within_the_block_keep_the_files(unchanged, settings, outage):
    name = saved()
    options = {"fallback": "default", "deferred": True}
    backend = "django_groupme_images.storage.GroupMeStorage"
    groupme = {"groupme": {"BACKEND": backend, "OPTIONS": options}}
    with override_settings(STORAGES=settings.STORAGES | groupme):
        assert storages["default"] is not unchanged
        assert width(name, storages["groupme"]) == 33
        later = saved("later.png", storage=storages["groupme"])
    assert width(later) == 33


def test_other_folder_has_files_of_its_own(unchanged, settings, tmp_path, outage):
    name = saved()
    backend = "django.core.files.storage.FileSystemStorage"
    options = {"location": tmp_path / "other"}
    default = {"default": {"BACKEND": backend, "OPTIONS": options}}
    with override_settings(STORAGES=settings.STORAGES | default):
        assert not GroupMeStorage().exists(name)
        assert saved() == name
    assert not (tmp_path / "other").exists()


def test_media_root_overridden_within_the_block(settings, tmp_path, outage):
    backend = "django.core.files.storage.FileSystemStorage"
    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": backend}}
    settings.GROUPME_FALLBACK = "default"
    for folder in ("one", "two"):
        settings.MEDIA_ROOT = tmp_path / folder
        assert saved() == "ada.png"
    assert list(tmp_path.iterdir()) == []


def test_aliases_of_one_folder_share_files_and_others_do_not(unchanged, settings, outage):
    real = settings.STORAGES["default"]
    memory = {"BACKEND": "django.core.files.storage.InMemoryStorage"}
    settings.STORAGES = settings.STORAGES | {"same": real, "one": memory, "two": memory}
    name = saved()
    assert GroupMeStorage(fallback="same").exists(name)
    for alias in ("one", "two"):
        storage = GroupMeStorage(fallback=alias)
        assert not storage.exists(name)
        assert saved(storage=storage) == name
        assert storages[alias].listdir("") == ([], [name])
        assert type(storages[alias]).listdir(storages[alias], "") == ([], [])


def test_settings_undone_after_the_block(settings, tmp_path):
    backend = "django.core.files.storage.FileSystemStorage"
    with InProcessService() as service:
        service.fail(status=503)
        default = {"BACKEND": backend, "OPTIONS": {"location": tmp_path}}
        settings.STORAGES = settings.STORAGES | {"default": default}
        settings.GROUPME_FALLBACK = "default"
        saved()
    assert overlays == []
    assert list(tmp_path.iterdir()) == []


# Equality


def test_overlay_equals_its_real_storage(unchanged, settings, outage):
    overlay = GroupMeStorage().fallback_storage
    assert overlay == GroupMeStorage().fallback_storage
    assert overlay == unchanged
    assert unchanged == overlay
    assert overlay == default_storage
    assert default_storage == overlay
    assert len({overlay, GroupMeStorage().fallback_storage, unchanged}) == 1
    assert overlay != storages["staticfiles"]
    settings.STORAGES = settings.STORAGES | {"other": settings.STORAGES["default"]}
    assert overlay != GroupMeStorage(fallback="other").fallback_storage


# What the app does with its fallback storage


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_pending_row_is_uploaded_from_memory(unchanged, groupme_service):
    groupme_service.fail(status=503)
    member = Member.objects.create(name="Ada", photo=image_file("ada.png", 33, 44))
    assert (member.photo.name, member.photo.picture) == ("ada.png", None)
    assert width(member.photo.name) == 33
    copies = [pickle.loads(pickle.dumps(member)), copy.deepcopy(member)]
    assert [width(other.photo.name) for other in copies] == [33, 33]
    call_command("groupme_upload", "gallery.Member", rate=0, verbosity=0, delete_source=True)
    member.refresh_from_db()
    assert [upload.picture for upload in groupme_service.uploads] == [member.photo.picture]
    assert not GroupMeStorage().exists("ada.png")


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_source_is_deleted_from_the_real_storage(media, groupme_service):
    Member.objects.create(photo="photos/real.png")
    options = {"rate": 0, "verbosity": 0, "delete_source": True}
    call_command("groupme_upload", "gallery.Member", source="default", **options)
    assert len(groupme_service.uploads) == 1
    assert not media.exists("photos/real.png")


@pytest.mark.django_db
def test_source_named_in_the_command_and_the_task_is_the_overlay(unchanged, settings, outage):
    for number in (1, 2):
        Member.objects.create(name=number, photo=image_file(f"{number}.png"))
    outage.forget()
    settings.GROUPME_FALLBACK = None
    options = {"source": "default", "rate": 0, "verbosity": 0, "limit": 1}
    call_command("groupme_upload", "gallery.Member", **options)
    (pending,) = Member.objects.exclude(photo__startswith="http")
    upload_batch.call(["gallery.Member"], [pending.photo.name], source="default")
    assert not Member.objects.exclude(photo__startswith="http").exists()
    assert len(outage.uploads) == 2


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_deferred_upload_is_made_from_memory(unchanged, settings, groupme_service):
    settings.GROUPME_DEFERRED = True
    settings.TASKS = {"default": {"BACKEND": f"{BACKENDS}.immediate.ImmediateBackend"}}
    member = Member.objects.create(name="Ada", photo=image_file())
    assert member.photo.picture == groupme_service.uploads[0].picture


class CardForm(forms.Form):
    name = forms.CharField()
    photo = GroupMeImageFormField()


def test_form_keeps_a_pending_file_in_memory(unchanged, outage):
    form = CardForm({}, {"photo": image_file()})
    assert not form.is_valid()
    assert list(form.errors) == ["name"]


@pytest.mark.django_db
def test_serializer_keeps_a_pending_file_in_memory(unchanged, outage):
    serializer = MemberSerializer(data={"name": "Ada", "photo": image_file("ada.png", 33)})
    serializer.is_valid(raise_exception=True)
    assert width(serializer.save().photo.name) == 33


# Mixin


class ForTestCases(InProcessServiceMixin, TestCase):
    """Each test begins with the files of setUpTestData(), and ends without a trace."""

    @classmethod
    def setUpClass(cls):
        cls.enterClassContext(override_settings(GROUPME_FALLBACK="default", GROUPME_DEFERRED=True))
        super().setUpClass()

    @classmethod
    def setUpTestData(cls):
        cls.ada = Member.objects.create(name="Ada", photo=image_file("ada.png", 33))

    def test_one(self):
        assert width(self.ada.photo.name) == 33
        bob = Member.objects.create(name="Bob", photo=image_file("bob.png"))
        assert bob.photo.name == "bob.png"
        assert not Path(default_storage.path("bob.png")).exists()
        self.ada.photo.delete(save=False)

    test_another = test_one


def run(case):
    result = unittest.TestResult()
    case.run(result)
    assert (result.errors, result.failures) == ([], [])


@pytest.mark.django_db
@pytest.mark.parametrize("enabled", [True, False])
def test_mixin_takes_the_argument_from_an_attribute(media, enabled):
    class Case(InProcessServiceMixin, unittest.TestCase):
        groupme_files_in_memory = enabled

        def test_outage(self):
            self.groupme_service.fail(status=503)
            saved("ada.png")

    run(unittest.TestSuite([Case("test_outage")]))
    assert media.exists("ada.png") is not enabled
    assert overlays == []


def test_content_that_is_not_an_upload_is_stored(unchanged, outage):
    storage = GroupMeStorage().fallback_storage
    assert storage.save(None, ContentFile(b"abc", "ada.png")) == "ada.png"
    assert storage.save("bob.png", io.BytesIO(b"abc")) == "bob.png"
    assert storage.size("bob.png") == 3
