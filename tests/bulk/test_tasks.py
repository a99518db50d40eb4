"""Tests of background uploads: tasks, ``groupme_upload --enqueue``, and deferred uploads."""

from __future__ import annotations

import importlib
import io
import json
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.management import CommandError, call_command
from django.db import transaction
from django.test import TestCase

import django_groupme_images
from django_groupme_images import tasks
from django_groupme_images.emulator.faults import Fault
from django_groupme_images.exceptions import GroupMeImageError
from django_groupme_images.receivers import enqueue_uploads
from django_groupme_images.tasks import upload_batch, upload_row
from tests.support.bulk import PHOTO, create_members, is_uploaded, save_file
from tests.testapp.models import Club, Group, Local, Measured, Member, Plain, Ticket

# The tasks framework of Django 6.0 or newer, or the package django-tasks.
BACKENDS = upload_row.get_backend().__module__.rpartition(".")[0]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fallback")]


@pytest.fixture
def queue(settings: Any) -> Any:
    """The results of the tasks that were enqueued. The backend runs none of them."""
    settings.TASKS = {"default": {"BACKEND": f"{BACKENDS}.dummy.DummyBackend"}}
    return upload_row.get_backend().results


@pytest.fixture
def deferred(settings: Any) -> None:
    """Use the setting GROUPME_DEFERRED."""
    settings.GROUPME_DEFERRED = True


def image_file(name: str = "cat.jpg") -> ContentFile:
    """Return a file that is not saved yet."""
    return ContentFile(PHOTO, name)


def enqueued_calls(queue: Any) -> list[tuple[str, list[Any]]]:
    """Return the function name and the arguments of each task."""
    return [(result.task.func.__name__, result.args) for result in queue]


def stored_name(row: Any) -> str:
    """Return the stored name of the row in the database."""
    row.refresh_from_db()
    return row.photo.name


def test_upload_row_with_pending_file_changes_only_that_row(emulator, list_requests):
    row, other = create_members(save_file(), save_file())
    assert upload_row.func("gallery.Member", str(row.pk), "default") == {"photo": stored_name(row)}
    assert is_uploaded(row)
    assert not is_uploaded(other)
    assert upload_row.func("gallery.Member", str(row.pk), "default") == {}
    assert len(list_requests()) == 1


def test_upload_row_with_two_pending_files_uploads_both(emulator):
    group = Group.objects.create(photo=save_file(), banner=save_file())
    assert upload_row.func("gallery.Group", str(group.pk), "default").keys() == {"photo", "banner"}
    assert is_uploaded(group, "banner")


def test_upload_row_without_row_or_file_does_nothing(emulator, list_requests):
    assert upload_row.func("gallery.Member", "12345", "default") == {}
    row = Member.objects.create()
    assert upload_row.func("gallery.Member", str(row.pk), "default") == {}
    assert list_requests() == []


def test_upload_row_of_child_model_uploads_only_its_own_fields(emulator):
    club = Club.objects.create(photo=save_file())
    assert upload_row.func("gallery.Club", str(club.pk), "default") == {}
    assert upload_row.func("gallery.Group", str(club.pk), "default").keys() == {"photo"}


def test_upload_row_with_missing_file_raises(emulator):
    (row,) = create_members("gone.jpg")
    with pytest.raises(GroupMeImageError, match=r"Member\.photo pk=\d+ gone\.jpg: failed, FileNot"):
        upload_row.func("gallery.Member", str(row.pk), "default")
    assert stored_name(row) == "gone.jpg"


def test_upload_batch_with_missing_file_uploads_others_and_raises(emulator, list_requests):
    rows = create_members(save_file(), save_file(), "gone.jpg", save_file())
    names = [row.photo.name for row in rows]
    with pytest.raises(GroupMeImageError, match="1 row could not be uploaded:\ngallery.Member"):
        upload_batch.func(["gallery.Member.photo"], names[:3])
    assert [is_uploaded(row) for row in rows] == [True, True, False, False]
    assert upload_batch.func(["gallery.Member.photo"], [*names[:2], names[3]]) == {"moved": 1}
    assert upload_batch.func(["gallery.Member.photo"], names[:2]) == {}
    assert len(list_requests()) == 3


def test_upload_batch_with_rejected_token_raises(emulator):
    rows = create_members(*[save_file() for _ in range(9)])
    emulator.app.faults.add(Fault("status", status=401, times=9))
    with pytest.raises(
        GroupMeImageError,
        match=r"^\d rows? could not be uploaded:\n(.*\n)+.* rejected the access token",
    ):
        upload_batch.func(["gallery.Member"], [row.photo.name for row in rows])


def test_upload_batch_with_source_reads_that_storage(emulator, settings):
    settings.STORAGES = settings.STORAGES | {"old": settings.STORAGES["default"]}
    settings.GROUPME_FALLBACK = None
    (row,) = create_members(save_file())
    assert upload_batch.func(["gallery.Member"], [row.photo.name], source="old") == {"moved": 1}
    assert is_uploaded(row)


def test_enqueue_of_two_models_enqueues_batches_of_at_most_100_files(
    emulator, queue, list_requests
):
    rows = create_members(*[save_file(f"{number:03}.jpg") for number in range(250)])
    plain = Plain.objects.create(photo=save_file())
    out = io.StringIO()
    call_command("groupme_upload", enqueue=True, rate=3, workers=2, stdout=out)
    assert out.getvalue() == "Enqueued 251 files in 4 tasks.\n"
    assert list_requests() == []
    calls = [json.loads(json.dumps([result.args, result.kwargs])) for result in queue]
    assert sorted(len(names) for (_, names), _ in calls) == [1, 50, 100, 100]
    names = [name for (_, names), _ in calls for name in names]
    assert sorted(names) == sorted([*(row.photo.name for row in rows), plain.photo.name])
    options = {"database": None, "source": None, "workers": 2, "rate": 3, "delete_source": False}
    assert all(kwargs == options for _, kwargs in calls)
    (labels, _), kwargs = next(call for call in calls if len(call[0][1]) == 1)
    assert labels == ["gallery.Plain.photo"]
    assert upload_batch.func(labels, [plain.photo.name], **kwargs) == {"moved": 1}


def test_enqueue_with_immediate_backend_uploads_files(emulator):
    """The immediate backend is the default of a project."""
    rows = create_members(save_file(), save_file())
    call_command("groupme_upload", "gallery.Member", enqueue=True, limit=1, verbosity=0)
    assert sorted(map(is_uploaded, rows)) == [False, True]


def test_enqueue_without_tasks_framework_raises(monkeypatch):
    monkeypatch.setitem(sys.modules, "django_groupme_images.tasks", None)
    with pytest.raises(
        CommandError, match="require Django 6.0 or later, or the package django-tasks"
    ):
        call_command("groupme_upload", enqueue=True)


def test_enqueue_with_dry_run_raises(queue):
    with pytest.raises(CommandError, match="not allowed with"):
        call_command("groupme_upload", "--enqueue", "--dry-run")


@pytest.mark.usefixtures("deferred")
class TestDeferred:
    def test_save_in_transaction_enqueues_task_after_commit(
        self, queue, emulator, list_requests, django_capture_on_commit_callbacks
    ):
        with django_capture_on_commit_callbacks() as callbacks:
            row = Member.objects.create(photo=image_file())
            assert enqueued_calls(queue) == []
        (enqueue,) = callbacks
        enqueue()
        assert enqueued_calls(queue) == [("upload_row", ["gallery.Member", str(row.pk), "default"])]
        assert json.dumps(queue[0].args)
        assert stored_name(row) == "cat.jpg"
        assert list_requests() == []

    def test_save_with_immediate_backend_uploads_file_once(
        self, emulator, list_requests, django_capture_on_commit_callbacks
    ):
        with django_capture_on_commit_callbacks(execute=True):
            row = Member.objects.create(name="Ada", photo=image_file())
        assert row.photo.picture
        assert row.photo.width == 48
        url = row.photo.name
        with django_capture_on_commit_callbacks(execute=True) as callbacks:
            row.save()
        assert callbacks == []
        assert stored_name(row) == url
        assert list_requests() == ["POST /pictures"]

    def test_save_with_failing_task_keeps_file(
        self, emulator, caplog, django_capture_on_commit_callbacks
    ):
        emulator.app.faults.add(Fault("status", status=400))
        with django_capture_on_commit_callbacks(execute=True):
            row = Member.objects.create(photo=image_file())
        assert row.photo.name == stored_name(row) == "cat.jpg"
        assert row.photo.size == len(PHOTO)
        call_command("groupme_upload", rate=0, verbosity=0)
        assert is_uploaded(row)

    def test_save_with_unavailable_queue_keeps_file(
        self, settings, caplog, django_capture_on_commit_callbacks
    ):
        settings.TASKS = {"default": {"BACKEND": f"{__name__}.UnavailableBackend"}}
        with django_capture_on_commit_callbacks(execute=True):
            row = Member.objects.create(photo=image_file())
        assert stored_name(row) == "cat.jpg"
        assert "Error calling" in caplog.text

    @pytest.mark.parametrize("model", [Plain, Measured])
    def test_save_of_other_image_fields_uploads_file(
        self, emulator, model, django_capture_on_commit_callbacks
    ):
        with django_capture_on_commit_callbacks(execute=True):
            row = model.objects.create(photo=image_file())
        assert row.photo.url.startswith(emulator.cdn_url)
        assert is_uploaded(row)
        assert getattr(row, "width", 48) == 48

    def test_save_of_inherited_field_enqueues_one_task_of_its_model(
        self, queue, django_capture_on_commit_callbacks
    ):
        with django_capture_on_commit_callbacks(execute=True):
            club = Club.objects.create(photo=image_file(), banner=image_file())
        assert enqueued_calls(queue) == [("upload_row", ["gallery.Group", str(club.pk), "default"])]

    def test_save_of_unchanged_file_enqueues_no_second_task(
        self, queue, django_capture_on_commit_callbacks
    ):
        row = Member(photo=image_file())
        for _ in range(3):
            with django_capture_on_commit_callbacks(execute=True):
                row.save()
                row.save()
        assert len(enqueued_calls(queue)) == 1
        row.photo = image_file("dog.jpg")
        with django_capture_on_commit_callbacks(execute=True):
            row.save()
        assert len(enqueued_calls(queue)) == 2

    def test_save_before_change_of_primary_key_enqueues_both_rows(
        self, queue, django_capture_on_commit_callbacks
    ):
        with django_capture_on_commit_callbacks(execute=True):
            row = Member.objects.create(photo=image_file())
            first_pk = row.pk
            row.pk, row._state.adding = None, True
            row.photo = image_file()
            row.save()
            second_pk = row.pk
            row.delete()
        assert [args[1] for _, args in enqueued_calls(queue)] == [str(first_pk), str(second_pk)]

    def test_save_of_copied_row_enqueues_second_task(
        self, queue, django_capture_on_commit_callbacks
    ):
        with django_capture_on_commit_callbacks(execute=True):
            row = Member.objects.create(photo=image_file())
        first_pk, row.pk, row._state.adding = row.pk, None, True
        with django_capture_on_commit_callbacks(execute=True):
            row.save()
        assert [args[1] for _, args in enqueued_calls(queue)] == [str(first_pk), str(row.pk)]

    def test_save_before_change_of_instance_keeps_change(
        self, emulator, django_capture_on_commit_callbacks
    ):
        with django_capture_on_commit_callbacks(execute=True):
            row = Member.objects.create(photo=image_file())
            row.photo = ""
        assert row.photo.name == ""
        assert is_uploaded(row)

    def test_save_of_field_without_fallback_uploads_only_other_field(
        self, emulator, django_capture_on_commit_callbacks
    ):
        storage = Plain._meta.get_field("other").storage
        storage.fallback, storage.deferred = None, False
        try:
            with django_capture_on_commit_callbacks(execute=True):
                row = Plain.objects.create(photo=image_file(), other="legacy.jpg")
            assert is_uploaded(row)
            assert row.other.name == "legacy.jpg"
        finally:
            del storage.__dict__["fallback"], storage.__dict__["deferred"]

    def test_save_without_new_file_enqueues_nothing(
        self, queue, django_capture_on_commit_callbacks
    ):
        row = Member.objects.create(photo=save_file())
        url = "https://i.groupme.com/123456789"
        with django_capture_on_commit_callbacks(execute=True):
            Member.objects.create(photo=url)
            Member.objects.create()
            Local.objects.create(photo=image_file())
            row.save(update_fields=["name"])
            Member.objects.defer("photo").get(pk=row.pk).save()
            enqueue_uploads(
                sender=Member, instance=row, raw=True, using="default", update_fields=None
            )
        assert enqueued_calls(queue) == []
        with django_capture_on_commit_callbacks(execute=True):
            row.save(update_fields=["photo"])
        assert len(enqueued_calls(queue)) == 1

    def test_save_in_rolled_back_transaction_enqueues_nothing(
        self, queue, django_capture_on_commit_callbacks
    ):
        with django_capture_on_commit_callbacks(execute=True):
            with pytest.raises(RuntimeError), transaction.atomic():
                Member.objects.create(photo=image_file())
                raise RuntimeError
        assert enqueued_calls(queue) == []


class UnavailableBackend:
    """A task backend whose queue is unavailable."""

    task_class = type(upload_row)
    queues = frozenset({"default"})
    supports_priority = supports_defer = supports_async_task = False

    def __init__(self, alias: str, params: Any) -> None:
        self.alias = alias

    def validate_task(self, task: Any) -> None:
        pass

    def enqueue(self, *args: Any) -> None:
        raise ConnectionError("no queue")


def test_save_without_deferred_setting_enqueues_nothing(queue, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True) as callbacks:
        Member.objects.create(photo=save_file())
    assert callbacks == []


def test_upload_row_with_uuid_primary_key_uploads_file(emulator, queue, report, settings):
    ticket = Ticket.objects.create(photo=save_file())
    settings.GROUPME_DEFERRED = True
    with TestCase.captureOnCommitCallbacks(execute=True):
        ticket.save()
    ((_, args),) = enqueued_calls(queue)
    assert upload_row.func(*json.loads(json.dumps(args))).keys() == {"photo"}
    assert is_uploaded(ticket)
    Ticket.objects.update(photo=save_file())
    call_command("groupme_upload", "gallery.Ticket", report=report, verbosity=0)
    assert json.loads(report.read_text(encoding="utf-8"))["pk"] == str(ticket.pk)


def test_tasks_without_tasks_framework_of_django_use_package(monkeypatch):
    package = SimpleNamespace(task=lambda function: ("task of the package", function.__name__))
    monkeypatch.setattr(django_groupme_images, "tasks", tasks)  # This restores it afterwards.
    monkeypatch.delitem(sys.modules, tasks.__name__)
    monkeypatch.setitem(sys.modules, "django.tasks", None)
    monkeypatch.setitem(sys.modules, "django_tasks", package)
    module = importlib.import_module(tasks.__name__)
    assert module.upload_row == ("task of the package", "upload_row")
