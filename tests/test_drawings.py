"""The drawings of the documentation show the app as it is."""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import pytest
import requests
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.template import Context, Template
from PIL import Image

import django_groupme_images
from django_groupme_images.emulator.faults import Fault
from django_groupme_images.signals import picture_uploaded
from docs.drawings import DRAWINGS, house
from docs.drawings.saving import SAVING, SHOWING, SITE, Step

from . import emulator_pictures as pictures
from .gallery.models import Member

IMAGES = Path(__file__).parent.parent / "docs/images"


@pytest.mark.any_django
@pytest.mark.parametrize("name", DRAWINGS)
def test_it_is_drawn_from_what_is_there(name):
    drawn = DRAWINGS[name]()
    assert drawn == (IMAGES / name).read_text(encoding="utf-8"), "make drawings"
    title, description = list(ET.fromstring(drawn))[:2]
    assert title.text
    assert description.text


@pytest.mark.any_django
def test_every_module_is_in_the_house():
    rooms = [house.TOWER, *(module for layer in house.layers() for module in layer)]
    modules = [module.name for module in pkgutil.iter_modules(django_groupme_images.__path__)]
    assert sorted(rooms) == sorted(modules)


@pytest.mark.any_django
def test_every_layer_has_a_caption():
    captions = [[name for name in layer if name in house.CAPTIONS] for layer in house.layers()]
    assert [len(names) for names in captions] == [1] * len(house.CAPTIONS)


@pytest.fixture
def happened(emulator: Any, db: Any) -> Iterator[list[str]]:
    """What the site's server did: the signals it sent, and what it asked of the table."""
    seen: list[str] = []

    def uploaded(**kwargs: Any) -> None:
        seen.append("picture_uploaded")

    def asked(execute: Any, sql: str, *args: Any) -> Any:
        if Member._meta.db_table in sql:
            seen.append(sql.split(maxsplit=1)[0])
        return execute(sql, *args)

    picture_uploaded.connect(uploaded)
    with connection.execute_wrapper(asked):
        yield seen
    picture_uploaded.disconnect(uploaded)


def requested(steps: tuple[Step, ...], by_site: bool) -> list[str]:
    return [step.request for step in steps if step.request and (step.source in SITE) == by_site]


def queried(steps: tuple[Step, ...]) -> list[str]:
    return [step.query for step in steps if step.query]


def send(client: Any, path: str = "/members/add/") -> Any:
    photo = SimpleUploadedFile("ada.jpg", pictures.plain(), "image/jpeg")
    return client.post(path, {"name": "Ada", "photo": photo})


@pytest.mark.parametrize("path", ["/members/add/", "/admin/gallery/member/add/"])
def test_a_picture_is_saved_as_it_is_drawn(path, admin_client, emulator, arrived, happened):
    answer = send(admin_client, path)
    assert str(answer.status_code) == SAVING[-1].words
    assert arrived() == requested(SAVING, by_site=True)
    assert requested(SAVING, by_site=False) == []
    assert happened == ["picture_uploaded", *queried(SAVING)]
    (entry,) = emulator.app.record.as_list()
    (upload,) = (step for step in SAVING if step.request)
    for header in upload.headers:
        name, _, value = header.partition(": ")
        assert value in entry["headers"][name.title()]


def test_a_picture_is_shown_as_it_is_drawn(client, arrived, happened):
    send(client)
    del happened[:]
    template = Template('{% load groupme_images %}{% groupme_image m.photo "avatar" %}')
    html = template.render(Context({"m": Member.objects.get()}))
    assert happened == queried(SHOWING)
    assert arrived()[1:] == requested(SHOWING, by_site=True) == []

    (source,) = re.findall(r' src="([^"]+)"', html)
    picture = requests.get(source, timeout=10)
    assert "{}×{} pixels".format(*Image.open(BytesIO(picture.content)).size) == SHOWING[-1].note
    (drawn,) = requested(SHOWING, by_site=False)
    assert arrived()[1:] == [f"GET {urlsplit(source).path}"]
    assert re.fullmatch(r"GET /\d+x\d+\.jpeg\.\w+(…|\w+)\.avatar", drawn)
    assert re.fullmatch(r"/\d+x\d+\.jpeg\.\w+\.avatar", urlsplit(source).path)


def test_an_upload_that_fails_becomes_a_file_in_the_fallback(client, emulator, fallback, db):
    emulator.app.faults.add(Fault("status", status=503))
    assert send(client).status_code == 302
    assert fallback.exists(Member.objects.get().photo.name)


@pytest.mark.parametrize("status", [503, 400])
def test_without_a_fallback_it_is_an_error_of_the_field(status, client, emulator, db):
    emulator.app.faults.add(Fault("status", status=status))
    answer = send(client)
    assert [*answer.context["form"].errors] == ["photo"]
    assert 'value="Ada"' in answer.content.decode()
    assert not Member.objects.exists()
