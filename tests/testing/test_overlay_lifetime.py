"""Tests of the start and end of the overlay, of nested overlays, and of its use by the app."""

from __future__ import annotations

import copy
import pickle
import unittest
from contextlib import ExitStack
from pathlib import Path

import pytest
from django import forms
from django.core.files.storage import default_storage, storages
from django.core.management import call_command
from django.test import TestCase
from django.test.utils import override_settings

from django_groupme_images.forms import GroupMeImageFormField
from django_groupme_images.storage import GroupMeStorage
from django_groupme_images.storage.fallback import storage_overrides
from django_groupme_images.tasks import upload_batch, upload_row
from django_groupme_images.testing import InProcessService, InProcessServiceMixin, image_file
from tests.support.api import MemberSerializer
from tests.support.saved_images import save_image, stored_width
from tests.testapp.models import Member

BACKENDS = upload_row.get_backend().__module__.rpartition(".")[0]


# Start and end of the overlay


def test_files_after_block_are_deleted(unchanged):
    storage = GroupMeStorage()
    with InProcessService() as service:
        service.fail(status=503)
        name = save_image()
        assert storage.exists(name)
        assert not Path(unchanged.path(name)).exists()
    assert not storage.exists(name)
    assert not unchanged.exists(name)
    assert storage.fallback_storage is unchanged
    with service:
        assert not storage.exists(name)
    assert storage_overrides == []


def test_files_after_failed_block_are_deleted(unchanged):
    with pytest.raises(RuntimeError, match="the test failed"), InProcessService() as service:
        service.fail(status=503)
        save_image()
        raise RuntimeError("the test failed")
    assert storage_overrides == []
    assert GroupMeStorage().fallback_storage is unchanged


def test_block_without_files_in_memory_writes_real_files(media):
    with InProcessService(files_in_memory=False) as service:
        service.fail(status=503)
        name = save_image()
        assert GroupMeStorage().path(name) == media.path(name)
        assert GroupMeStorage().fallback_storage is media
    assert media.exists(name)


def test_inner_block_without_files_in_memory_writes_real_files(media, outage):
    with InProcessService(files_in_memory=False) as service:
        service.fail(status=503)
        assert media.exists(save_image("inner.png"))
    outage.fail(status=503)
    assert not media.exists(save_image("outer.png"))


def test_inner_block_reads_and_restores_files_of_outer_block(unchanged, outage):
    storage = GroupMeStorage()
    kept, deleted = save_image("kept.png"), save_image("deleted.png")
    with InProcessService() as service:
        service.fail(status=503, times=9)
        assert stored_width(kept) == 33
        storage.delete(deleted)
        assert not storage.exists(deleted)
        assert save_image("kept.png") != kept
        with storage.fallback_storage.open(kept, "wb") as file:
            file.write(b"changed")
        assert storage.fallback_storage.listdir("")[1] == ["kept.png", *others(storage, kept)]
    assert stored_width(kept) == stored_width(deleted) == 33
    assert others(storage, kept) == [deleted]


def others(storage, *names):
    return [name for name in storage.fallback_storage.listdir("")[1] if name not in names]


def test_blocks_ended_in_other_order_keep_their_own_files(unchanged):
    first, second, storage = InProcessService(), InProcessService(), GroupMeStorage()
    with ExitStack() as stack:
        stack.enter_context(first).fail(status=503)
        first_name = save_image("first.png")
        stack.enter_context(second).fail(status=503, times=2)
        second_name = save_image("second.png")
        first.__exit__(None, None, None)
        assert not storage.exists(first_name)
        assert stored_width(second_name) == 33
        assert storage.exists(save_image("third.png"))
        first.__enter__()
    assert storage_overrides == []


# Settings


def test_storages_overridden_in_block_keep_files(unchanged, settings, outage):
    name = save_image()
    options = {"fallback": "default", "deferred": True}
    backend = "django_groupme_images.storage.GroupMeStorage"
    groupme = {"groupme": {"BACKEND": backend, "OPTIONS": options}}
    with override_settings(STORAGES=settings.STORAGES | groupme):
        assert storages["default"] is not unchanged
        assert stored_width(name, storages["groupme"]) == 33
        later = save_image("later.png", storage=storages["groupme"])
    assert stored_width(later) == 33


def test_storages_overridden_with_other_folder_have_own_files(
    unchanged, settings, tmp_path, outage
):
    name = save_image()
    backend = "django.core.files.storage.FileSystemStorage"
    options = {"location": tmp_path / "other"}
    default = {"default": {"BACKEND": backend, "OPTIONS": options}}
    with override_settings(STORAGES=settings.STORAGES | default):
        assert not GroupMeStorage().exists(name)
        assert save_image() == name
    assert not (tmp_path / "other").exists()


def test_media_root_overridden_in_block_keeps_files_in_memory(settings, tmp_path, outage):
    backend = "django.core.files.storage.FileSystemStorage"
    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": backend}}
    settings.GROUPME_FALLBACK = "default"
    for folder in ("one", "two"):
        settings.MEDIA_ROOT = tmp_path / folder
        assert save_image() == "ada.png"
    assert list(tmp_path.iterdir()) == []


def test_aliases_with_same_folder_share_files(unchanged, settings, outage):
    real = settings.STORAGES["default"]
    memory = {"BACKEND": "django.core.files.storage.InMemoryStorage"}
    settings.STORAGES = settings.STORAGES | {"same": real, "one": memory, "two": memory}
    name = save_image()
    assert GroupMeStorage(fallback="same").exists(name)
    for alias in ("one", "two"):
        storage = GroupMeStorage(fallback=alias)
        assert not storage.exists(name)
        assert save_image(storage=storage) == name
        assert storages[alias].listdir("") == ([], [name])
        assert type(storages[alias]).listdir(storages[alias], "") == ([], [])


def test_settings_reset_after_block_leave_no_files(settings, tmp_path):
    backend = "django.core.files.storage.FileSystemStorage"
    with InProcessService() as service:
        service.fail(status=503)
        default = {"BACKEND": backend, "OPTIONS": {"location": tmp_path}}
        settings.STORAGES = settings.STORAGES | {"default": default}
        settings.GROUPME_FALLBACK = "default"
        save_image()
    assert storage_overrides == []
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


# Use by commands, tasks, forms, and serializers


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_groupme_upload_with_pending_file_in_memory_uploads_it(unchanged, groupme_service):
    groupme_service.fail(status=503)
    member = Member.objects.create(name="Ada", photo=image_file("ada.png", 33, 44))
    assert (member.photo.name, member.photo.picture) == ("ada.png", None)
    assert stored_width(member.photo.name) == 33
    copies = [pickle.loads(pickle.dumps(member)), copy.deepcopy(member)]
    assert [stored_width(other.photo.name) for other in copies] == [33, 33]
    call_command("groupme_upload", "gallery.Member", rate=0, verbosity=0, delete_source=True)
    member.refresh_from_db()
    assert [upload.picture for upload in groupme_service.uploads] == [member.photo.picture]
    assert not GroupMeStorage().exists("ada.png")


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_groupme_upload_with_delete_source_deletes_real_file(media, groupme_service):
    Member.objects.create(photo="photos/real.png")
    options = {"rate": 0, "verbosity": 0, "delete_source": True}
    call_command("groupme_upload", "gallery.Member", source="default", **options)
    assert len(groupme_service.uploads) == 1
    assert not media.exists("photos/real.png")


@pytest.mark.django_db
def test_source_of_command_and_task_is_the_overlay(unchanged, settings, outage):
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
def test_deferred_upload_with_file_in_memory_uploads_it(unchanged, settings, groupme_service):
    settings.GROUPME_DEFERRED = True
    settings.TASKS = {"default": {"BACKEND": f"{BACKENDS}.immediate.ImmediateBackend"}}
    member = Member.objects.create(name="Ada", photo=image_file())
    assert member.photo.picture == groupme_service.uploads[0].picture


class CardForm(forms.Form):
    name = forms.CharField()
    photo = GroupMeImageFormField()


def test_form_in_outage_keeps_pending_file_in_memory(unchanged, outage):
    form = CardForm({}, {"photo": image_file()})
    assert not form.is_valid()
    assert list(form.errors) == ["name"]


@pytest.mark.django_db
def test_serializer_in_outage_keeps_pending_file_in_memory(unchanged, outage):
    serializer = MemberSerializer(data={"name": "Ada", "photo": image_file("ada.png", 33)})
    serializer.is_valid(raise_exception=True)
    assert stored_width(serializer.save().photo.name) == 33


# Mixin


class MixinTests(InProcessServiceMixin, TestCase):
    """Each test starts with the files of setUpTestData(), and leaves no files."""

    @classmethod
    def setUpClass(cls):
        cls.enterClassContext(override_settings(GROUPME_FALLBACK="default", GROUPME_DEFERRED=True))
        super().setUpClass()

    @classmethod
    def setUpTestData(cls):
        cls.ada = Member.objects.create(name="Ada", photo=image_file("ada.png", 33))

    def test_files_in_first_test_are_those_of_set_up_test_data(self):
        assert stored_width(self.ada.photo.name) == 33
        bob = Member.objects.create(name="Bob", photo=image_file("bob.png"))
        assert bob.photo.name == "bob.png"
        assert not Path(default_storage.path("bob.png")).exists()
        self.ada.photo.delete(save=False)

    test_files_in_second_test_are_those_of_set_up_test_data = (
        test_files_in_first_test_are_those_of_set_up_test_data
    )


def run(case):
    result = unittest.TestResult()
    case.run(result)
    assert (result.errors, result.failures) == ([], [])


@pytest.mark.django_db
@pytest.mark.parametrize("enabled", [True, False])
def test_mixin_with_files_in_memory_attribute_passes_it_on(media, enabled):
    class Case(InProcessServiceMixin, unittest.TestCase):
        groupme_files_in_memory = enabled

        def test_outage(self):
            self.groupme_service.fail(status=503)
            save_image("ada.png")

    run(unittest.TestSuite([Case("test_outage")]))
    assert media.exists("ada.png") is not enabled
    assert storage_overrides == []
