"""Test Wagtail with original images on GroupMe and renditions in a local storage."""

from __future__ import annotations

import hashlib
import inspect
import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from wagtail.images.views.serve import generate_image_url
from wagtail.models import Collection

from django_groupme_images.emulator.faults import Fault
from tests.support import emulator_pictures as pictures

from .documentation import documented_block
from .helpers import half_red_jpeg, uploaded_jpeg
from .models import PublicPicture, SitePicture, SiteRendition
from .urls import urlpatterns

pytestmark = pytest.mark.django_db

FILL = "{% load wagtailimages_tags %}{% image image fill-100x100 %}"


@pytest.fixture(autouse=True)
def root_collection():
    """Create the collection that Wagtail's migrations create."""
    return Collection.add_root(name="Root")


def form_data(name="cat.jpg"):
    """Return the data that the form for a new image submits."""
    return {
        "title": "A cat",
        "file": uploaded_jpeg(name),
        "collection": Collection.objects.get().pk,
    }


def image_source(html):
    return re.search(r'src="(.*?)"', html)[1]


def test_documented_models_are_those_of_the_tests():
    code = documented_block("AbstractImage")
    for model in (SitePicture, SiteRendition):
        assert inspect.getsource(model) in code
    names = {}
    exec(code.partition("\n\nclass ")[0], names)
    assert {"GroupMeImageField", "PictureNotFound", "SourceImageIOError"} <= names.keys()


def test_documented_settings_are_those_of_the_tests(settings):
    documented: dict[str, Any] = {}
    exec(documented_block("WAGTAILIMAGES_IMAGE_MODEL"), documented)
    assert documented.pop("WAGTAILIMAGES_IMAGE_MODEL") == "your_app.SitePicture"
    names = [name for name in documented if name.isupper()]
    assert len(names) == 2
    assert {name: documented[name] for name in names} == {
        name: getattr(settings, name) for name in names
    }


def test_add_view_with_valid_image_uploads_once(admin_client, emulator, list_requests):
    assert admin_client.get(reverse("wagtailimages:add")).status_code == 200
    assert admin_client.post(reverse("wagtailimages:add"), form_data()).status_code == 302
    image = SitePicture.objects.get()
    assert image.file.name.startswith(f"{emulator.cdn_url}480x320.jpeg.")
    assert (image.width, image.height) == (480, 320)
    assert image.file_size == len(half_red_jpeg())
    assert image.file_hash == hashlib.sha1(half_red_jpeg()).hexdigest()
    assert list_requests() == ["POST /pictures"]


def test_add_multiple_view_with_valid_image_uploads_once(admin_client, emulator, list_requests):
    data = form_data()
    data["files[]"] = data.pop("file")
    response = admin_client.post(reverse("wagtailimages:add_multiple"), data)
    assert response.json()["success"]
    assert SitePicture.objects.get().file.name.startswith(f"{emulator.cdn_url}480x320.jpeg.")
    assert list_requests() == ["POST /pictures"]


def test_add_view_with_wrong_extension_shows_wagtail_error(admin_client, list_requests):
    response = admin_client.post(reverse("wagtailimages:add"), form_data("cat.png"))
    assert "does not match the file format" in str(response.context["form"].errors["file"])
    assert list_requests() == []


def test_add_view_with_unsupported_format_shows_wagtail_error(admin_client, list_requests):
    webp = SimpleUploadedFile("cat.webp", pictures.plain("WEBP"), "image/webp")
    response = admin_client.post(reverse("wagtailimages:add"), form_data() | {"file": webp})
    assert "Not a supported image format" in str(response.context["form"].errors["file"])
    assert list_requests() == []


def test_add_view_with_rejected_upload_returns_500(admin_client, emulator):
    emulator.app.faults.add(Fault("status", status=401, method="POST"))
    admin_client.raise_request_exception = False
    assert admin_client.post(reverse("wagtailimages:add"), form_data()).status_code == 500
    assert not SitePicture.objects.exists()


@pytest.fixture
def image(photo_url):
    return SitePicture.objects.create(title="A cat", file=photo_url)


def test_rendition_rendered_twice_downloads_image_once(image, render, open_media, arrived_methods):
    url = image_source(render(FILL, image=image))
    assert open_media(url).size == (100, 100)
    assert image_source(render(FILL, image=SitePicture.objects.get())) == url
    assert arrived_methods() == ["GET"]


def test_srcset_with_two_renditions_downloads_image_once(
    image, render, open_media, arrived_methods
):
    template = "{% load wagtailimages_tags %}{% srcset_image image width-{50,100} sizes='1px' %}"
    urls = re.findall(r"(/media/\S+) \d+w", render(template, image=image))
    assert sorted(open_media(url).width for url in urls) == [50, 100]
    assert arrived_methods() == ["GET"]


def test_rendition_after_focal_point_change_is_cropped_around_it(
    image, render, open_media, admin_client
):
    """The left half of the image is red, so a rendition around a point there is red."""
    point = {"focal_point_x": 60, "focal_point_y": 160}
    size = {"focal_point_width": 20, "focal_point_height": 20}
    data = {"title": "A cat", "collection": image.collection_id, **point, **size}
    before = image_source(render(FILL, image=image))
    edited = admin_client.post(reverse("wagtailimages:edit", args=[image.pk]), data)
    assert edited.status_code == 302
    after = image_source(
        render(FILL.replace("100x100", "100x100-c100"), image=SitePicture.objects.get())
    )
    colors = [open_media(url).getpixel((75, 50)) for url in (before, after)]
    assert [color[0] > color[2] for color in colors] == [False, True]


def test_renditions_of_images_of_same_size_get_different_names(add_photo, render, list_media):
    for _ in range(2):
        render(FILL, image=SitePicture.objects.create(title="A cat", file=add_photo()))
    first, second = sorted(list_media(), key=len)
    assert first == "images/480x320.jpeg.2e16d0ba.fill-100x100.jpg"
    assert re.fullmatch(r"images/480x320_\w{7}\.jpeg\.2e16d0ba\.fill-100x100\.jpg", second)


def test_admin_pages_visited_twice_download_image_once_per_rendition(
    image, admin_client, arrived_methods
):
    index, edit = reverse("wagtailimages:index"), reverse("wagtailimages:edit", args=[image.pk])
    for _ in range(2):
        assert "A cat" in admin_client.get(index).text
    assert arrived_methods() == ["GET"]
    for _ in range(2):
        assert "A cat" in admin_client.get(edit).text
    assert arrived_methods() == ["GET", "HEAD", "GET", "GET"]
    assert SitePicture.objects.get().file_size == len(half_red_jpeg())


def test_edit_with_new_file_uploads_once_and_delete_makes_no_request(
    image, admin_client, render, arrived_methods
):
    render(FILL, image=image)
    page = reverse("wagtailimages:edit", args=[image.pk])
    assert admin_client.post(page, form_data()).status_code == 302
    replaced = SitePicture.objects.get()
    assert replaced.file.name != image.file.name
    assert not replaced.renditions.exists()
    assert arrived_methods() == ["GET", "POST"]
    render(FILL, image=replaced)
    delete = reverse("wagtailimages:delete", args=[image.pk])
    assert admin_client.post(delete).status_code == 302
    assert not SitePicture.objects.exists()
    assert arrived_methods() == ["GET", "POST", "GET"]


def test_add_view_during_outage_saves_pending_file(
    admin_client, emulator, settings, render, open_media, list_requests
):
    settings.GROUPME_FALLBACK = "files"
    emulator.app.faults.add(Fault("status", status=503, method="POST"))
    assert admin_client.post(reverse("wagtailimages:add"), form_data()).status_code == 302
    image = SitePicture.objects.get()
    assert (image.width, image.height) == (480, 320)
    assert image.file.name == "original_images/cat.jpg"
    assert open_media(image_source(render(FILL, image=image))).size == (100, 100)
    assert list_requests() == ["POST /pictures"]


def test_missing_image_has_not_found_rendition(missing_name, render, admin_client):
    image = SitePicture.objects.create(title="A cat", file=missing_name, width=480, height=320)
    assert image_source(render(FILL, image=image)) == "/media/not-found"
    for page in (reverse("wagtailimages:index"), reverse("wagtailimages:edit", args=[image.pk])):
        assert "A cat" in admin_client.get(page).text


def test_serve_view_with_slash_in_name_needs_documented_pattern(image):
    url = generate_image_url(image, "width-100")
    assert url.endswith(image.file.name[len("original_images/") :])
    response = Client().get(url)
    assert response["Content-Type"] == "image/jpeg"
    assert len(b"".join(response)) > 0
    assert Client().get(url.replace("/images/", "/strict/")).status_code == 404
    documented: dict[str, Any] = {}
    exec(documented_block("re_path"), documented)
    (pattern,) = documented["urlpatterns"]
    assert str(pattern.pattern) == str(urlpatterns[-1].pattern)


def test_rendition_with_storage_on_groupme_is_uploaded_once(
    photo_url, emulator, render, arrived_methods
):
    image = PublicPicture.objects.create(title="A cat", file=photo_url)
    url = image_source(render(FILL, image=image))
    assert url.startswith(f"{emulator.cdn_url}100x100.jpeg.")
    assert image_source(render(FILL, image=PublicPicture.objects.get())) == url
    assert arrived_methods() == ["GET", "POST"]
