"""django-import-export: rows with URLs go out and come in."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from import_export.resources import modelresource_factory
from tablib import Dataset

from .admin import MemberResource
from .manual import told
from .models import Member

pytestmark = pytest.mark.django_db


def imported(*rows, resource=MemberResource):
    return resource().import_data(Dataset(*rows, headers=["id", "name", "photo"]))


def photos():
    return list(Member.objects.order_by("pk").values_list("photo", flat=True))


def test_an_export_has_the_urls(photo, waiting, arrived):
    for name, value in {"Ada": photo, "Bob": waiting, "Eve": ""}.items():
        Member.objects.create(name=name, photo=value)
    assert MemberResource().export()["photo"] == [photo, waiting, ""]
    assert arrived() == []


@pytest.mark.parametrize("resource", [MemberResource, modelresource_factory(Member)])
def test_a_round_trip_changes_nothing_and_asks_nobody(photo, waiting, arrived, resource):
    for value in (photo, waiting, ""):
        Member.objects.create(name="Ada", photo=value)
    exported = resource().export()
    result = resource().import_data(Dataset().load(exported.csv, format="csv"), raise_errors=True)
    assert result.totals["skip" if resource is MemberResource else "update"] == 3
    assert photos() == [photo, waiting, ""]
    assert arrived() == []


def test_an_import_takes_urls(photo, arrived):
    result = imported(("", "Ada", photo), ("", "Bob", f"{photo}.large"), ("", "Eve", ""))
    assert result.totals["new"] == 3
    assert photos() == [photo, photo, ""]
    assert arrived() == []


@pytest.mark.parametrize("wrong", ["cat.jpg", "https://example.com/cat.jpg"])
def test_a_wrong_text_is_an_error_of_its_row(photo, wrong, arrived):
    result = imported(("", "Ada", photo), ("", "Bob", wrong))
    assert result.totals["new"] == result.totals["invalid"] == 1
    (row,) = result.invalid_rows
    assert row.number == 2
    assert list(row.error_dict) == ["photo"]
    assert wrong in row.error_dict["photo"][0]
    assert photos() == [photo]
    assert arrived() == []


def test_without_the_setting_any_text_is_imported():
    (setting, _) = told("django-import-export")
    assert setting == "clean_model_instances = True"
    assert MemberResource._meta.clean_model_instances
    result = imported(("", "Bob", "any text"), resource=modelresource_factory(Member))
    assert result.totals["new"] == 1
    assert photos() == ["any text"]


def test_in_the_admin(photo, editor, arrived):
    lines = f"id,name,photo\n,Ada,{photo}\n".encode()
    page = reverse("admin:neighbours_member_import")
    data = {"import_file": SimpleUploadedFile("members.csv", lines), "format": "0"}
    answer = editor.post(page, data)
    assert photo in answer.text
    assert photos() == []
    confirmed = answer.context["confirm_form"].initial
    answer = editor.post(reverse("admin:neighbours_member_process_import"), confirmed)
    assert answer.status_code == 302
    assert photos() == [photo]
    exported = editor.post(
        reverse("admin:neighbours_member_export"),
        {"format": "0", "memberresource_photo": True, "resource": ""},
    )
    assert exported.content.decode() == f"photo\r\n{photo}\r\n"
    assert arrived() == []
