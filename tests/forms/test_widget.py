"""The HTML of the widget, and the values that it reads from a submission."""

from __future__ import annotations

import json
import re
import sys
from html import unescape
from pathlib import Path

import pytest
from django.core.files.storage import InMemoryStorage
from django.forms.renderers import DjangoTemplates, Jinja2
from PIL import features

import django_groupme_images
from django_groupme_images.forms import GroupMeImageInput
from django_groupme_images.forms.widget_script import widget_config_json
from django_groupme_images.pictures import Picture
from django_groupme_images.storage import groupme_storage
from tests.support.animations import HAS_AVIF
from tests.support.field_data import uploaded_file
from tests.support.form_data import MemberForm
from tests.support.html_forms import input_attribute
from tests.support.urls_of_pictures import JPEG, LEGACY
from tests.testapp.forms import CardForm
from tests.testapp.models import Member


def test_widget_of_stored_image_shows_preview_not_original(db):
    html = str(MemberForm(instance=Member(photo=JPEG))["photo"])
    assert re.findall(r'src="([^"]*)"', html) == [f"{JPEG}.preview"]
    assert re.findall(r'href="([^"]*)"', html) == [JPEG]
    assert "Original, 480 × 325 pixels" in html
    assert "<strong>Current image</strong>" in html
    assert 'name="photo-clear"' in html


@pytest.mark.parametrize("initial", [JPEG, Picture.parse(JPEG)])
def test_widget_of_form_with_initial_image_shows_preview(initial):
    assert f'src="{JPEG}.preview"' in str(CardForm(initial={"picture": initial})["picture"])


def test_widget_of_image_with_unknown_size_shows_square_preview(db):
    html = str(MemberForm(instance=Member(photo=LEGACY))["photo"])
    assert f'<img src="{LEGACY}.preview" width="200" height="200" alt="">' in html
    assert f'<a href="{LEGACY}">Original</a>' in html


@pytest.mark.parametrize("name", ["photos/cat.png", "https://example.com/<b>.png"])
def test_widget_of_other_stored_name_shows_escaped_name(db, name):
    html = str(MemberForm(instance=Member(photo=name))["photo"])
    assert unescape(html).count(name) == 1
    assert "<b>" not in html
    assert "<img" not in html


@pytest.mark.parametrize("initial", ["", None, "cat.png", 5])
def test_widget_without_image_shows_no_current_value(initial):
    html = str(CardForm(initial={"picture": initial})["picture"])
    assert "Current image" not in html


def test_jinja2_template_renders_same_html_as_django():
    templates = Path(django_groupme_images.__file__).parent
    path = "groupme_images/widgets/image_input.html"
    django_file, jinja2_file = (templates / kind / path for kind in ("templates", "jinja2"))
    assert django_file.read_text(encoding="utf-8") == jinja2_file.read_text(encoding="utf-8")
    for value in ("", JPEG, LEGACY):
        bound = CardForm(initial={"logo": value})["logo"]
        html = [
            unescape(bound.field.widget.render("logo", value, {"id": "x"}, renderer))
            for renderer in (DjangoTemplates(), Jinja2())
        ]
        assert html[0] == html[1]
        assert ("<img" in html[0]) is bool(value)


def test_disabled_field_ignores_submitted_file(emulator, list_requests, db):
    form = MemberForm({"name": "Ada"}, {"photo": uploaded_file()}, instance=Member(photo=JPEG))
    form.fields["photo"].disabled = True
    assert form.is_valid()
    assert form.save().photo.name == JPEG
    assert str(form["photo"]).count(" disabled") == 4
    assert list_requests() == []


def test_value_omitted_from_data_is_true_without_submitted_values():
    widget = GroupMeImageInput()
    assert widget.value_omitted_from_data({}, {}, "photo")
    assert widget.value_omitted_from_data({"photo-url": "", "photo-uploaded": ""}, {}, "photo")
    assert not widget.value_omitted_from_data({"photo-url": JPEG}, {}, "photo")
    assert not widget.value_omitted_from_data({"photo-uploaded": "x"}, {}, "photo")
    assert not widget.value_omitted_from_data({"photo-clear": "on"}, {}, "photo")
    assert not widget.value_omitted_from_data({}, {"photo": uploaded_file()}, "photo")


def test_labels_and_descriptions_refer_to_existing_ids():
    html = CardForm().as_p()
    ids = re.findall(r' id="([^"]*)"', html)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r' for="([^"]*)"', html)) <= set(ids)
    assert input_attribute(html, "picture", "aria-describedby") == "id_picture_helptext"
    assert "<p " not in html
    assert " required" not in str(CardForm()["picture"])  # A URL can be entered instead.


def test_widget_without_auto_id_renders_no_dangling_label():
    html = str(CardForm(auto_id=False))
    assert "picture_helptext" not in html
    assert set(re.findall(r' for="([^"]*)"', html)) <= set(re.findall(r' id="([^"]*)"', html))


@pytest.fixture
def convert(settings):
    settings.GROUPME_ALLOWED_FORMATS = ["jpeg", "webp"]
    settings.GROUPME_CONVERT_FORMATS = ["webp", "avif", "heif", "tiff"]
    settings.GROUPME_MAX_DIMENSION = 960


@pytest.fixture
def no_decoders(monkeypatch):
    """Remove Pillow's decoder for AVIF and its plugin for HEIF."""
    monkeypatch.delitem(features.modules, "avif", raising=False)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)


def _accepted_types() -> str:
    return input_attribute(str(CardForm()["picture"]), "picture", "accept")


def test_input_accepts_formats_that_are_converted(convert):
    pytest.importorskip("pillow_heif")
    if not HAS_AVIF:
        pytest.skip("Pillow without AVIF")
    expected = "image/jpeg,image/webp,image/avif,image/heic,image/heif,image/tiff"
    assert _accepted_types() == expected


def test_input_does_not_accept_formats_without_decoder(convert, no_decoders):
    assert _accepted_types() == "image/jpeg,image/webp,image/tiff"


def test_script_converts_formats_without_decoder_on_server(convert, no_decoders):
    config = json.loads(widget_config_json(groupme_storage, ""))
    assert config["formats"] == ["jpeg", "webp", "tiff"]
    assert config["convert"] == ["avif", "heif", "tiff"]
    assert config["maxDimension"] == 960


def test_script_changes_no_images_for_other_storage(convert):
    config = json.loads(widget_config_json(InMemoryStorage(), ""))
    assert config["formats"] == ["jpeg", "webp"]
    assert config["convert"] == []
    assert config["maxDimension"] is None


def test_scripts_are_loaded_in_order_of_dependency():
    scripts = re.findall(r'src="[^"]*/(\w+)\.js" defer', str(CardForm().media))
    assert scripts == [
        "image_shrink",
        "image_input",
        "image_form_data",
        "image_uploads",
        "late_thumbnails",
    ]
