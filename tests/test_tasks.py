"""Uploads in the background: as tasks, whatever backend runs them."""

from __future__ import annotations

import io
import json
import sys
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage
from django.core.management import CommandError, call_command
from django.db import transaction
from django.test import TestCase

from django_groupme_images.deferral import upload_later
from django_groupme_images.emulator.faults import Fault
from django_groupme_images.exceptions import GroupMeImageError
from django_groupme_images.tasks import upload_batch, upload_row

from . import emulator_pictures as pictures
from .gallery.models import Club, Group, Local, Measured, Member, Plain, Ticket
from .test_groupme_upload import is_moved, members, saved

PHOTO = pictures.plain()

BACKENDS = upload_row.get_backend().__module__.rpartition(".")[0]

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def files(waiting_files: FileSystemStorage) -> FileSystemStorage:
    return waiting_files


@pytest.fixture
def queue(settings: Any) -> Any:
    """The tasks that were sent, which nobody runs; clear() it to have it empty."""
    settings.TASKS = {"default": {"BACKEND": f"{BACKENDS}.dummy.DummyBackend"}}
    return upload_row.get_backend().results


@pytest.fixture
def deferred(settings: Any) -> None:
    settings.GROUPME_DEFERRED = True


def photo(name: str = "cat.jpg") -> ContentFile:
    return ContentFile(PHOTO, name)


def calls(queue: Any) -> list[tuple[str, list[Any]]]:
    return [(result.task.func.__name__, result.args) for result in queue]


# One row


def test_one_row(emulator, arrived):
    row, other = members(saved(), saved())
    assert upload_row.func("gallery.Member", str(row.pk), "default") == {"photo": stored(row)}
    assert is_moved(row)
    assert not is_moved(other)
    assert upload_row.func("gallery.Member", str(row.pk), "default") == {}
    assert len(arrived()) == 1


def stored(row: Any) -> str:
    row.refresh_from_db()
    return row.photo.name


def test_every_field_of_a_row(emulator):
    group = Group.objects.create(photo=saved(), banner=saved())
    assert upload_row.func("gallery.Group", str(group.pk), "default").keys() == {"photo", "banner"}
    assert is_moved(group, "banner")


def test_a_row_that_is_gone_or_holds_no_file(emulator, arrived):
    assert upload_row.func("gallery.Member", "12345", "default") == {}
    empty = Member.objects.create()
    assert upload_row.func("gallery.Member", str(empty.pk), "default") == {}
    assert arrived() == []


def test_a_row_of_a_child_has_its_own_fields_alone(emulator, arrived):
    club = Club.objects.create(photo=saved())
    assert upload_row.func("gallery.Club", str(club.pk), "default") == {}
    assert upload_row.func("gallery.Group", str(club.pk), "default").keys() == {"photo"}


def test_a_row_that_fails_raises(emulator):
    (row,) = members("gone.jpg")
    with pytest.raises(GroupMeImageError, match=r"Member\.photo pk=\d+ gone\.jpg: failed, FileNot"):
        upload_row.func("gallery.Member", str(row.pk), "default")
    assert stored(row) == "gone.jpg"


# A batch


def test_a_batch(emulator, arrived):
    rows = members(saved(), saved(), "gone.jpg", saved())
    names = [row.photo.name for row in rows]
    with pytest.raises(GroupMeImageError, match="1 row could not be uploaded:\ngallery.Member"):
        upload_batch.func(["gallery.Member.photo"], names[:3])
    assert [is_moved(row) for row in rows] == [True, True, False, False]
    assert upload_batch.func(["gallery.Member.photo"], [*names[:2], names[3]]) == {"moved": 1}
    assert upload_batch.func(["gallery.Member.photo"], names[:2]) == {}
    assert len(arrived()) == 3


def test_a_batch_that_was_stopped_raises(emulator):
    rows = members(*[saved() for _ in range(9)])
    emulator.app.faults.add(Fault("status", status=401, times=9))
    with pytest.raises(
        GroupMeImageError, match=r"^\d rows? could not be uploaded:\n(.*\n)+.* accept"
    ):
        upload_batch.func(["gallery.Member"], [row.photo.name for row in rows])


def test_a_batch_of_another_source(emulator, settings, files):
    settings.STORAGES = settings.STORAGES | {"old": settings.STORAGES["default"]}
    settings.GROUPME_FALLBACK = None
    (row,) = members(saved())
    assert upload_batch.func(["gallery.Member"], [row.photo.name], source="old") == {"moved": 1}
    assert is_moved(row)


def test_enqueue(emulator, queue, arrived):
    rows = members(*[saved(f"{number:03}.jpg") for number in range(250)])
    plain = Plain.objects.create(photo=saved())
    out = io.StringIO()
    call_command("groupme_upload", enqueue=True, rate=3, workers=2, stdout=out)
    assert out.getvalue() == "Enqueued 251 files in 4 tasks.\n"
    assert arrived() == []
    sent = [json.loads(json.dumps([result.args, result.kwargs])) for result in queue]
    assert sorted(len(names) for (_, names), _ in sent) == [1, 50, 100, 100]
    names = [name for (_, names), _ in sent for name in names]
    assert sorted(names) == sorted([*(row.photo.name for row in rows), plain.photo.name])
    options = {"database": None, "source": None, "workers": 2, "rate": 3, "delete_source": False}
    assert all(kwargs == options for _, kwargs in sent)
    (labels, _), kwargs = next(each for each in sent if len(each[0][1]) == 1)
    assert labels == ["gallery.Plain.photo"]
    assert upload_batch.func(labels, [plain.photo.name], **kwargs) == {"moved": 1}


def test_enqueue_at_once(emulator):
    """The backend that a project has until it chooses one."""
    rows = members(saved(), saved())
    call_command("groupme_upload", "gallery.Member", enqueue=True, limit=1, verbosity=0)
    assert sorted(map(is_moved, rows)) == [False, True]


def test_no_tasks_framework(monkeypatch):
    monkeypatch.setitem(sys.modules, "django_groupme_images.tasks", None)
    with pytest.raises(CommandError, match="need Django 6.0 or newer, or the package django-tasks"):
        call_command("groupme_upload", enqueue=True)


def test_a_dry_run_enqueues_nothing(queue):
    with pytest.raises(CommandError, match="not allowed with"):
        call_command("groupme_upload", "--enqueue", "--dry-run")


# Deferred uploads


@pytest.mark.usefixtures("deferred")
class TestDeferred:
    def test_a_row_is_sent_when_it_is_committed(
        self, queue, emulator, arrived, django_capture_on_commit_callbacks
    ):
        with django_capture_on_commit_callbacks() as callbacks:
            row = Member.objects.create(photo=photo())
            assert calls(queue) == []
        (send,) = callbacks
        send()
        assert calls(queue) == [("upload_row", ["gallery.Member", str(row.pk), "default"])]
        assert json.dumps(queue[0].args)
        assert stored(row) == "cat.jpg"
        assert arrived() == []

    def test_a_backend_that_runs_tasks_at_once(
        self, emulator, arrived, django_capture_on_commit_callbacks
    ):
        with django_capture_on_commit_callbacks(execute=True):
            row = Member.objects.create(name="Ada", photo=photo())
        assert row.photo.picture
        assert row.photo.width == 48
        url = row.photo.name
        with django_capture_on_commit_callbacks(execute=True) as callbacks:
            row.save()
        assert callbacks == []
        assert stored(row) == url
        assert arrived() == ["POST /pictures"]

    def test_a_task_that_fails_loses_nothing(
        self, emulator, files, caplog, django_capture_on_commit_callbacks
    ):
        emulator.app.faults.add(Fault("status", status=400))
        with django_capture_on_commit_callbacks(execute=True):
            row = Member.objects.create(photo=photo())
        assert row.photo.name == stored(row) == "cat.jpg"
        assert row.photo.size == len(PHOTO)
        call_command("groupme_upload", rate=0, verbosity=0)
        assert is_moved(row)

    def test_a_queue_that_is_down_loses_nothing(
        self, settings, emulator, caplog, django_capture_on_commit_callbacks
    ):
        settings.TASKS = {"default": {"BACKEND": f"{__name__}.NoQueue"}}
        with django_capture_on_commit_callbacks(execute=True):
            row = Member.objects.create(photo=photo())
        assert stored(row) == "cat.jpg"
        assert "Error calling" in caplog.text

    @pytest.mark.parametrize("model", [Plain, Measured])
    def test_other_fields(self, emulator, model, django_capture_on_commit_callbacks):
        with django_capture_on_commit_callbacks(execute=True):
            row = model.objects.create(photo=photo())
        assert row.photo.url.startswith(emulator.cdn_url)
        assert is_moved(row)
        assert getattr(row, "width", 48) == 48

    def test_an_inherited_field_is_sent_once_for_its_own_model(
        self, queue, django_capture_on_commit_callbacks
    ):
        with django_capture_on_commit_callbacks(execute=True):
            club = Club.objects.create(photo=photo(), banner=photo())
        assert calls(queue) == [("upload_row", ["gallery.Group", str(club.pk), "default"])]

    def test_one_task_is_enough_for_a_file(self, queue, django_capture_on_commit_callbacks):
        row = Member(photo=photo())
        for _ in range(3):
            with django_capture_on_commit_callbacks(execute=True):
                row.save()
                row.save()
        assert len(calls(queue)) == 1
        row.photo = photo("dog.jpg")
        with django_capture_on_commit_callbacks(execute=True):
            row.save()
        assert len(calls(queue)) == 2

    def test_the_row_that_was_saved_is_the_one_that_is_sent(
        self, queue, django_capture_on_commit_callbacks
    ):
        with django_capture_on_commit_callbacks(execute=True):
            row = Member.objects.create(photo=photo())
            first = row.pk
            row.pk, row._state.adding = None, True
            row.photo = photo()
            row.save()
            second = row.pk
            row.delete()
        assert [args[1] for _, args in calls(queue)] == [str(first), str(second)]

    def test_a_copy_of_a_row_is_sent_too(self, queue, django_capture_on_commit_callbacks):
        with django_capture_on_commit_callbacks(execute=True):
            row = Member.objects.create(photo=photo())
        first, row.pk, row._state.adding = row.pk, None, True
        with django_capture_on_commit_callbacks(execute=True):
            row.save()
        assert [args[1] for _, args in calls(queue)] == [str(first), str(row.pk)]

    def test_what_was_changed_meanwhile_in_memory_stays(
        self, emulator, django_capture_on_commit_callbacks
    ):
        with django_capture_on_commit_callbacks(execute=True):
            row = Member.objects.create(photo=photo())
            row.photo = ""
        assert row.photo.name == ""
        assert is_moved(row)

    def test_a_column_of_which_nobody_knows_where_its_files_are(
        self, emulator, settings, django_capture_on_commit_callbacks
    ):
        other = Plain._meta.get_field("other").storage
        other.fallback, other.deferred = None, False
        try:
            with django_capture_on_commit_callbacks(execute=True):
                row = Plain.objects.create(photo=photo(), other="legacy.jpg")
            assert is_moved(row)
            assert row.other.name == "legacy.jpg"
        finally:
            del other.__dict__["fallback"], other.__dict__["deferred"]

    def test_what_is_not_sent(self, queue, files, django_capture_on_commit_callbacks):
        row = Member.objects.create(photo=saved())
        url = "https://i.groupme.com/123456789"
        with django_capture_on_commit_callbacks(execute=True):
            Member.objects.create(photo=url)
            Member.objects.create()
            Local.objects.create(photo=photo())
            row.save(update_fields=["name"])
            Member.objects.defer("photo").get(pk=row.pk).save()
            upload_later(sender=Member, instance=row, raw=True, using="default", update_fields=None)
        assert calls(queue) == []
        with django_capture_on_commit_callbacks(execute=True):
            row.save(update_fields=["photo"])
        assert len(calls(queue)) == 1

    def test_a_transaction_that_is_rolled_back_sends_nothing(
        self, queue, django_capture_on_commit_callbacks
    ):
        with django_capture_on_commit_callbacks(execute=True):
            with pytest.raises(RuntimeError), transaction.atomic():
                Member.objects.create(photo=photo())
                raise RuntimeError
        assert calls(queue) == []


class NoQueue:
    """Of a backend whose queue is not there."""

    task_class = type(upload_row)
    queues = frozenset({"default"})
    supports_priority = supports_defer = supports_async_task = False

    def __init__(self, alias: str, params: Any) -> None:
        self.alias = alias

    def validate_task(self, task: Any) -> None:
        pass

    def enqueue(self, *args: Any) -> None:
        raise ConnectionError("no queue")


def test_without_deferred_nothing_is_sent(queue, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True) as callbacks:
        Member.objects.create(photo=saved())
    assert callbacks == []


def test_a_key_of_another_kind(emulator, queue, tmp_path, settings, fallback):
    ticket = Ticket.objects.create(photo=saved())
    settings.GROUPME_DEFERRED = True
    with TestCase.captureOnCommitCallbacks(execute=True):
        ticket.save()
    ((_, args),) = calls(queue)
    assert upload_row.func(*json.loads(json.dumps(args))).keys() == {"photo"}
    assert is_moved(ticket)
    Ticket.objects.update(photo=saved())
    report = tmp_path / "report"
    call_command("groupme_upload", "gallery.Ticket", report=report, verbosity=0)
    assert json.loads(report.read_text())["pk"] == str(ticket.pk)
