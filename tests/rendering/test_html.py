"""Escaping of HTML in the strings that tags, the widget, and the admin render."""

from __future__ import annotations

from typing import Any

import pytest
from django import forms
from django.contrib.auth.models import User
from django.forms.renderers import DjangoTemplates, Jinja2
from django.template import Context, Template, engines
from django.test import Client
from django.urls import reverse

from django_groupme_images.admin import thumbnail
from django_groupme_images.forms import GroupMeImageFormField, GroupMeImageInput
from django_groupme_images.forms.uploads import pending_file
from django_groupme_images.forms.widgets import LATE_THUMBNAILS_SCRIPT, PREFLIGHT_FIELD
from tests.properties.signed_token import STORAGE
from tests.properties.tag import DEFAULT_ATTRIBUTES, Tags, check_image, render_django, render_jinja2
from tests.support.urls_of_pictures import JPEG
from tests.testapp.models import Album, Local, Member, Photo

HTML = [
    '"><script>alert(1)</script>',
    "' onload='alert(1)",
    '" autofocus onfocus="alert(1)',
    "<img src=x onerror=alert(1)>",
    "</groupme-image-input><b>",
    "--><svg/onload=alert(1)>",
    "&quot;&#62;&lt;b&gt;",
    "{{ 7 }}{% now 'Y' %}",
    "\"'<>&`=/\\",
]
each_string = pytest.mark.parametrize("string", HTML)


def shape(html: str) -> list[tuple[str, list[str]]]:
    """Return the name of each tag with the names of its attributes."""
    return [(tag, [name for name, _ in attributes]) for tag, attributes in Tags(html).tags]


# Template tags


@each_string
@pytest.mark.parametrize(
    "name", sorted({*DEFAULT_ATTRIBUTES, "title", "class_", "style", "id", "data_x"})
)
def test_html_in_tag_attribute_is_escaped(name: str, string: str) -> None:
    html = render_jinja2({name: string})
    assert html == render_django({name: string})
    assert html
    check_image(html, {name: string})


@each_string
@pytest.mark.parametrize("tag", ["groupme_image", "groupme_url"])
def test_html_in_tag_default_is_escaped(tag: str, string: str) -> None:
    source = "{% load groupme_images %}{% " + tag + " v default=d %}"
    html = Template(source).render(Context({"d": string}))
    template = engines["jinja2"].from_string("{{ " + tag + "(v, default=d) }}")
    for rendered in (html, template.render({"d": string})):
        assert (Tags(rendered).tags, Tags(rendered).text) == ([], string)


@each_string
def test_html_in_tag_value_renders_nothing(string: str) -> None:
    source = (
        "{% load groupme_images %}{% groupme_image v %}{% groupme_url v %}{{ v|groupme_large }}"
    )
    for value in (string, JPEG + string, Member(photo=string).photo):
        assert Template(source).render(Context({"v": value})) == ""


@each_string
def test_html_in_file_name_is_escaped(string: str) -> None:
    html = Template("{% load groupme_images %}{% groupme_image v %}").render(
        Context({"v": Local(photo=f"local/{string}").photo})
    )
    assert shape(html) == [("img", ["src", "alt", "loading", "decoding"])]


# Widget


def page(string: str, renderer: Any) -> str:
    """Render a form with the string in each option and value."""

    class Widget(GroupMeImageInput):
        address_label = carried_text = file_label = initial_text = clear_checkbox_label = string

    class Form(forms.Form):
        photo = GroupMeImageFormField(
            label=string,
            required=False,
            storage=STORAGE,
            error_messages={"contradiction": string},
            widget=Widget(attrs={"class": string, "accept": string, "data-x": string}),
        )

    initial = {"photo": pending_file(f"photos/{string}", STORAGE)}
    name = f"{string}-photo"
    data = {
        f"{name}-url": string,
        f"{name}-clear": "on",
        f"{name}-uploaded": string,
        PREFLIGHT_FIELD: string,
    }
    common = {
        "prefix": string,
        "initial": initial,
        "auto_id": string.replace("%", "%%") + "%s",
        "renderer": renderer,
    }
    submitted = {key: value for key, value in data.items() if key != PREFLIGHT_FIELD}
    return f"{Form(data, **common)}{Form(submitted, **common)}{Form(**common)}"


@each_string
@pytest.mark.parametrize(
    "renderer", [DjangoTemplates(), Jinja2()], ids=lambda each: type(each).__name__
)
def test_html_in_widget_options_is_escaped(string: str, renderer: Any) -> None:
    html, plain = page(string, renderer), page("cat", renderer)
    assert shape(html) == shape(plain)
    assert Tags(html).text.count(string) == Tags(plain).text.count("cat")


@each_string
def test_html_in_allowed_formats_is_escaped(settings: Any, string: str) -> None:
    settings.GROUPME_ALLOWED_FORMATS = ["jpeg"]
    plain = str(GroupMeImageFormField().widget.render("photo", None))
    settings.GROUPME_ALLOWED_FORMATS = [string]
    assert shape(str(GroupMeImageFormField().widget.render("photo", None))) == shape(plain)


# Admin


@each_string
def test_html_in_admin_thumbnail_is_escaped(string: str) -> None:
    columns = [
        thumbnail("photo", alt=string),
        thumbnail("photo", alt=lambda row: row.name),
        thumbnail("photo", description=string),
    ]
    for column in columns:
        (tag, attributes), *script = Tags(column(Member(name=string, photo=JPEG))).tags
        assert (tag, dict(attributes)["alt"]) == ("img", string)
        assert script == Tags(str(LATE_THUMBNAILS_SCRIPT)).tags
    assert thumbnail("photo", alt=string)(Member(name=string, photo=string)) == ""


@pytest.mark.django_db
@each_string
def test_html_in_admin_pages_is_escaped(string: str) -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("editor"))
    album = Album.objects.create(title="x")
    photo = Photo.objects.create(album=album, picture=JPEG, caption="cat")
    urls = [
        reverse("admin:gallery_photo_changelist"),
        reverse("admin:gallery_photo_change", args=[photo.pk]),
    ]
    plain = [shape(client.get(url).text) for url in urls]
    Photo.objects.update(caption=string)
    assert [shape(client.get(url).text) for url in urls] == plain
