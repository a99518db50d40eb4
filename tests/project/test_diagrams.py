"""Test that the diagrams in the documentation agree with the code."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.template import Context, Template
from PIL import Image

from django_groupme_images.emulator.faults import Fault
from django_groupme_images.signals import picture_uploaded
from tests import ROOT
from tests.support import emulator_pictures as pictures
from tests.support.deadlines import DEADLINE
from tests.testapp.models import Member

SITE_PARTICIPANTS = {"Form", "Storage", "View"}


def read_messages(number: int) -> list[tuple[str, str, str]]:
    """Return the sender, the receiver, and the label of each message in a sequence diagram."""
    page = (ROOT / "docs/explanation/saving.md").read_text(encoding="utf-8")
    diagram = page.split("```mermaid")[number + 1].split("```")[0]
    return re.findall(r"(\w+)--?>>(\w+): (.+)", diagram)


SAVING, SHOWING = read_messages(0), read_messages(1)


@pytest.mark.any_django
def test_architecture_diagram_contains_layers_of_import_contract():
    diagram = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("```mermaid")[1]
    diagram_layers = [re.findall(r"\w+", layer) for layer in re.findall(r'\["(.+)"\]', diagram)]
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    (contract,) = [each for each in tools["importlinter"]["contracts"] if each["id"] == "layers"]
    assert diagram_layers == [re.findall(r"\w+", layer) for layer in contract["layers"]]


@pytest.fixture
def server_events(emulator: Any, db: Any) -> Iterator[list[str]]:
    """Record ``picture_uploaded`` signals, and the first word of each query of members."""
    events: list[str] = []

    def record_signal(**kwargs: Any) -> None:
        events.append("picture_uploaded")

    def record_query(execute: Any, sql: str, *args: Any) -> Any:
        if Member._meta.db_table in sql:
            events.append(sql.split(maxsplit=1)[0])
        return execute(sql, *args)

    picture_uploaded.connect(record_signal)
    with connection.execute_wrapper(record_query):
        yield events
    picture_uploaded.disconnect(record_signal)


def diagram_requests(diagram: list[tuple[str, str, str]]) -> list[str]:
    """Return the requests of the site to GroupMe."""
    return [
        label
        for sender, receiver, label in diagram
        if sender in SITE_PARTICIPANTS and receiver in {"Service", "CDN"}
    ]


def diagram_queries(diagram: list[tuple[str, str, str]]) -> list[str]:
    """Return the first word of each query."""
    return [label.split()[0] for _, receiver, label in diagram if receiver == "Database"]


def post_form(client: Any, path: str = "/members/add/") -> Any:
    photo = SimpleUploadedFile("ada.jpg", pictures.plain(), "image/jpeg")
    return client.post(path, {"name": "Ada", "photo": photo})


@pytest.mark.parametrize("path", ["/members/add/", "/admin/gallery/member/add/"])
def test_form_with_image_makes_requests_and_queries_of_diagram(
    path, admin_client, emulator, list_requests, server_events
):
    response = post_form(admin_client, path)
    assert str(response.status_code) == SAVING[-1][-1]
    assert list_requests() == diagram_requests(SAVING) == ["POST /pictures"]
    assert server_events == ["picture_uploaded", *diagram_queries(SAVING)]
    (request,) = emulator.app.record.as_list()
    assert request["headers"]["Content-Type"] == "image/jpeg"
    assert {"X-Access-Token", "Content-Length"} <= request["headers"].keys()


def test_page_with_image_makes_query_of_diagram_and_no_request(
    client, list_requests, server_events
):
    post_form(client)
    del server_events[:]
    template = Template('{% load groupme_images %}{% groupme_image m.photo "avatar" %}')
    html = template.render(Context({"m": Member.objects.get()}))
    assert server_events == diagram_queries(SHOWING)
    assert list_requests()[1:] == diagram_requests(SHOWING) == []

    (source,) = re.findall(r' src="([^"]+)"', html)
    thumbnail = requests.get(source, timeout=DEADLINE)
    width, height = Image.open(BytesIO(thumbnail.content)).size
    assert SHOWING[-1][-1] == f"200 with {width}×{height} pixels"
    assert list_requests()[1:] == [f"GET {urlsplit(source).path}"]
    (label,) = (label for *ends, label in SHOWING if ends == ["Browser", "CDN"])
    assert re.fullmatch(r"GET /\d+x\d+\.jpeg\.\w+(…|\w+)\.avatar", label)
    assert re.fullmatch(r"/\d+x\d+\.jpeg\.\w+\.avatar", urlsplit(source).path)


def test_form_with_fallback_saves_file_of_failed_upload_there(client, emulator, fallback, db):
    emulator.app.faults.add(Fault("status", status=503))
    assert post_form(client).status_code == 302
    assert fallback.exists(Member.objects.get().photo.name)


@pytest.mark.parametrize("status", [503, 400])
def test_form_without_fallback_shows_failed_upload_as_field_error(status, client, emulator, db):
    emulator.app.faults.add(Fault("status", status=status))
    response = post_form(client)
    assert [*response.context["form"].errors] == ["photo"]
    assert 'value="Ada"' in response.content.decode()
    assert not Member.objects.exists()
