"""Forms with one image and with many images, from the request to the response."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from functools import cache, partial
from itertools import count
from typing import Any

from .measure import OURS, Result, Way, compare, is_installed
from .preparing import photo
from .processes import run_server
from .project import create_tables, set_up

SERVER = "tools.benchmarks.image_service"
LATENCY = 0.05  # seconds
ON_DISK = "ImageField on disk"
FORMSET_ON_DISK = "inline formset, ImageField on disk"
WAGTAIL = "Wagtail's page for multiple images"

# Each image that is submitted contains a different number instead of this comment.
MARKER = b"0123456789abcdef"
_numbers = count()

CONTRIB = ("auth", "contenttypes", "messages", "sessions", "staticfiles")
WAGTAIL_APPS = ("users", "images", "admin", "search")
MIDDLEWARE = (
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
)
CONTEXT_PROCESSORS = (
    "django.template.context_processors.request",
    "django.contrib.auth.context_processors.auth",
    "django.contrib.messages.context_processors.messages",
)

urlpatterns: list[Any] = []

NOTES = """\
The times include parsing the request, validating and storing the image, a new row in SQLite, and
the response. Django's test client passes the request to the site, so there is no web server. The
image service is a process on the same machine that reads uploads and discards them. JPEG files have
about 200 KB per megapixel."""
MANY_NOTES = f"""\
Each image is a different JPEG of 0.3 megapixels. "{LATENCY * 1000:.0f} ms" is the time that the
image service waits before it responds; otherwise, it responds immediately. Three images are
uploaded at the same time by the form field, and one by the formset. Wagtail's page submits each
image in a separate request, whose response contains a form for the title. The requests that save
the titles are not included."""


def results(quick: bool) -> Iterator[Result]:
    with run_server(SERVER) as url, run_server(SERVER, "--latency", str(LATENCY)) as slow_url:
        _set_up(url)
        _add_views(slow_url)
        yield compare(
            "Form with one image",
            "megapixels",
            {OURS: partial(_post_image, "/image/"), ON_DISK: partial(_post_image, "/disk/")},
            sizes=(2, 12),
            added=[(ON_DISK, 2, 10), (ON_DISK, 12, 30)],
            notes=NOTES,
            quick=quick,
        )
        yield compare(
            "Form with many images",
            "images",
            _ways_for_many(),
            sizes=(1, 10, 40),
            targets=[(FORMSET_ON_DISK, 40, 2), (WAGTAIL, 40, 1)],
            notes=MANY_NOTES,
            rounds=7,
            quick=quick,
        )


def _ways_for_many() -> dict[str, Way]:
    ways: dict[str, Way] = {
        OURS: partial(_post_images, "/images/"),
        f"{OURS}, {LATENCY * 1000:.0f} ms": partial(_post_images, "/slow/"),
        f"{OURS}, inline formset": partial(_post_formset, "/formset/"),
        FORMSET_ON_DISK: partial(_post_formset, "/formset-on-disk/"),
    }
    if is_installed("wagtail"):
        ways[WAGTAIL] = _post_to_wagtail
    return ways


def _set_up(url: str) -> None:
    templates = {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": CONTEXT_PROCESSORS},
    }
    wagtail = [*(f"wagtail.{app}" for app in WAGTAIL_APPS), "wagtail", "taggit", "modelcluster"]
    set_up(
        apps=[
            *(f"django.contrib.{app}" for app in CONTRIB),
            *(wagtail if is_installed("wagtail") else []),
        ],
        ALLOWED_HOSTS=["testserver"],
        GROUPME_UPLOAD_URL=f"{url}pictures",
        MIDDLEWARE=MIDDLEWARE,
        ROOT_URLCONF=__name__,
        SECRET_KEY="any",
        STATIC_URL="static/",
        TEMPLATES=[templates],
        WAGTAILADMIN_BASE_URL="http://testserver",
        WAGTAIL_SITE_NAME="any",
    )


def _add_views(slow_url: str) -> None:
    """Create the models, their tables, and a URL for each way."""
    from django.apps import apps
    from django.db import models
    from django.urls import include, path

    from django_groupme_images.fields import GroupMeImageField
    from django_groupme_images.storage import GroupMeStorage

    slow = GroupMeStorage(upload_url=f"{slow_url}pictures")

    class Album(models.Model):
        name = models.CharField()

    def model(name: str, image: models.ImageField) -> Any:
        album = models.ForeignKey(Album, models.CASCADE, null=True)
        return type(name, (models.Model,), {"__module__": __name__, "album": album, "image": image})

    photo_model = model("Photo", GroupMeImageField())
    slow_model = model("SlowPhoto", GroupMeImageField(storage=slow))
    disk_model = model("DiskPhoto", models.ImageField(upload_to="photos"))
    urlpatterns.extend(
        [
            path("image/", _form_view(photo_model)),
            path("disk/", _form_view(disk_model)),
            path("images/", _images_view(photo_model)),
            path("slow/", _images_view(slow_model)),
            path("formset/", _formset_view(Album, photo_model)),
            path("formset-on-disk/", _formset_view(Album, disk_model)),
        ]
    )
    if is_installed("wagtail"):
        urlpatterns.append(path("wagtail/", include("wagtail.admin.urls")))
    create_tables(*apps.get_models(include_auto_created=False))
    Album.objects.create()


def _form_view(model: Any) -> Callable[[Any], object]:
    from django.forms import modelform_factory

    form_class = modelform_factory(model, fields=["image"])

    def view(request: Any) -> object:
        form = form_class(request.POST, request.FILES)
        return _save_and_redirect(form)

    return view


def _images_view(model: Any) -> Callable[[Any], object]:
    from django import forms
    from django.shortcuts import redirect

    from django_groupme_images.forms import GroupMeMultipleImageFormField

    class ImagesForm(forms.Form):
        images = GroupMeMultipleImageFormField(storage=model._meta.get_field("image").storage)

    def view(request: Any) -> object:
        form = ImagesForm(request.POST, request.FILES)
        assert form.is_valid(), form.errors
        for image in form.cleaned_data["images"]:
            model.objects.create(image=image, album_id=1)
        return redirect("/")

    return view


def _formset_view(album_model: Any, model: Any) -> Callable[[Any], object]:
    from django.forms import inlineformset_factory

    formset_class = inlineformset_factory(album_model, model, fields=["image"])

    def view(request: Any) -> object:
        album = album_model.objects.get()
        return _save_and_redirect(formset_class(request.POST, request.FILES, instance=album))

    return view


def _save_and_redirect(form: Any) -> object:
    from django.shortcuts import redirect

    assert form.is_valid(), form.errors
    form.save()
    return redirect("/")


def _post_image(path: str, megapixels: int) -> Callable[[], object]:
    return _post(path, {"image": _image(megapixels)})


def _post_images(path: str, size: int) -> Callable[[], object]:
    return _post(path, {"images": [_image() for _ in range(size)]})


def _post_formset(path: str, size: int) -> Callable[[], object]:
    prefix = "photo_set" if path == "/formset/" else "diskphoto_set"
    form = {f"{prefix}-TOTAL_FORMS": size, f"{prefix}-INITIAL_FORMS": 0}
    return _post(path, form | {f"{prefix}-{n}-image": _image() for n in range(size)})


def _post_to_wagtail(size: int) -> Callable[[], object]:
    from django.contrib.auth import get_user_model
    from django.urls import reverse
    from wagtail.models import Collection

    Collection.get_first_root_node() or Collection.add_root(name="Root")
    user = get_user_model().objects.get_or_create(username="any", is_superuser=True)[0]
    path = reverse("wagtailimages:add_multiple")
    post = _post(path, {"title": "any", "files[]": _image()}, user=user, status=200)

    def post_all() -> None:
        for _ in range(size):
            assert post().json()["success"]

    return post_all


def _post(
    path: str, data: dict[str, object], *, user: Any = None, status: int = 302
) -> Callable[[], Any]:
    """Return a function that submits the form, with different images each time."""
    from django.test import Client
    from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart

    client = Client()
    if user:
        client.force_login(user)
    body = encode_multipart(BOUNDARY, data)

    def post() -> Any:
        numbered = re.sub(MARKER, lambda _: b"%016d" % next(_numbers), body)
        response = client.generic("POST", path, numbered, MULTIPART_CONTENT)
        assert response.status_code == status, response.content
        return response

    return post


@cache
def _content(megapixels: float) -> bytes:
    file = io.BytesIO()
    photo(megapixels).save(file, "jpeg", quality=85, comment=MARKER)
    return file.getvalue()


def _image(megapixels: float = 0.3) -> Any:
    from django.core.files.uploadedfile import SimpleUploadedFile

    return SimpleUploadedFile("photo.jpg", _content(megapixels), "image/jpeg")
