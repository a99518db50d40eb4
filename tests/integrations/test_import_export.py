"""Test that django-import-export exports and imports URLs of images."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from import_export.resources import modelresource_factory
from tablib import Dataset

from .admin import MemberResource
from .documentation import documented_block
from .models import Member

pytestmark = pytest.mark.django_db


def import_rows(*rows, resource=MemberResource):
    return resource().import_data(Dataset(*rows, headers=["id", "name", "photo"]))


def stored_names():
    return list(Member.objects.order_by("pk").values_list("photo", flat=True))


def test_export_contains_stored_names(photo_url, pending_name, list_requests):
    for name, value in {"Ada": photo_url, "Bob": pending_name, "Eve": ""}.items():
        Member.objects.create(name=name, photo=value)
    assert MemberResource().export()["photo"] == [photo_url, pending_name, ""]
    assert list_requests() == []


@pytest.mark.parametrize("resource", [MemberResource, modelresource_factory(Member)])
def test_import_of_exported_rows_changes_nothing(photo_url, pending_name, list_requests, resource):
    for value in (photo_url, pending_name, ""):
        Member.objects.create(name="Ada", photo=value)
    exported = resource().export()
    result = resource().import_data(Dataset().load(exported.csv, format="csv"), raise_errors=True)
    assert result.totals["skip" if resource is MemberResource else "update"] == 3
    assert stored_names() == [photo_url, pending_name, ""]
    assert list_requests() == []


def test_import_of_urls_stores_originals(photo_url, list_requests):
    rows = [("", "Ada", photo_url), ("", "Bob", f"{photo_url}.large"), ("", "Eve", "")]
    result = import_rows(*rows)
    assert result.totals["new"] == 3
    assert stored_names() == [photo_url, photo_url, ""]
    assert list_requests() == []


@pytest.mark.parametrize("wrong", ["cat.jpg", "https://example.com/cat.jpg"])
def test_import_of_invalid_url_is_row_error(photo_url, wrong, list_requests):
    result = import_rows(("", "Ada", photo_url), ("", "Bob", wrong))
    assert result.totals["new"] == result.totals["invalid"] == 1
    (row,) = result.invalid_rows
    assert row.number == 2
    assert list(row.error_dict) == ["photo"]
    assert wrong in row.error_dict["photo"][0]
    assert stored_names() == [photo_url]
    assert list_requests() == []


def test_import_without_clean_model_instances_stores_invalid_string():
    assert documented_block("clean_model_instances = True")
    assert MemberResource._meta.clean_model_instances
    result = import_rows(("", "Bob", "any text"), resource=modelresource_factory(Member))
    assert result.totals["new"] == 1
    assert stored_names() == ["any text"]


def test_admin_import_and_export_of_url_make_no_request(photo_url, admin_client, list_requests):
    lines = f"id,name,photo\n,Ada,{photo_url}\n".encode()
    page = reverse("admin:integrations_member_import")
    data = {"import_file": SimpleUploadedFile("members.csv", lines), "format": "0"}
    response = admin_client.post(page, data)
    assert photo_url in response.text
    assert stored_names() == []
    confirmed = response.context["confirm_form"].initial
    response = admin_client.post(reverse("admin:integrations_member_process_import"), confirmed)
    assert response.status_code == 302
    assert stored_names() == [photo_url]
    exported = admin_client.post(
        reverse("admin:integrations_member_export"),
        {"format": "0", "memberresource_photo": True, "resource": ""},
    )
    assert exported.content.decode() == f"photo\r\n{photo_url}\r\n"
    assert list_requests() == []
