"""django-cleanup: a row that is changed or deleted leaves no file behind."""

from __future__ import annotations

import logging

import pytest
from django.core.files.base import ContentFile

from django_groupme_images.emulator.faults import Fault
from django_groupme_images.exceptions import UploadRejected

from .conftest import half_red
from .models import Tidy

# What it deletes, it deletes when the transaction is committed.
pytestmark = pytest.mark.django_db(transaction=True)


def stay(caplog):
    """The pictures of which the log says that they cannot be deleted."""
    told = [record for record in caplog.records if record.name == "django_groupme_images.storage"]
    return [record.args[0] for record in told]


def test_a_picture_stays(photo, arrived, caplog):
    caplog.set_level(logging.INFO)
    row = Tidy.objects.create(photo=photo)
    row.photo = ContentFile(half_red(), "cat.jpg")
    row.save()
    assert stay(caplog) == [photo]
    second = row.photo.name
    row.delete()
    assert stay(caplog) == [photo, second]
    assert arrived() == ["POST /pictures"]


@pytest.mark.parametrize("new", ["", "photo"])
def test_a_waiting_file_that_is_replaced_is_deleted(new, photo, waiting, files):
    row = Tidy.objects.create(photo=waiting)
    row.photo = photo if new else ""
    row.save()
    assert files() == []


def test_a_waiting_file_is_deleted_with_its_row(waiting, files):
    row = Tidy.objects.create(photo=waiting)
    row.delete()
    assert files() == []


def test_a_file_that_is_not_replaced_is_kept(waiting, files):
    Tidy.objects.create(photo=waiting)
    Tidy.objects.get().save()
    assert files() == [waiting]


def test_a_refused_upload_deletes_nothing(waiting, files, emulator):
    Tidy.objects.create(photo=waiting)
    row = Tidy.objects.get()
    row.photo = ContentFile(half_red(), "cat.jpg")
    emulator.app.faults.add(Fault("status", status=400, method="POST"))
    with pytest.raises(UploadRejected):
        row.save()
    assert files() == [waiting]
    assert Tidy.objects.get().photo.name == waiting


def test_on_delete_raise_is_an_error_in_its_log_alone(photo, settings, caplog):
    settings.GROUPME_ON_DELETE = "raise"
    Tidy.objects.create(photo=photo).delete()
    assert not Tidy.objects.exists()
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("django_cleanup.handlers", "ERROR")
    assert record.exc_info[0] is NotImplementedError
