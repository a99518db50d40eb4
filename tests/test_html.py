"""HTML in every text that a page shows: in the tags, the widget and the admin it stays a text."""

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
from django_groupme_images.intake import waiting_file
from django_groupme_images.widgets import AHEAD

from .gallery.models import Album, Local, Member, Photo
from .properties.carried import STORAGE
from .properties.tag import MADE, Tags, by_django, by_jinja, check_image
from .urls_of_pictures import JPEG

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
every_text = pytest.mark.parametrize("text", HTML)


def shape(html: str) -> list[tuple[str, list[str]]]:
    """Every tag, with the names of its attributes."""
    return [(tag, [name for name, _ in attributes]) for tag, attributes in Tags(html).tags]


# The tags


@every_text
@pytest.mark.parametrize("name", sorted({*MADE, "title", "class_", "style", "id", "data_x"}))
def test_in_an_attribute_of_the_tag(name: str, text: str) -> None:
    html = by_jinja({name: text})
    assert html == by_django({name: text})
    assert html
    check_image(html, {name: text})


@every_text
@pytest.mark.parametrize("tag", ["groupme_image", "groupme_url"])
def test_in_the_default_of_a_tag(tag: str, text: str) -> None:
    source = "{% load groupme_images %}{% " + tag + " v default=d %}"
    html = Template(source).render(Context({"d": text}))
    template = engines["jinja2"].from_string("{{ " + tag + "(v, default=d) }}")
    for rendered in (html, template.render({"d": text})):
        assert (Tags(rendered).tags, Tags(rendered).text) == ([], text)


@every_text
def test_in_the_value_of_a_tag(text: str) -> None:
    source = (
        "{% load groupme_images %}{% groupme_image v %}{% groupme_url v %}{{ v|groupme_large }}"
    )
    for value in (text, JPEG + text, Member(photo=text).photo):
        assert Template(source).render(Context({"v": value})) == ""


@every_text
def test_in_the_name_of_a_file_that_a_tag_shows(text: str) -> None:
    html = Template("{% load groupme_images %}{% groupme_image v %}").render(
        Context({"v": Local(photo=f"local/{text}").photo})
    )
    assert shape(html) == [("img", ["src", "alt", "loading", "decoding"])]


# The widget


def page(text: str, renderer: Any) -> str:
    """A form that says the text wherever it can be told to."""

    class Widget(GroupMeImageInput):
        address_label = carried_text = file_label = initial_text = clear_checkbox_label = text

    class Form(forms.Form):
        photo = GroupMeImageFormField(
            label=text,
            required=False,
            storage=STORAGE,
            error_messages={"contradiction": text},
            widget=Widget(attrs={"class": text, "accept": text, "data-x": text}),
        )

    initial = {"photo": waiting_file(f"photos/{text}", STORAGE)}
    name = f"{text}-photo"
    data = {f"{name}-url": text, f"{name}-clear": "on", f"{name}-uploaded": text, AHEAD: text}
    common = {
        "prefix": text,
        "initial": initial,
        "auto_id": text.replace("%", "%%") + "%s",
        "renderer": renderer,
    }
    sent = {key: value for key, value in data.items() if key != AHEAD}
    return f"{Form(data, **common)}{Form(sent, **common)}{Form(**common)}"


@every_text
@pytest.mark.parametrize(
    "renderer", [DjangoTemplates(), Jinja2()], ids=lambda each: type(each).__name__
)
def test_in_the_widget(text: str, renderer: Any) -> None:
    html, plain = page(text, renderer), page("cat", renderer)
    assert shape(html) == shape(plain)
    assert Tags(html).text.count(text) == Tags(plain).text.count("cat")


@every_text
def test_in_the_names_of_formats(settings: Any, text: str) -> None:
    settings.GROUPME_ALLOWED_FORMATS = ["jpeg"]
    plain = str(GroupMeImageFormField().widget.render("photo", None))
    settings.GROUPME_ALLOWED_FORMATS = [text]
    assert shape(str(GroupMeImageFormField().widget.render("photo", None))) == shape(plain)


# The admin


@every_text
def test_in_a_thumbnail_of_the_admin(text: str) -> None:
    columns = [
        thumbnail("photo", alt=text),
        thumbnail("photo", alt=lambda row: row.name),
        thumbnail("photo", description=text),
    ]
    for column in columns:
        ((tag, attributes),) = Tags(column(Member(name=text, photo=JPEG))).tags
        assert (tag, dict(attributes)["alt"]) == ("img", text)
    assert thumbnail("photo", alt=text)(Member(name=text, photo=text)) == ""


@pytest.mark.django_db
@every_text
def test_on_the_pages_of_the_admin(text: str) -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("editor"))
    album = Album.objects.create(title="x")
    photo = Photo.objects.create(album=album, picture=JPEG, caption="cat")
    urls = [
        reverse("admin:gallery_photo_changelist"),
        reverse("admin:gallery_photo_change", args=[photo.pk]),
    ]
    plain = [shape(client.get(url).text) for url in urls]
    Photo.objects.update(caption=text)
    assert [shape(client.get(url).text) for url in urls] == plain
