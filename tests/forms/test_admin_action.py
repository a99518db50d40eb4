"""The admin action that uploads pending files."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Permission, User
from django.contrib.messages import get_messages
from django.contrib.messages.storage.fallback import FallbackStorage
from django.core.exceptions import PermissionDenied
from django.core.files.storage import FileSystemStorage
from django.db import IntegrityError, connection
from django.db.models import QuerySet
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils.translation import override

from django_groupme_images.admin import upload_now
from django_groupme_images.bulk import request_runner, selection
from tests.support.bulk import create_members, is_uploaded, save_file
from tests.support.field_data import upload_count
from tests.support.outages import fail_uploads
from tests.support.urls_of_pictures import JPEG
from tests.testapp.models import (
    Club,
    Group,
    Hidden,
    LabelledPoster,
    Local,
    Measured,
    Member,
    Profile,
    Ticket,
    Unique,
)

pytestmark = [
    pytest.mark.django_db(databases=["default", "other"]),
    pytest.mark.usefixtures("emulator", "fallback"),
]

URL = "admin:gallery_member_changelist"


def submit(client: Client, *rows: Any, **data: str) -> list[str]:
    """Run the action for these members, and return the messages of the next page."""
    data = {"action": "upload_now", "_selected_action": [row.pk for row in rows], **data}
    page = client.post(reverse(URL), data, follow=True)
    assert page.redirect_chain == [(reverse(URL), 302)]
    return [f"{message.level_tag}: {message}" for message in page.context["messages"]]


def run(queryset: Any, model_admin: Any = None) -> list[str]:
    """Call the action as the admin does, and return the messages."""
    request = RequestFactory().post("/")
    request.user = User.objects.get_or_create(username="editor", is_superuser=True)[0]
    request.session = {}
    request._messages = FallbackStorage(request)
    upload_now(model_admin or admin.ModelAdmin(queryset.model, admin.site), request, queryset)
    return [f"{message.level_tag}: {message}" for message in get_messages(request)]


def test_action_uploads_pending_files_of_selected_rows(editor, list_requests, fallback):
    first, second, other = create_members(*[save_file() for _ in range(3)])
    assert submit(editor, first, second) == ["success: 2 images were uploaded."]
    assert is_uploaded(first)
    assert is_uploaded(second)
    assert not is_uploaded(other)
    assert upload_count(list_requests) == 2
    assert fallback.exists("photos/cat.jpg")


def test_action_adds_change_to_history_of_object(editor):
    (member,) = create_members(save_file())
    submit(editor, member)
    (entry,) = LogEntry.objects.all()
    assert (entry.object_id, entry.action_flag) == (str(member.pk), CHANGE)
    assert entry.user == User.objects.get(username="editor")
    assert entry.get_change_message() == "Changed Photo."
    page = editor.get(reverse("admin:gallery_member_history", args=[member.pk])).text
    assert "Changed Photo." in page


def test_action_displays_counts_of_rows_without_pending_file(list_requests):
    rows = create_members(save_file(), JPEG, JPEG, "", "https://example.com/cat.jpg")
    assert run(Member.objects.all()) == [
        "success: 1 image was uploaded.",
        "info: Nothing to upload: On GroupMe (2), Empty (1), Other URL (1)",
    ]
    assert run(Member.objects.filter(pk=rows[1].pk)) == ["info: Nothing to upload: On GroupMe (1)"]
    assert upload_count(list_requests) == 1


def test_action_without_rows_or_groupme_storage_uploads_nothing(list_requests):
    expected = ["info: The selection contains no pending images."]
    assert run(Member.objects.all()) == expected
    Local.objects.create(photo="cat.jpg")
    assert run(Local.objects.all()) == expected
    assert list_requests() == []


def test_action_for_all_filtered_rows_uploads_each(editor):
    rows = create_members(*[save_file() for _ in range(3)], JPEG)
    data = {"action": "upload_now", "select_across": "1", "_selected_action": [rows[0].pk]}
    editor.post(f"{reverse(URL)}?photo__kind=pending", data)
    assert all(map(is_uploaded, rows[:3]))


def test_action_with_rejected_file_displays_reason_and_continues(editor, caplog):
    bad, good = create_members(save_file("<bad>.jpg", b"no image"), save_file())
    Member.objects.filter(pk=bad.pk).update(name="<Ada>")
    name = Member.objects.get(pk=bad.pk).photo.name
    assert submit(editor, bad, good) == [
        f"error: “<Ada>”: The image service rejected “{name}”. Please choose another image, or "
        "save this one again as JPEG or PNG.",
        "success: 1 image was uploaded.",
    ]
    assert "the body is not a complete image" in caplog.text
    bad.refresh_from_db()
    assert bad.photo.name == name


def test_action_with_file_that_app_rejects_displays_reason(settings):
    settings.GROUPME_MAX_UPLOAD_SIZE = 10
    (row,) = create_members(save_file())
    Member.objects.filter(pk=row.pk).update(name="Ada")
    (message,) = run(Member.objects.all())
    assert message.startswith("error: “Ada”: “photos/cat.jpg” is too large (")


def test_action_with_unreadable_file_displays_no_path_of_server(caplog, fallback):
    (row,) = create_members("photos")  # It is a folder.
    Path(fallback.path("photos")).mkdir()
    (message,) = run(Member.objects.filter(pk=row.pk))
    assert message == "error: “”: The file “photos” could not be read."
    assert "could not be uploaded: IsADirectoryError" in caplog.text


def test_messages_of_action_are_escaped(editor):
    (row,) = create_members("missing.jpg")
    Member.objects.filter(pk=row.pk).update(name="<Ada>")
    data = {"action": "upload_now", "_selected_action": [row.pk]}
    page = editor.post(reverse(URL), data, follow=True).text
    assert "“&lt;Ada&gt;”: The file “missing.jpg” does not exist." in page
    assert "“<Ada>”" not in page


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (503, "The image service is not responding"),
        (429, "The image service is busy"),
        (401, "This site cannot upload images at the moment"),
    ],
)
def test_action_stops_at_failure_that_concerns_all_files(
    editor, emulator, list_requests, status, reason
):
    rows = create_members(*[save_file() for _ in range(4)])
    first = submit(editor, rows[0])
    fail_uploads(emulator, status)
    messages = submit(editor, *rows)
    assert first == ["success: 1 image was uploaded."]
    assert reason in messages[0]
    assert messages[1:] == [
        "warning: 2 more images are pending. Run the action again to upload them.",
        "info: Nothing to upload: On GroupMe (1)",
    ]
    assert upload_count(list_requests) == 2
    assert submit(editor, *rows[1:]) == ["success: 3 images were uploaded."]


def test_action_after_its_time_is_up_uploads_one_file(editor, monkeypatch, list_requests):
    monkeypatch.setattr(request_runner, "_MAX_SECONDS", 0)
    rows = create_members(save_file(), save_file())
    assert submit(editor, *rows) == [
        "success: 1 image was uploaded.",
        "warning: 1 more image is pending. Run the action again to upload it.",
    ]
    assert upload_count(list_requests) == 1


def test_action_starts_no_upload_after_half_of_max_upload_time(editor, settings, monkeypatch):
    now = [0]
    monkeypatch.setattr(request_runner, "monotonic", lambda: now[0])
    monkeypatch.setattr(request_runner, "_MAX_SECONDS", 10_000)
    settings.GROUPME_MAX_UPLOAD_TIME = 2_000
    settings.GROUPME_ACCESS_TOKEN = lambda: now.append(now.pop() + 600) or "token"
    assert submit(editor, *create_members(*[save_file() for _ in range(3)])) == [
        "success: 2 images were uploaded.",
        "warning: 1 more image is pending. Run the action again to upload it.",
    ]


def test_max_upload_time_limits_all_uploads_of_action(editor, settings, list_requests):
    settings.GROUPME_MAX_UPLOAD_TIME = 1e-6
    rows = create_members(save_file(), save_file())
    messages = submit(editor, *rows)
    assert "The image service is not responding" in messages[0]
    assert messages[1:] == ["warning: 1 more image is pending. Run the action again to upload it."]
    settings.GROUPME_MAX_UPLOAD_TIME = 60
    assert submit(editor, *rows) == ["success: 2 images were uploaded."]


def test_action_with_more_pending_files_than_a_page_uploads_first_page(editor, monkeypatch):
    monkeypatch.setattr(selection, "PAGE_SIZE", 2)
    rows = create_members(*[save_file() for _ in range(3)])
    assert submit(editor, *rows) == [
        "success: 2 images were uploaded.",
        "warning: 1 more image is pending. Run the action again to upload it.",
    ]


def test_action_lists_at_most_ten_failures(editor, caplog):
    rows = create_members(*[f"photos/missing{number}.jpg" for number in range(12)])
    messages = submit(editor, *rows)
    assert len(messages) == 11
    assert messages[0] == "error: “”: The file “photos/missing11.jpg” does not exist."
    assert "'photos/missing11.jpg' could not be uploaded: FileNotFoundError" in caplog.text
    assert messages[10] == "error: 2 more images could not be uploaded."


def test_action_for_row_changed_during_upload_keeps_the_change(editor, on_upload):
    edited, same = create_members(*[save_file()] * 2)
    on_upload(lambda **_: Member.objects.filter(pk=edited.pk).update(photo="other.jpg"))
    assert submit(editor, edited, same) == [
        "success: 1 image was uploaded.",
        "warning: 1 image was skipped, because it was changed in the meantime.",
    ]
    edited.refresh_from_db()
    assert edited.photo.name == "other.jpg"
    assert is_uploaded(same)
    assert LogEntry.objects.count() == 1


def test_action_uploads_file_of_several_selected_rows_once(editor, list_requests):
    rows = create_members(*[save_file()] * 3)
    assert submit(editor, *rows[:2]) == ["success: 2 images were uploaded."]
    assert upload_count(list_requests) == 1
    rows[2].refresh_from_db()
    assert rows[2].photo.name == "photos/cat.jpg"


def test_action_skips_default_file_of_field(list_requests, fallback):
    save_file("profiles/default.png")
    Profile.objects.create()
    messages = run(Profile.objects.all())
    assert messages[0].startswith("warning: 2 images were skipped, because their files are")
    assert upload_count(list_requests) == 0


def test_action_uploads_all_fields_and_sets_dimensions():
    group = Group.objects.create(photo=save_file(), banner=save_file())
    assert run(Group.objects.all()) == ["success: 2 images were uploaded."]
    assert is_uploaded(group)
    assert is_uploaded(group, "banner")
    other = Group.objects.create(photo=JPEG, banner=save_file())
    assert run(Group.objects.filter(pk=other.pk)) == [
        "success: 1 image was uploaded.",
        "info: Nothing to upload: On GroupMe (1)",
    ]
    measured = Measured.objects.create(photo=save_file())
    run(Measured.objects.all())
    measured.refresh_from_db()
    assert (measured.width, measured.height) == (48, 32)


def test_action_uploads_inherited_fields_and_rows_with_other_keys():
    club = Club.objects.create(photo=save_file(), banner=save_file())
    assert run(Club.objects.all()) == ["success: 2 images were uploaded."]
    assert is_uploaded(club)
    poster = LabelledPoster.objects.create(label_id=7, poster_id=8, photo=save_file())
    ticket = Ticket.objects.create(photo=save_file())
    for row in (poster, ticket):
        assert run(type(row).objects.all()) == ["success: 1 image was uploaded."]
        assert is_uploaded(row)


def test_action_uploads_rows_that_the_default_manager_hides():
    row = Hidden(photo=save_file())
    row.save_base(raw=True)
    assert run(QuerySet(Hidden)) == ["success: 1 image was uploaded."]


def test_action_uses_database_of_queryset(on_upload):
    row = Member.objects.using("other").create(photo=save_file())
    Member.objects.create(pk=row.pk, photo=save_file())
    assert run(Member.objects.using("other")) == ["success: 1 image was uploaded."]
    assert is_uploaded(row)
    assert not is_uploaded(Member.objects.using("default").get())


class ReplicaRouter:
    """A router that reads from the second database."""

    def db_for_read(self, model: Any, **hints: Any) -> str | None:
        return "other" if model is Member else None

    def db_for_write(self, model: Any, **hints: Any) -> str:
        return "default"


def test_action_with_replica_changes_rows_in_database_for_writing(settings):
    (row,) = Member.objects.bulk_create([Member(photo=save_file())])
    settings.DATABASE_ROUTERS = ["tests.forms.test_admin_action.ReplicaRouter"]
    assert run(Member.objects.filter(pk=row.pk)) == ["success: 1 image was uploaded."]
    (name,) = Member.objects.using("default").values_list("photo", flat=True)
    assert name.startswith("http://127.0.0.1")


def test_action_requires_change_permission(editor):
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_member"))
    client = Client()
    client.force_login(viewer)
    (row,) = create_members(save_file())
    assert "Upload now" not in client.get(reverse(URL)).text
    assert '<option value="upload_now">Upload now</option>' in editor.get(reverse(URL)).text
    client.post(reverse(URL), {"action": "upload_now", "_selected_action": [row.pk]})
    assert not is_uploaded(row)


def test_action_without_permission_for_one_object_uploads_nothing(list_requests):
    class OwnRowsAdmin(admin.ModelAdmin):
        def has_change_permission(self, request: Any, obj: Any = None) -> bool:
            return obj is None or obj.name == "mine"

    mine, other = create_members(save_file(), save_file())
    Member.objects.filter(pk=mine.pk).update(name="mine")
    model_admin = OwnRowsAdmin(Member, admin.site)
    with pytest.raises(PermissionDenied):
        run(Member.objects.all(), model_admin)
    assert list_requests() == []
    run(Member.objects.filter(name="mine"), model_admin)
    assert is_uploaded(mine)
    assert not is_uploaded(other)


def test_action_calls_token_callable_in_thread_of_request(editor, settings):
    threads = []
    settings.GROUPME_ACCESS_TOKEN = lambda: threads.append(threading.current_thread()) or "token"
    submit(editor, *create_members(save_file()))
    assert threads == [threading.current_thread()]


def test_action_without_fallback_displays_reason(settings):
    settings.GROUPME_FALLBACK = None
    create_members("photos/cat.jpg")
    (message,) = run(Member.objects.all())
    assert message.endswith("and no fallback storage is configured")


def test_action_after_database_error_displays_it_and_continues():
    broken, good = (Unique.objects.create(photo=save_file()) for _ in range(2))

    def fail_update(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("UPDATE") and broken.photo.name in params:
            raise IntegrityError("the row was rejected")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(fail_update):
        messages = run(Unique.objects.order_by("pk"))
    assert "IntegrityError: the row was rejected" in messages[0]
    assert messages[1:] == ["success: 1 image was uploaded."]
    assert is_uploaded(good)


def test_action_without_access_token_stops_and_displays_reason(settings, monkeypatch):
    settings.GROUPME_ACCESS_TOKEN = None
    monkeypatch.delenv("GM_TOKEN", raising=False)
    create_members(save_file(), save_file())
    first, second = run(Member.objects.all())
    assert "ImproperlyConfigured: No GroupMe access token is configured." in first
    assert second.startswith("warning: 1 more image is pending.")


def test_action_keeps_query_count_per_image(editor, django_assert_max_num_queries):
    rows = create_members(*[save_file() for _ in range(3)])
    with django_assert_max_num_queries(100) as queries:
        run(Member.objects.filter(pk=rows[0].pk))
    with django_assert_max_num_queries(100) as more_queries:
        run(Member.objects.exclude(pk=rows[0].pk))
    per_image = len(more_queries) - len(queries)
    assert per_image <= 7


def test_action_and_messages_are_translated(editor, fallback: FileSystemStorage):
    create_members(save_file(), save_file())
    with override("de"):
        assert run(Member.objects.all()) == ["success: 2 Bilder wurden hochgeladen."]
        assert str(upload_now.short_description) == "Jetzt hochladen"
    assert LogEntry.objects.first().get_change_message() == "Changed Photo."
