"""Wagtail: sources on GroupMe, renditions on this machine."""

from __future__ import annotations

import hashlib
import inspect
import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from wagtail.images.views.serve import generate_image_url
from wagtail.models import Collection

from django_groupme_images.emulator.faults import Fault

from .. import emulator_pictures as pictures
from .conftest import half_red
from .manual import block, told
from .models import PublicPicture, SitePicture, SiteRendition
from .urls import urlpatterns

pytestmark = pytest.mark.django_db

STORAGE, EXTENSIONS, _, PATTERN = told("Wagtail")
FILL = "{% load wagtailimages_tags %}{% image image fill-100x100 %}"


@pytest.fixture(autouse=True)
def root():
    """The collection that Wagtail's migrations make."""
    return Collection.add_root(name="Root")


def posted(name="cat.jpg", **more):
    return {
        "title": "A cat",
        "file": SimpleUploadedFile(name, half_red(), "image/jpeg"),
        "collection": Collection.objects.get().pk,
    } | more


def source(html):
    return re.search(r'src="(.*?)"', html)[1]


def ways(arrived):
    return [request.split()[0] for request in arrived()]


def test_the_models_in_the_manual():
    page = block("AbstractImage")
    for model in (SitePicture, SiteRendition):
        assert inspect.getsource(model) in page
    names = {}
    exec(page.partition("\n\nclass ")[0], names)
    assert {"GroupMeImageField", "PictureNotFound", "SourceImageIOError"} <= names.keys()


def test_an_upload_in_the_admin(editor, emulator, arrived):
    assert editor.get(reverse("wagtailimages:add")).status_code == 200
    assert editor.post(reverse("wagtailimages:add"), posted()).status_code == 302
    image = SitePicture.objects.get()
    assert image.file.name.startswith(f"{emulator.cdn_url}480x320.jpeg.")
    assert (image.width, image.height) == (480, 320)
    assert image.file_size == len(half_red())
    assert image.file_hash == hashlib.sha1(half_red()).hexdigest()
    assert arrived() == ["POST /pictures"]


def test_many_uploads_at_once(editor, emulator, arrived):
    data = posted()
    data["files[]"] = data.pop("file")
    answer = editor.post(reverse("wagtailimages:add_multiple"), data)
    assert answer.json()["success"]
    assert SitePicture.objects.get().file.name.startswith(f"{emulator.cdn_url}480x320.jpeg.")
    assert arrived() == ["POST /pictures"]


def test_wagtails_own_checks_hold(editor, arrived):
    answer = editor.post(reverse("wagtailimages:add"), posted("cat.png"))
    assert "does not match the file format" in str(answer.context["form"].errors["file"])
    assert arrived() == []


def test_other_formats_are_an_error_of_wagtails_form(editor, arrived, settings):
    assert f"WAGTAILIMAGES_EXTENSIONS = {settings.WAGTAILIMAGES_EXTENSIONS}" == EXTENSIONS.replace(
        '"', "'"
    )
    webp = SimpleUploadedFile("cat.webp", pictures.plain("WEBP"), "image/webp")
    answer = editor.post(reverse("wagtailimages:add"), posted() | {"file": webp})
    assert "Not a supported image format" in str(answer.context["form"].errors["file"])
    assert arrived() == []


def test_what_the_service_refuses_is_an_error_page(editor, emulator):
    emulator.app.faults.add(Fault("status", status=401, method="POST"))
    editor.raise_request_exception = False
    assert editor.post(reverse("wagtailimages:add"), posted()).status_code == 500
    assert not SitePicture.objects.exists()


@pytest.fixture
def image(photo):
    return SitePicture.objects.create(title="A cat", file=photo)


def test_a_rendition_is_made_once(image, render, served, arrived, settings):
    url = source(render(FILL, image=image))
    assert served(url).size == (100, 100)
    assert source(render(FILL, image=SitePicture.objects.get())) == url
    assert ways(arrived) == ["GET"]
    assert getattr(settings, STORAGE) == "files"


def test_many_renditions_cost_one_request(image, render, served, arrived):
    template = "{% load wagtailimages_tags %}{% srcset_image image width-{50,100} sizes='1px' %}"
    urls = re.findall(r"(/media/\S+) \d+w", render(template, image=image))
    assert sorted(served(url).width for url in urls) == [50, 100]
    assert ways(arrived) == ["GET"]


def test_the_focal_point(image, render, served, editor):
    """The picture is red on its left: what is cut out around a point there is."""
    point = {"focal_point_x": 60, "focal_point_y": 160}
    size = {"focal_point_width": 20, "focal_point_height": 20}
    data = {"title": "A cat", "collection": image.collection_id, **point, **size}
    before = source(render(FILL, image=image))
    edited = editor.post(reverse("wagtailimages:edit", args=[image.pk]), data)
    assert edited.status_code == 302
    after = source(render(FILL.replace("100x100", "100x100-c100"), image=SitePicture.objects.get()))
    colours = [served(url).getpixel((75, 50)) for url in (before, after)]
    assert [colour[0] > colour[2] for colour in colours] == [False, True]


def test_renditions_of_pictures_of_one_size_want_the_same_name(new_photo, render, files):
    for _ in range(2):
        render(FILL, image=SitePicture.objects.create(title="A cat", file=new_photo()))
    wanted, other = sorted(files(), key=len)
    assert wanted == "images/480x320.jpeg.2e16d0ba.fill-100x100.jpg"
    assert re.fullmatch(r"images/480x320_\w{7}\.jpeg\.2e16d0ba\.fill-100x100\.jpg", other)


def test_the_pages_of_the_admin_ask_for_a_picture_once_for_each_rendition(image, editor, arrived):
    index, edit = reverse("wagtailimages:index"), reverse("wagtailimages:edit", args=[image.pk])
    for _ in range(2):
        assert "A cat" in editor.get(index).text
    assert ways(arrived) == ["GET"]
    for _ in range(2):
        assert "A cat" in editor.get(edit).text
    assert ways(arrived) == ["GET", "HEAD", "GET", "GET"]
    assert SitePicture.objects.get().file_size == len(half_red())


def test_replacing_and_deleting(image, editor, render, arrived, files):
    render(FILL, image=image)
    page = reverse("wagtailimages:edit", args=[image.pk])
    assert editor.post(page, posted()).status_code == 302
    replaced = SitePicture.objects.get()
    assert replaced.file.name != image.file.name
    assert not replaced.renditions.exists()
    assert ways(arrived) == ["GET", "POST"]
    render(FILL, image=replaced)
    delete = reverse("wagtailimages:delete", args=[image.pk])
    assert editor.post(delete).status_code == 302
    assert not SitePicture.objects.exists()
    assert ways(arrived) == ["GET", "POST", "GET"]


def test_an_upload_in_an_outage_waits(editor, emulator, settings, render, served, arrived):
    settings.GROUPME_FALLBACK = "files"
    emulator.app.faults.add(Fault("status", status=503, method="POST"))
    assert editor.post(reverse("wagtailimages:add"), posted()).status_code == 302
    image = SitePicture.objects.get()
    assert (image.width, image.height) == (480, 320)
    assert image.file.name == "original_images/cat.jpg"
    assert served(source(render(FILL, image=image))).size == (100, 100)
    assert arrived() == ["POST /pictures"]


@pytest.mark.parametrize("kind", ["gone", "file"])
def test_what_is_not_there_is_shown_as_not_found(gone, waiting, render, editor, kind):
    name = {"gone": gone, "file": "gone.jpg"}[kind]
    image = SitePicture.objects.create(title="A cat", file=name, width=480, height=320)
    assert source(render(FILL, image=image)) == "/media/not-found"
    for page in (reverse("wagtailimages:index"), reverse("wagtailimages:edit", args=[image.pk])):
        assert "A cat" in editor.get(page).text


def test_the_serve_view_needs_a_pattern_that_takes_slashes(image, served):
    url = generate_image_url(image, "width-100")
    assert url.endswith(image.file.name[len("original_images/") :])
    answer = Client().get(url)
    assert answer["Content-Type"] == "image/jpeg"
    assert len(b"".join(answer)) > 0
    assert Client().get(url.replace("/images/", "/strict/")).status_code == 404
    assert str(urlpatterns[-1].pattern).endswith(PATTERN)


def test_renditions_may_be_on_groupme(photo, emulator, render, arrived):
    image = PublicPicture.objects.create(title="A cat", file=photo)
    url = source(render(FILL, image=image))
    assert url.startswith(f"{emulator.cdn_url}100x100.jpeg.")
    assert source(render(FILL, image=PublicPicture.objects.get())) == url
    assert ways(arrived) == ["GET", "POST"]
