"""The admin's thumbnail column, and the script that each of its cells contains."""

from __future__ import annotations

import re
from itertools import count
from typing import Any

import pytest
from django.contrib.staticfiles.storage import StaticFilesStorage
from django.urls import reverse
from django.utils.translation import gettext_lazy, override

from django_groupme_images.admin import thumbnail
from tests.support.urls_of_pictures import JPEG, LEGACY, PNG
from tests.testapp.models import Album, Measured, Member, Photo

pytestmark = pytest.mark.django_db


def test_thumbnail_column_adds_no_query_and_no_request(
    editor, emulator, list_requests, django_assert_num_queries, django_assert_max_num_queries
):
    album = Album.objects.create(title="x")
    url = reverse("admin:gallery_photo_changelist")
    with django_assert_max_num_queries(10) as without_rows:
        editor.get(url)
    Photo.objects.bulk_create(
        Photo(album=album, picture=JPEG, caption=str(number)) for number in range(50)
    )
    with django_assert_num_queries(len(without_rows)):
        page = editor.get(url).text
    assert page.count(f'<img src="{JPEG}.avatar" width="60" height="60"') == 50
    assert list_requests() == []


def test_thumbnail_column_is_lazy_sized_labeled_and_sortable(editor):
    Member.objects.create(name="Ada", photo=JPEG)
    Member.objects.create(name="Eve")
    page = editor.get(reverse("admin:gallery_member_changelist")).text
    assert (
        f'<td class="field-thumbnail_photo"><img src="{JPEG}.avatar" width="60" height="60" '
        'alt="Photo" loading="lazy" decoding="async">'
        '<script src="/static/groupme_images/late_thumbnails.js" defer></script></td>'
    ) in page
    assert '<td class="field-thumbnail_photo">-</td>' in page
    assert re.search(
        r'class="sortable column-thumbnail_photo">.*?\?o=2">Photo</a>', page, re.DOTALL
    )


def test_thumbnail_with_options_uses_variant_alt_and_description():
    column: Any = thumbnail(
        "photo", variant="preview", alt=lambda member: member.name, description=gettext_lazy("Yes")
    )
    assert column.short_description == "Yes"
    assert column.admin_order_field == "photo"
    assert 'alt="&lt;Ada&gt;"' in column(Member(name="<Ada>", photo=JPEG))
    assert f'src="{LEGACY}.preview"' in column(Member(photo=LEGACY))
    assert 'alt="A face"' in thumbnail("photo", alt="A face")(Member(photo=JPEG))
    with pytest.raises(ValueError, match="Unknown variant"):
        thumbnail("photo", variant="huge")


def test_thumbnail_with_other_static_url_uses_it_for_script(settings):
    column: Any = thumbnail("photo")
    for static_url in ("/static/", "/files/"):
        settings.STATIC_URL = static_url
        script = f'<script src="{static_url}groupme_images/late_thumbnails.js" defer></script>'
        assert column(Member(photo=JPEG)).endswith(f">{script}")
    assert column(Member()) == ""


class SigningStorage(StaticFilesStorage):
    """A storage whose URLs expire, so that it returns another URL each time."""

    numbers = count()

    def url(self, name: str | None) -> str:
        return f"{super().url(name)}?signature={next(self.numbers)}"


def test_thumbnails_with_expiring_static_urls_have_new_one_in_each_response(settings, editor):
    storage = {"BACKEND": f"{__name__}.SigningStorage"}
    settings.STORAGES = settings.STORAGES | {"staticfiles": storage}
    Member.objects.bulk_create([Member(photo=JPEG), Member(photo=PNG)])
    first, second = (
        re.findall(
            r"<td.*?late_thumbnails\.js\?signature=(\d+)",
            editor.get(reverse("admin:gallery_member_changelist")).text,
        )
        for _ in range(2)
    )
    assert len(first) == len(second) == 2
    assert len({*first}) == len({*second}) == 1
    assert first != second


@pytest.mark.parametrize(("variant", "height"), [("avatar", 60), ("preview", 200), ("large", 960)])
def test_thumbnail_of_pending_file_is_limited_to_variant_size(fallback, variant, height):
    html = thumbnail("photo", variant=variant)(Member(photo="photos/cat.jpg"))
    assert f'src="/media/photos/cat.jpg" height="{height}" alt="Photo"' in html
    html = thumbnail("photo", variant=variant)(Measured(photo="cat.jpg", width=30, height=9))
    assert 'src="/media/cat.jpg" width="30" height="9"' in html


def test_thumbnail_after_pending_file_keeps_size_of_next_row(fallback):
    column: Any = thumbnail("photo", variant="large")
    assert 'height="960"' in column(Member(photo="photos/cat.jpg"))
    assert 'height="325"' in column(Member(photo=JPEG))


def test_thumbnail_description_is_translated_to_active_language():
    column: Any = thumbnail("photo", description=gettext_lazy("Yes"))
    for language, text in (("en", "Yes"), ("de", "Ja")):
        with override(language):
            assert f'alt="{text}"' in column(Member(photo=JPEG))


def test_thumbnail_of_related_object_renders_image_or_nothing():
    class Club:
        owner = Member(photo=JPEG)
        deputy = None

    column: Any = thumbnail("owner__photo")
    assert column.short_description == "Owner photo"
    assert column.__name__ == "thumbnail_owner__photo"
    assert f'src="{JPEG}.avatar"' in column(Club())
    assert thumbnail("deputy__photo")(Club()) == ""
    assert thumbnail("album__title")(Photo(album=Album())) == ""
    assert thumbnail("album__photo")(Photo()) == ""
    with pytest.raises(AttributeError, match="phto"):
        thumbnail("phto")(Member(photo=JPEG))


def test_thumbnail_as_readonly_field_renders_image(editor):
    photo = Photo.objects.create(album=Album.objects.create(title="x"), picture=JPEG, caption="one")
    page = editor.get(reverse("admin:gallery_photo_change", args=[photo.pk])).text
    assert re.search(rf'<div class="readonly"><img src="{JPEG}\.preview" width="200"', page)
    page = editor.get(reverse("admin:gallery_photo_add")).text
    assert '<div class="readonly"></div>' in page
