"""Upload requests with one row of an inline, which the admin must never save."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.forms import inlineformset_factory, modelformset_factory
from django.test import Client

from django_groupme_images.forms.upload_requests import hidden_row_fields
from django_groupme_images.forms.widgets import PREFLIGHT_FIELD
from tests.support.field_data import upload_count, uploaded_file
from tests.support.html_forms import submitted
from tests.support.urls_of_pictures import JPEG
from tests.testapp.admin import PhotoInline
from tests.testapp.forms import CardForm
from tests.testapp.models import Album, Note, Photo, Stop, Trip

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("emulator")]

_MARKED = {PREFLIGHT_FIELD: "1"}
_marked_or_not = pytest.mark.parametrize("marker", [_MARKED, {}], ids=["marked", "unmarked"])
_TOKEN = "photo_set-0-picture-uploaded"


@pytest.fixture
def album() -> Album:
    """Return an album with a photo."""
    album = Album.objects.create(title="Cats")
    Photo.objects.create(album=album, picture=JPEG, caption="A cat")
    return album


@pytest.fixture
def log_in() -> Callable[..., Client]:
    """Return a function that logs in a user with permissions such as "change_album"."""

    def log_in(*codenames: str) -> Client:
        user = User.objects.create(username="editor", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        client = Client()
        client.force_login(user)
        return client

    return log_in


def _revoke(*codenames: str) -> None:
    user = User.objects.get(username="editor")
    user.user_permissions.remove(*Permission.objects.filter(codename__in=codenames))


def _new_row(**more: Any) -> dict[str, Any]:
    """Return the data that the script sends for a row that is not saved yet."""
    return {
        "title": "Another title",
        "photo_set-TOTAL_FORMS": "1",
        "photo_set-MIN_NUM_FORMS": "upload",
        "photo_set-0-caption": "A dog",
        "photo_set-0-picture": uploaded_file(),
        "_save": "Save",
        **more,
    }


def _saved_row(photo: Photo, **more: Any) -> dict[str, Any]:
    """Return the data that the script sends for a saved row whose image is replaced."""
    return _new_row() | {
        "photo_set-INITIAL_FORMS": "1",
        "photo_set-0-id": str(photo.pk),
        **more,
    }


def _state() -> list[Any]:
    models = Album, Photo, Trip, Stop, Note, LogEntry
    return [list(model._default_manager.order_by("pk").values()) for model in models]


def _post(client: Client, path: str, data: dict[str, Any]) -> Any:
    """Post data that must not change anything in the database, and return the response."""
    before = _state()
    response = client.post(f"/admin/gallery/{path}", data)
    assert _state() == before
    return response


def _token(response: Any) -> str:
    assert response.status_code == 200
    return str(submitted(response.content.decode()).get(_TOKEN, ""))


_ALL = ("view", "add", "change", "delete")


# Permissions


@_marked_or_not
@pytest.mark.parametrize(
    ("permissions", "is_uploaded"),
    [(["view"], False), (["add"], True), (["change"], False), (_ALL, True)],
)
def test_new_row_is_uploaded_with_permission_and_not_saved(
    album, log_in, list_requests, marker, permissions, is_uploaded
):
    client = log_in("change_album", *(f"{name}_photo" for name in permissions))
    response = _post(client, f"album/{album.pk}/change/", _new_row() | marker)
    assert bool(_token(response)) == is_uploaded
    assert upload_count(list_requests) == is_uploaded


@_marked_or_not
@pytest.mark.parametrize(
    ("permissions", "is_uploaded"),
    [(["view"], False), (["add"], False), (["change"], True), (_ALL, True)],
)
def test_saved_row_is_uploaded_with_permission_and_not_saved(
    album, log_in, list_requests, marker, permissions, is_uploaded
):
    client = log_in("change_album", *(f"{name}_photo" for name in permissions))
    data = _saved_row(album.photo_set.get()) | marker
    response = _post(client, f"album/{album.pk}/change/", data)
    assert bool(_token(response)) == is_uploaded
    assert upload_count(list_requests) == is_uploaded


@_marked_or_not
def test_user_without_permission_for_parent_is_rejected(album, log_in, list_requests, marker):
    client = log_in("view_album", *(f"{name}_photo" for name in _ALL))
    path = f"album/{album.pk}/change/"
    assert _post(client, path, _new_row() | marker).status_code == 403
    assert upload_count(list_requests) == 0


@_marked_or_not
def test_required_row_without_add_permission_is_not_uploaded(
    album, log_in, list_requests, marker, monkeypatch
):
    """Django validates as many new rows as ``min_num`` requires, regardless of permissions."""
    monkeypatch.setattr(PhotoInline, "min_num", 2)
    client = log_in("change_album", "view_photo", "change_photo")
    _post(client, f"album/{album.pk}/change/", _new_row() | marker)
    assert upload_count(list_requests) == 0


@_marked_or_not
def test_row_that_is_not_deleted_without_change_permission_is_not_uploaded(
    album, log_in, list_requests, marker
):
    """Django validates a row with a checkbox to delete it, even if the checkbox is not checked."""
    client = log_in("change_album", "view_photo", "delete_photo")
    data = _saved_row(album.photo_set.get()) | {"photo_set-0-DELETE": "false"}
    _post(client, f"album/{album.pk}/change/", data | marker)
    assert upload_count(list_requests) == 0


@_marked_or_not
def test_add_form_of_parent_uploads_row_and_is_not_saved(log_in, marker):
    client = log_in("add_album", "add_photo")
    assert _token(_post(client, "album/add/", _new_row() | marker))


@_marked_or_not
def test_image_of_parent_is_uploaded_and_not_saved(log_in, list_requests, marker):
    """The parent itself is valid."""
    client = log_in("add_trip", "add_stop", "add_note")
    management = {"TOTAL_FORMS": "0", "MIN_NUM_FORMS": "upload"}
    data = {
        f"{prefix}-{name}": value
        for prefix in ("stop_set", "note_set")
        for name, value in management.items()
    }
    response = _post(
        client, "trip/add/", data | {"title": "Alps", "cover": uploaded_file()} | marker
    )
    assert submitted(response.content.decode())["cover-uploaded"]
    assert upload_count(list_requests) == 1


@_marked_or_not
def test_save_as_new_uploads_row_and_is_not_saved(log_in, list_requests, marker):
    """The user may add a trip, but not change this one."""
    trip = Trip.objects.create(title="Alps")
    client = log_in("view_trip", "add_trip", "add_stop", "add_note")
    data = {
        "title": "Alps",
        "stop_set-TOTAL_FORMS": "1",
        "stop_set-MIN_NUM_FORMS": "upload",
        "stop_set-0-place": "Zermatt",
        "stop_set-0-visited_0": "2026-01-01",
        "stop_set-0-visited_1": "12:00",
        "stop_set-0-picture": uploaded_file(),
        "note_set-TOTAL_FORMS": "0",
        "note_set-MIN_NUM_FORMS": "upload",
        **marker,
    }
    path = f"trip/{trip.pk}/change/"
    assert _post(client, path, data).status_code == 403
    data["stop_set-0-picture"] = uploaded_file()
    response = _post(client, path, data | {"_saveasnew": "Save as new"})
    assert submitted(response.content.decode())["stop_set-0-picture-uploaded"]
    assert upload_count(list_requests) == 1


# Changes while the page is open


@_marked_or_not
def test_revoked_permission_for_rows_saves_nothing(album, log_in, list_requests, marker):
    """Django does not validate rows that the user may not change, so the marker has no effect."""
    client = log_in("change_album", "view_photo", "change_photo")
    _revoke("change_photo")
    data = _saved_row(album.photo_set.get()) | marker
    assert _token(_post(client, f"album/{album.pk}/change/", data)) == ""
    assert upload_count(list_requests) == 0


@_marked_or_not
def test_inline_that_is_not_visible_anymore_saves_only_parent(album, log_in, list_requests, marker):
    """The admin ignores the inline, and processes the parent as the user has requested."""
    client = log_in("change_album", "change_photo")
    _revoke("change_photo")
    photo = album.photo_set.get()
    response = client.post(f"/admin/gallery/album/{album.pk}/change/", _saved_row(photo) | marker)
    assert response.status_code == 302
    assert Album.objects.get().title == "Another title"
    assert Photo.objects.get().caption == "A cat"
    assert upload_count(list_requests) == 0


@_marked_or_not
def test_revoked_permission_for_parent_saves_nothing(album, log_in, marker):
    client = log_in("change_album", "change_photo")
    _revoke("change_album")
    data = _saved_row(album.photo_set.get()) | marker
    assert _post(client, f"album/{album.pk}/change/", data).status_code == 403


@_marked_or_not
def test_deleted_row_is_not_created_again(album, log_in, marker):
    client = log_in("change_album", "change_photo", "add_photo")
    data = _saved_row(album.photo_set.get()) | marker
    Photo.objects.all().delete()
    _post(client, f"album/{album.pk}/change/", data)


@_marked_or_not
def test_row_of_another_parent_is_not_changed(album, log_in, marker):
    client = log_in("change_album", "change_photo", "add_photo")
    photo = album.photo_set.get()
    photo.album = Album.objects.create(title="Dogs")
    photo.save()
    _post(client, f"album/{album.pk}/change/", _saved_row(photo) | marker)


@_marked_or_not
def test_deleted_parent_redirects_and_saves_nothing(album, log_in, list_requests, marker):
    client = log_in("change_album", "add_photo")
    album.delete()
    response = _post(client, f"album/{album.pk}/change/", _new_row() | marker)
    assert response.status_code == 302
    assert upload_count(list_requests) == 0


@_marked_or_not
def test_changed_parent_keeps_its_values(album, log_in, marker):
    client = log_in("change_album", "add_photo")
    Album.objects.update(title="Changed in the meantime")
    assert _token(_post(client, f"album/{album.pk}/change/", _new_row() | marker))


# Hidden fields that the script omits


def test_formset_without_hidden_fields_of_rows_is_saved(album):
    formset_class = inlineformset_factory(Album, Photo, fields=["picture", "caption"])
    photo = album.photo_set.get()
    data = {
        "photo_set-TOTAL_FORMS": "2",
        "photo_set-INITIAL_FORMS": "1",
        "photo_set-0-id": str(photo.pk),
        "photo_set-0-caption": "Changed",
        "photo_set-1-caption": "A dog",
        "photo_set-1-picture-url": JPEG,
    }
    formset = formset_class(data, instance=album)
    assert formset.is_valid(), formset.errors
    formset.save()
    captions = album.photo_set.order_by("pk").values_list("caption", "picture")
    assert list(captions) == [("Changed", JPEG), ("A dog", JPEG)]


def test_row_fields_of_inline_form_are_parent_and_key(album):
    formset = inlineformset_factory(Album, Photo, fields=["picture"])(instance=album)
    names = {"parent": "album", "key": "id"}
    for form in [*formset.forms, formset.empty_form]:
        assert hidden_row_fields(form) == names
        assert "&quot;parent&quot;: &quot;album&quot;, &quot;key&quot;: &quot;id&quot;" in str(
            form["picture"]
        )


def test_row_fields_of_other_forms_contain_no_parent():
    formset = modelformset_factory(Photo, fields=["picture"])(queryset=Photo.objects.none())
    assert hidden_row_fields(formset.empty_form) == {"key": "id"}
    assert hidden_row_fields(CardForm()) == {}
    assert "&quot;key&quot;" not in str(CardForm()["picture"])


def test_row_fields_omit_parent_that_is_primary_key():
    """The form of a child model needs the key, which is also its reference to the parent."""
    formset = inlineformset_factory(Album, Photo, fields=["picture"])
    form = formset(instance=Album(pk=1)).empty_form
    form.fields["album"].pk_field = True
    assert hidden_row_fields(form) == {"key": "id"}
