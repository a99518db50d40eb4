"""Requests of browsers: the browsable API, HTML forms, and OPTIONS."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import QueryDict

from django_groupme_images.emulator.faults import Fault
from tests.support.api import GroupSerializer
from tests.support.field_data import stored_value, uploaded_file
from tests.support.urls_of_pictures import JPEG
from tests.testapp.models import Group, Member, Unique

pytestmark = pytest.mark.urls("tests.support.api")


def html(response: Any) -> str:
    assert "text/html" in response["Content-Type"]
    return response.content.decode()


@pytest.mark.parametrize("endpoint", ["members", "cards"])
def test_browsable_api_with_file_creates_row_and_shows_url(
    emulator, list_requests, api, member, endpoint
):
    page = html(api.get(f"/{endpoint}/", headers={"Accept": "text/html"}))
    assert '<input name="photo"  type="file"' in page
    page = html(api.get(f"/{endpoint}/{member.pk}/", headers={"Accept": "text/html"}))
    assert JPEG in page
    data = {"name": "Ada", "photo": uploaded_file()}
    response = api.post(f"/{endpoint}/", data, headers={"Accept": "text/html"})
    assert response.status_code == 201
    assert Member.objects.latest("pk").photo.url in html(response)
    assert list_requests() == ["POST /pictures"]


def test_browsable_api_with_failed_upload_shows_error(emulator, api, db):
    data = {"name": "Ada", "photo": uploaded_file(content=b"no picture")}
    response = api.post("/members/", data, headers={"Accept": "text/html"})
    assert response.status_code == 400
    assert "“cat.jpg” is not a valid image" in html(response)
    emulator.app.faults.add(Fault("status", status=503))
    data = {"name": "Ada", "photo": uploaded_file()}
    response = api.post("/members/", data, headers={"Accept": "text/html"})
    assert response.status_code == 503
    assert "is not responding" in html(response)


def test_multipart_put_with_empty_file_input_keeps_image(api, db):
    row = Unique.objects.create(photo=JPEG)
    body = (
        '--x\r\nContent-Disposition: form-data; name="photo"; filename=""\r\n'
        "Content-Type: application/octet-stream\r\n\r\n\r\n--x--\r\n"
    )
    response = api.put(
        f"/uniques/{row.pk}/", body.encode(), content_type="multipart/form-data; boundary=x"
    )
    assert response.status_code == 200
    assert stored_value(row) == JPEG


def test_html_form_without_required_file_reports_error_unless_partial(db):
    serializer = GroupSerializer(data=QueryDict("photo=&top="))
    assert not serializer.is_valid()
    assert serializer.errors == {"photo": ["No file was submitted."]}
    row = Group.objects.create(photo=JPEG)
    serializer = GroupSerializer(row, data=QueryDict("photo=&top="), partial=True)
    assert serializer.is_valid()
    assert serializer.validated_data == {}


def test_options_request_describes_field_as_image_upload(api, member):
    fields = api.options(f"/members/{member.pk}/").json()["actions"]["PUT"]
    assert fields["photo"]["type"] == "image upload"
