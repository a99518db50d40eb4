"""The alternative text that template tags and the admin's thumbnails take from ``alt_field``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import models
from django.db.models.fields.files import ImageFieldFile
from django.template import Context, Template, engines
from django.test.utils import isolate_apps
from django.utils.functional import SimpleLazyObject
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy, override

from django_groupme_images import rendering
from django_groupme_images.admin import thumbnail
from django_groupme_images.fields import GroupMeImageField
from tests.support.urls_of_pictures import JPEG
from tests.testapp.models import Album, Member, Photo


@pytest.fixture
def captioned() -> Iterator[Any]:
    """A model with an ``alt_field``, on the table of ``Photo``."""
    with isolate_apps("tests.testapp"):

        class Captioned(models.Model):
            album = models.ForeignKey(Album, models.CASCADE, related_name="+")
            picture = GroupMeImageField(alt_field="caption")
            caption = models.CharField(max_length=50)

            class Meta:
                app_label = "gallery"
                managed = False
                db_table = Photo._meta.db_table

        yield Captioned


def render(arguments: str, **context: Any) -> str:
    """Render the tag with both engines, which must return the same HTML."""
    tag = "{% load groupme_images %}{% groupme_image " + arguments + " %}"
    html = Template(tag).render(Context(context))
    call = "{{ groupme_image(" + ", ".join(arguments.split()) + ") }}"
    assert html == engines["jinja2"].from_string(call).render(context)
    return html


@pytest.mark.parametrize(
    ("arguments", "alt"),
    [
        ("photo", "A cat"),
        ("photo 'avatar'", "A cat"),
        ("photo 'large' class=alt", "A cat"),
        ("photo alt=''", ""),
        ("photo alt=None", ""),
        ("photo alt=alt", "Another"),
        ("photo ALT=alt", "Another"),
        ("lazy", "A cat"),
        ("photo.picture", ""),
        ("photo.url", ""),
    ],
)
def test_image_tag_uses_alt_field_unless_alt_is_passed(
    captioned: Any, arguments: str, alt: str
) -> None:
    photo = captioned(picture=JPEG, caption="A cat").picture
    html = render(arguments, photo=photo, lazy=SimpleLazyObject(lambda: photo), alt="Another")
    assert html.count(" alt=") == 1
    assert f' alt="{alt}" ' in html


def test_image_tag_with_alt_field_keeps_order_of_attributes(captioned: Any) -> None:
    photo = captioned(picture=JPEG, caption="A cat").picture
    assert render("photo 'avatar' class='round'", photo=photo) == (
        f'<img src="{JPEG}.avatar" width="60" height="60" alt="A cat" class="round" '
        'loading="lazy" decoding="async">'
    )


def test_image_tag_with_html_in_alt_field_escapes_it(captioned: Any) -> None:
    photo = captioned(picture=JPEG, caption='"><script>')
    assert ' alt="&quot;&gt;&lt;script&gt;" ' in render("photo", photo=photo.picture)
    photo.caption = mark_safe('Tom &amp; "Jerry"')
    assert ' alt="Tom &amp; &quot;Jerry&quot;" ' in render("photo", photo=photo.picture)


def test_image_tag_with_alt_passed_does_not_read_alt_field() -> None:
    with isolate_apps("tests.testapp"):

        class Failing(models.Model):
            photo = GroupMeImageField(alt_field="description")

            class Meta:
                app_label = "gallery"

            @property
            def description(self) -> str:
                raise AssertionError("the property was read")

        photo = Failing(photo=JPEG).photo
        assert ' alt="Another" ' in render("photo alt='Another'", photo=photo)
        assert render("photo", photo=Failing().photo) == ""


def test_image_tag_with_pending_file_uses_alt_field(captioned: Any, fallback: Any) -> None:
    photo = captioned(picture="photos/cat.jpg", caption="A cat").picture
    assert render("photo", photo=photo).startswith('<img src="/media/photos/cat.jpg" alt="A cat"')


def test_image_tag_with_other_attr_class_renders_empty_alt() -> None:
    with isolate_apps("tests.testapp"):

        class CustomField(GroupMeImageField):
            attr_class = ImageFieldFile

        class Custom(models.Model):
            photo = CustomField(alt_field="caption")
            caption = "A cat"

            class Meta:
                app_label = "gallery"

        assert ' alt="" ' in render("photo", photo=Custom(photo=JPEG).photo)


def test_rendering_image_with_alt_field_uses_it(captioned: Any) -> None:
    photo = captioned(picture=JPEG, caption="A cat").picture
    assert ' alt="A cat" ' in rendering.image(value=photo, attributes={})


@pytest.mark.django_db
@pytest.mark.parametrize(("loaded", "alt"), [(["picture"], ""), (["picture", "caption"], "A cat")])
def test_tags_and_thumbnails_of_rows_with_deferred_fields_make_no_query(
    captioned: Any, django_assert_num_queries: Any, forbid_io: Any, loaded: list[str], alt: str
) -> None:
    album = Album.objects.create()
    for _ in range(3):
        Photo.objects.create(album=album, picture=JPEG, caption="A cat")
    rows = list(captioned._base_manager.only(*loaded))
    forbid_io()
    with django_assert_num_queries(0):
        for row in rows:
            assert f' alt="{alt}" ' in render("row.picture", row=row)
            assert f' alt="{alt or "Picture"}" ' in thumbnail("picture")(row)


# Thumbnails of the admin


def test_thumbnail_uses_alt_then_alt_field_then_header(captioned: Any) -> None:
    photo = captioned(picture=JPEG, caption="A cat")
    assert ' alt="A cat" ' in thumbnail("picture", description="Photograph")(photo)
    assert ' alt="Another" ' in thumbnail("picture", alt="Another")(photo)
    assert ' alt="" ' in thumbnail("picture", alt="")(photo)
    assert ' alt="1" ' in thumbnail("picture", alt=lambda row: 1)(photo)
    photo.caption = ""
    assert ' alt="Photograph" ' in thumbnail("picture", description="Photograph")(photo)
    assert ' alt="Name" ' in thumbnail("photo", alt=lambda row: row.name)(
        Member(photo=JPEG, name="Name")
    )


def test_thumbnail_of_related_object_uses_its_alt_field(captioned: Any) -> None:
    class Row:
        photo = captioned(picture=JPEG, caption="<cat>")

    assert ' alt="&lt;cat&gt;" ' in thumbnail("photo__picture")(Row())


def test_thumbnail_with_lazy_header_and_empty_alt_field_follows_language(captioned: Any) -> None:
    column = thumbnail("picture", description=gettext_lazy("Yes"))
    for caption, language, alt in (("", "de", "Ja"), ("", "en", "Yes"), ("A cat", "de", "A cat")):
        with override(language):
            assert f' alt="{alt}" ' in column(captioned(picture=JPEG, caption=caption))
