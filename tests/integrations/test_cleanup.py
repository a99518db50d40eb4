"""Test that django-cleanup deletes pending files but not uploaded images."""

from __future__ import annotations

import logging

import pytest
from django.core.files.base import ContentFile

from django_groupme_images.emulator.faults import Fault
from django_groupme_images.exceptions import UploadRejected

from .helpers import half_red_jpeg
from .models import CleanupMember

# django-cleanup deletes files when the transaction is committed.
pytestmark = pytest.mark.django_db(transaction=True)

STORAGE_LOGGER = "django_groupme_images.storage.backend"


def logged_urls(caplog):
    """Return the URLs that the storage logged as impossible to delete."""
    return [record.args[0] for record in caplog.records if record.name == STORAGE_LOGGER]


def test_replaced_or_deleted_image_stays_on_groupme(photo_url, list_requests, caplog):
    caplog.set_level(logging.INFO)
    member = CleanupMember.objects.create(photo=photo_url)
    member.photo = ContentFile(half_red_jpeg(), "cat.jpg")
    member.save()
    assert logged_urls(caplog) == [photo_url]
    second = member.photo.name
    member.delete()
    assert logged_urls(caplog) == [photo_url, second]
    assert list_requests() == ["POST /pictures"]


@pytest.mark.parametrize("new", ["", "photo"])
def test_pending_file_replaced_is_deleted(new, photo_url, pending_name, list_media):
    member = CleanupMember.objects.create(photo=pending_name)
    member.photo = photo_url if new else ""
    member.save()
    assert list_media() == []


def test_pending_file_of_deleted_instance_is_deleted(pending_name, list_media):
    member = CleanupMember.objects.create(photo=pending_name)
    member.delete()
    assert list_media() == []


def test_pending_file_of_unchanged_instance_is_kept(pending_name, list_media):
    CleanupMember.objects.create(photo=pending_name)
    CleanupMember.objects.get().save()
    assert list_media() == [pending_name]


def test_pending_file_after_rejected_upload_is_kept(pending_name, list_media, emulator):
    CleanupMember.objects.create(photo=pending_name)
    member = CleanupMember.objects.get()
    member.photo = ContentFile(half_red_jpeg(), "cat.jpg")
    emulator.app.faults.add(Fault("status", status=400, method="POST"))
    with pytest.raises(UploadRejected):
        member.save()
    assert list_media() == [pending_name]
    assert CleanupMember.objects.get().photo.name == pending_name


def test_delete_with_on_delete_raise_logs_error(photo_url, settings, caplog):
    settings.GROUPME_ON_DELETE = "raise"
    CleanupMember.objects.create(photo=photo_url).delete()
    assert not CleanupMember.objects.exists()
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("django_cleanup.handlers", "ERROR")
    assert record.exc_info[0] is NotImplementedError
