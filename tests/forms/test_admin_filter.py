"""The admin's list filter by where images are."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.auth.models import User
from django.db import models
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils.translation import override

from django_groupme_images.admin import GroupMeImageFilter
from django_groupme_images.pictures import CDN_URL
from tests.support.urls_of_pictures import JPEG, LEGACY, PNG
from tests.testapp.models import Local, Member, Note, Nullable, Plain, Stop, Trip, Unique

pytestmark = pytest.mark.django_db

KINDS = ("groupme", "pending", "empty", "other")


def change_list(model: Any, *list_filter: Any, **params: str) -> Any:
    """Return the change list of a model with these filters, as a superuser sees it."""
    model_admin = type("Admin", (admin.ModelAdmin,), {"list_filter": list_filter})
    request = RequestFactory().get("/", params)
    request.user = User(is_superuser=True, is_active=True)
    return model_admin(model, admin.site).get_changelist_instance(request)


def rows_by_kind(model: Any, path: str = "photo", *list_filter: Any) -> dict[str, set[Any]]:
    """Return the rows that each choice of the filter selects."""
    return {
        kind: {*change_list(model, *list_filter or [path], **{f"{path}__kind": kind}).queryset}
        for kind in KINDS
    }


def displayed_choices(changes: Any) -> list[str]:
    (spec,) = changes.filter_specs
    return [str(choice["display"]) for choice in spec.choices(changes)]


def create(model: Any, *names: str | None) -> list[Any]:
    """Create rows that contain exactly these names, and return them."""
    rows = [model.objects.create() for _ in names]
    for row, name in zip(rows, names, strict=True):
        value = models.Value(name, output_field=models.CharField())
        model.objects.filter(pk=row.pk).update(photo=value)
    return rows


def test_filter_selects_each_name_by_exactly_one_choice():
    names = {
        "groupme": [JPEG, LEGACY, PNG, JPEG.replace("https:", "http:"), f"{JPEG}.avatar"],
        "pending": ["photos/cat.jpg", "https.jpg", "http", "httpd/cat.jpg", "ftp://x/cat.jpg"],
        "empty": [""],
        "other": [
            "https://example.com/cat.jpg",
            "HTTP://example.com/a.png",
            f"{CDN_URL[:-1]}.org/",
        ],
    }
    expected = {kind: {*create(Member, *names[kind])} for kind in KINDS}
    assert rows_by_kind(Member) == expected
    assert {*change_list(Member, "photo").queryset} == set().union(*expected.values())


def test_filter_of_nullable_field_selects_null_as_empty():
    rows = create(Nullable, None, "", JPEG, "cat.jpg")
    assert rows_by_kind(Nullable) == {
        "groupme": {rows[2]},
        "pending": {rows[3]},
        "empty": {rows[0], rows[1]},
        "other": set(),
    }
    unset = Unique.objects.create()
    assert rows_by_kind(Unique)["empty"] == {unset}


@pytest.mark.parametrize("cdn_url", ["http://127.0.0.1:8001/", "https://cdn.example.com/groupme/"])
def test_filter_accepts_configured_cdn_and_cdn_of_groupme(settings, cdn_url):
    settings.GROUPME_CDN_URL = cdn_url
    own, groupme, other = create(
        Member, f"{cdn_url}{JPEG.removeprefix(CDN_URL)}", JPEG, "http://127.0.0.1:8002/a"
    )
    rows = rows_by_kind(Member)
    assert (rows["groupme"], rows["other"]) == ({own, groupme}, {other})


def test_filter_on_related_field_selects_missing_object_as_empty():
    trip = Trip.objects.create(title="x", cover="cat.jpg")
    note = Note.objects.create(trip=trip, text="a")
    Note.objects.create(trip=Trip.objects.create(title="y", cover=JPEG), text="b")
    assert rows_by_kind(Note, "trip__cover")["pending"] == {note}
    Stop.objects.create(trip=trip, picture=JPEG, place="c")
    Stop.objects.create(trip=trip, picture="dog.jpg", place="d")
    without_stop = Trip.objects.get(title="y")
    assert rows_by_kind(Trip, "stop__picture") == {
        "groupme": {trip},
        "pending": {trip},
        "empty": {without_stop},
        "other": set(),
    }


def test_filter_with_unknown_choice_redirects_to_unfiltered_list(client: Client):
    with pytest.raises(IncorrectLookupParameters):
        change_list(Member, "photo", photo__kind="lost")
    client.force_login(User.objects.create_superuser("editor"))
    url = reverse("admin:gallery_member_changelist")
    assert client.get(url, {"photo__kind": "lost"}).url == f"{url}?e=1"


def test_filter_displays_choices_and_marks_selected_one(client: Client, fallback):
    create(Member, JPEG, "cat.jpg")
    client.force_login(User.objects.create_superuser("editor"))
    page = client.get(reverse("admin:gallery_member_changelist"), {"photo__kind": "pending"}).text
    assert re.search(r'<li class="selected">\s*<a href="\?photo__kind=pending">Pending</a>', page)
    assert page.count("?photo__kind=") == 4
    assert "By photo" in page
    assert displayed_choices(change_list(Member, "photo")) == [
        "All",
        "On GroupMe",
        "Pending",
        "Empty",
        "Other URL",
    ]


def test_filter_displays_facets_with_one_query(django_assert_num_queries):
    create(Member, JPEG, PNG, "cat.jpg", "", "https://example.com/cat.jpg")
    changes = change_list(Member, "photo", _facets="True", photo__kind="pending")
    with django_assert_num_queries(1):
        choices = displayed_choices(changes)
    assert choices == ["All", "On GroupMe (2)", "Pending (1)", "Empty (1)", "Other URL (1)"]


def test_facets_of_empty_table_are_zero():
    choices = displayed_choices(change_list(Member, "photo", _facets="True"))
    assert choices[1:] == ["On GroupMe (0)", "Pending (0)", "Empty (0)", "Other URL (0)"]


def test_filter_without_facets_makes_no_additional_query(django_assert_num_queries):
    create(Member, JPEG)
    with django_assert_num_queries(3):  # two counts, and the rows
        changes = change_list(Member, "photo")
        list(changes.result_list)
        displayed_choices(changes)


def test_filter_is_used_only_for_groupme_image_fields_with_groupme_storage():
    assert not isinstance(change_list(Local, "photo").filter_specs[0], GroupMeImageFilter)
    assert not isinstance(change_list(Plain, "photo").filter_specs[0], GroupMeImageFilter)
    plain = Plain.objects.create(photo="cat.jpg")
    explicit = ("photo", GroupMeImageFilter)
    assert rows_by_kind(Plain, "photo", explicit)["pending"] == {plain}


def test_filter_with_other_storage_is_hidden(settings):
    assert len(change_list(Member, ("photo", GroupMeImageFilter)).filter_specs) == 1
    settings.STORAGES = {**settings.STORAGES, "groupme": settings.STORAGES["default"]}
    assert change_list(Member, ("photo", GroupMeImageFilter)).filter_specs == []
    create(Member, "cat.jpg", "dog.jpg")
    (spec,) = change_list(Member, "photo").filter_specs
    assert not isinstance(spec, GroupMeImageFilter)


def test_filter_is_translated():
    with override("de"):
        assert displayed_choices(change_list(Member, "photo")) == [
            "Alle",
            "Auf GroupMe",
            "Ausstehend",
            "Leer",
            "Andere Adresse",
        ]


def test_filter_and_search_are_combined(client: Client, fallback):
    Member.objects.create(name="Ada", photo="cat.jpg")
    Member.objects.create(name="Eve", photo="cat.jpg")
    client.force_login(User.objects.create_superuser("editor"))
    page = client.get(
        reverse("admin:gallery_member_changelist"), {"photo__kind": "pending", "q": "Ada"}
    )
    assert [member.name for member in page.context["cl"].queryset] == ["Ada"]
