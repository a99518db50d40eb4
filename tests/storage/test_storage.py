"""Tests of ``GroupMeStorage``: saving, opening, file information, and use by Django."""

from __future__ import annotations

import copy
import io
import pickle
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from email.utils import formatdate

import pytest
from django.core.exceptions import SuspiciousFileOperation
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import (
    FileSystemStorage,
    InvalidStorageError,
    default_storage,
    storages,
)
from django.db.migrations.writer import MigrationWriter
from django.utils import timezone
from PIL import Image

from django_groupme_images.emulator.faults import Fault
from django_groupme_images.exceptions import (
    AuthenticationFailed,
    InvalidPicture,
    ServiceUnavailable,
    UnexpectedResponse,
    UploadRejected,
)
from django_groupme_images.pictures import CDN_URL, Picture
from django_groupme_images.storage import GroupMeStorage, groupme_storage
from django_groupme_images.storage.names import picture_from_name
from tests.support import emulator_pictures as pictures
from tests.support.streams import UnseekableStream
from tests.support.urls_of_pictures import JPEG
from tests.testapp.models import Member

PHOTO = pictures.plain()


# Saving


def test_save_returns_url_of_image(storage, name, emulator, list_requests):
    assert Picture.parse(name, emulator.cdn_url).width == 48
    assert storage.url(name) == name
    assert list_requests() == ["POST /pictures"]


@pytest.mark.parametrize(
    "name", ["x" * 5000, "a b\u202e\n.jpg", "http://example.com/x.png", JPEG, "photos/2026/cat.jpg"]
)
def test_save_with_any_file_name_uploads(storage, name, list_requests):
    storage.save(name, ContentFile(PHOTO), max_length=10)
    assert list_requests() == ["POST /pictures"]


@pytest.mark.parametrize("name", ["../cat.jpg", "/etc/cat.jpg", "", ".", "a/../b"])
def test_save_with_suspicious_name_raises(storage, name, list_requests):
    with pytest.raises(SuspiciousFileOperation):
        storage.save(name, ContentFile(PHOTO))
    assert list_requests() == []


def test_save_of_rejected_upload_leaves_content_open(storage):
    content = ContentFile(b"no image at all")
    with pytest.raises(UploadRejected):
        storage.save("cat.png", content)
    assert content.tell() == 0
    assert not content.closed


def test_save_over_max_upload_size_raises(emulator, list_requests):
    storage = GroupMeStorage(max_upload_size=100)
    with pytest.raises(UploadRejected, match="more than the 100 allowed"):
        storage.save("cat.jpg", ContentFile(PHOTO))
    assert list_requests() == []


def test_save_from_url_uploads_copy(storage, name, list_requests):
    copied = storage.save_from_url(name)
    assert copied != name
    assert storage.open(copied).read() == PHOTO


# Opening


def test_open_makes_no_request_before_read(storage, name, missing, list_requests):
    file = storage.open(name)
    storage.open(missing)
    assert list_requests() == ["POST /pictures"]
    assert file.read(2) == PHOTO[:2]
    assert list_requests()[1:] == [f"GET /{name.rpartition('/')[2]}"]
    file.close()


def test_open_returns_django_file(storage, name, list_requests):
    with storage.open(name) as file:
        assert isinstance(file, File)
        assert (file.name, file.mode) == (name, "rb")
        assert file.readable()
        assert file.seekable()
        assert not file.writable()
        assert b"".join(file.chunks(10)) == PHOTO
        assert file.seek(-4, io.SEEK_END) == len(PHOTO) - 4
        assert file.read() == PHOTO[-4:]
        assert file.seek(2) == file.tell() == 2
        assert file.seek(1, io.SEEK_CUR) == 3
        assert file.read(5) == PHOTO[3:8]
        assert list(file.open())
        assert len(list_requests()) == 2  # The content that was read is not downloaded again.
        assert file.size == len(file) == len(PHOTO)
    assert file.closed


def test_open_of_closed_file_reads_again(storage, name, list_requests):
    file = storage.open(name)
    assert file.read() == PHOTO
    file.close()
    with pytest.raises(ValueError, match="closed"):
        file.read()
    assert file.open().read() == file.open("rb").read() == PHOTO
    file.close()
    file.close()
    assert len(list_requests()) == 3


def test_seek_without_content_length_finds_end(storage, name, monkeypatch):
    file = storage.open(name)
    file.file.raw._download.size = None
    assert file.seek(0, io.SEEK_END) == len(PHOTO)
    assert file.seek(-10_000_000, io.SEEK_CUR) == 0
    assert file.read() == PHOTO
    file.close()


@pytest.mark.parametrize("mode", ["wb", "w", "ab", "r+b", "xb", "rt", ""])
def test_open_for_writing_raises(storage, name, mode):
    with pytest.raises(ValueError, match="Cannot open an image in mode .* save\\(\\) a new image"):
        storage.open(name, mode)
    if mode:
        with storage.open(name) as file, pytest.raises(io.UnsupportedOperation):
            file.open(mode)


def test_reading_dimensions_downloads_beginning_only(storage, emulator):
    large = pictures.encoded(Image.effect_noise((1500, 1500), 90), "PNG", compress_level=0)
    file = storage.open(storage.save("noise.png", ContentFile(large)))
    assert Image.open(file).size == (1500, 1500)
    assert file.file.raw._downloaded < 20_000 < len(large)
    file.close()


# Names


def test_url_makes_no_request(storage, emulator, list_requests):
    url = f"{emulator.cdn_url}480x325.jpeg.123456789"
    assert storage.url(f"{url}.large") == storage.url(url) == url
    assert list_requests() == []


@pytest.mark.parametrize("name", ["photos/cat.png", "", None, "http://169.254.169.254/"])
@pytest.mark.parametrize("method", ["url", "open", "size", "get_created_time", "get_modified_time"])
def test_methods_with_invalid_name_raise_without_request(storage, method, name, list_requests):
    quoted = repr(name) if name else "(''|None)"
    with pytest.raises(InvalidPicture, match=f"^{quoted} is not the URL of an image on"):
        getattr(storage, method)(name)
    assert storage.exists(name) is False
    assert list_requests() == []


# File information


def test_file_information_makes_head_requests(storage, name, missing, list_requests):
    assert storage.exists(name) is True
    assert storage.size(name) == len(PHOTO)
    for method in (storage.get_created_time, storage.get_modified_time):
        assert abs(method(name) - timezone.now()) < timedelta(minutes=1)
    assert {request.split()[0] for request in list_requests()[1:]} == {"HEAD"}


def test_save_with_wrong_token_raises(settings, emulator):
    with type(emulator)(token="right") as server:
        settings.GROUPME_UPLOAD_URL = server.upload_url
        with pytest.raises(AuthenticationFailed, match="unauthorized"):
            GroupMeStorage(access_token="wrong").save("cat.jpg", ContentFile(PHOTO))


class HeaderClient:
    """Test double of the client that returns these headers."""

    def __init__(self, **headers):
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def head(self, picture):
        return self.headers


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Last_Modified": "yesterday"},
        {"Last_Modified": "Fri, 31 Dec 9999 23:59:59 -0100"},
    ],
)
def test_modified_time_without_valid_header_raises(headers):
    class Storage(GroupMeStorage):
        client = HeaderClient(**headers)

    with pytest.raises(NotImplementedError, match="returned no valid Last-Modified"):
        Storage(cdn_url=CDN_URL).get_modified_time(JPEG)


def test_modified_time_from_header_is_aware():
    class Storage(GroupMeStorage):
        client = HeaderClient(Last_Modified=formatdate(0, usegmt=True))

    assert Storage(cdn_url=CDN_URL).get_modified_time(JPEG) == datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "headers", [{}, {"Content_Length": "many"}, {"Content_Length": "9" * 5000}]
)
def test_size_without_valid_content_length_raises(headers):
    class Storage(GroupMeStorage):
        client = HeaderClient(**headers)

    with pytest.raises(UnexpectedResponse, match="returned no Content-Length"):
        Storage(cdn_url=CDN_URL).size(JPEG)


# Unsupported operations


def test_delete_logs_that_image_stays_public(storage, name, caplog):
    caplog.set_level("INFO")
    storage.delete(name)
    assert f"cannot delete images: {name} stays public" in caplog.text
    assert storage.exists(name)


def test_delete_with_on_delete_raise_raises(emulator):
    with pytest.raises(NotImplementedError, match="cannot delete https://i.groupme.com/480x"):
        GroupMeStorage(on_delete="raise").delete(JPEG)


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        ("listdir", "cannot list images"),
        ("path", "no local path"),
        ("get_accessed_time", "does not report access times"),
    ],
)
def test_unsupported_methods_raise_with_reason(method, reason):
    with pytest.raises(NotImplementedError, match=reason):
        getattr(GroupMeStorage(), method)(JPEG)


# Integration with Django


def test_groupme_storage_as_default_storage_saves(emulator, settings):
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "django_groupme_images.storage.GroupMeStorage",
            "OPTIONS": {"upload_url": emulator.upload_url, "cdn_url": emulator.cdn_url},
        },
    }
    assert default_storage.exists(default_storage.save("cat.jpg", ContentFile(PHOTO)))


def test_groupme_storage_after_settings_change_is_updated(settings):
    assert groupme_storage == storages["groupme"]
    settings.STORAGES = {
        **settings.STORAGES,
        "groupme": {
            "BACKEND": "django_groupme_images.storage.GroupMeStorage",
            "OPTIONS": {"cdn_url": "https://cdn.example.com/"},
        },
    }
    assert groupme_storage.cdn_url == "https://cdn.example.com/"
    settings.STORAGES = {"default": settings.STORAGES["default"]}
    assert groupme_storage.cdn_url == CDN_URL
    assert isinstance(groupme_storage, GroupMeStorage)


def test_truth_value_of_groupme_storage_does_not_create_it(settings):
    settings.STORAGES = {"groupme": {"BACKEND": "missing.Storage"}}
    assert bool(groupme_storage) is True
    with pytest.raises(InvalidStorageError):
        str(groupme_storage.cdn_url)


def test_migrations_and_pickles_contain_public_paths():
    class_path, imports = MigrationWriter.serialize(GroupMeStorage)
    assert class_path == "django_groupme_images.storage.GroupMeStorage"
    assert imports == {"import django_groupme_images.storage"}
    assert GroupMeStorage().deconstruct()[0] == class_path
    for value, module in [(GroupMeStorage(), "storage"), (Member(photo=JPEG).photo, "fields")]:
        modules = re.findall(rb"django_groupme_images[.\w]*", pickle.dumps(value))
        assert set(modules) == {f"django_groupme_images.{module}".encode()}


def test_pickle_and_deconstruct_omit_access_token():
    storage = GroupMeStorage(access_token="marked-t0ken", timeout=4)
    assert storage.client
    assert storage.deconstruct() == (
        "django_groupme_images.storage.GroupMeStorage",
        (),
        {"timeout": 4},
    )
    data = pickle.dumps(storage)
    assert b"marked" not in data
    assert pickle.loads(data).timeout == 4
    assert "marked" not in repr(storage)
    assert copy.copy(storage).access_token == "marked-t0ken"
    assert copy.deepcopy({"a": storage})["a"] is storage


def test_picture_from_name_with_any_storage_returns_picture():
    assert picture_from_name(JPEG, GroupMeStorage()) == picture_from_name(JPEG, FileSystemStorage())
    assert picture_from_name(None, FileSystemStorage()) is None


def test_url_of_groupme_cdn_with_other_cdn_url_makes_no_request(storage, list_requests):
    assert picture_from_name(JPEG, storage) == Picture.parse(JPEG)
    assert storage.url(JPEG) == JPEG
    assert storage.exists(JPEG) is False
    for method in (storage.open, storage.size, storage.get_modified_time):
        with pytest.raises(InvalidPicture, match="is not the URL of an image on http://127"):
            method(JPEG)
    assert list_requests() == []


def test_setup_imports_only_what_models_and_templates_need():
    code = (
        "import sys, django;"
        "from django.conf import settings;"
        "settings.configure(INSTALLED_APPS=['django_groupme_images']);"
        "django.setup();"
        "import django_groupme_images.fields, django_groupme_images.storage;"
        "import django_groupme_images.templatetags.groupme_images;"
        "print(*sys.modules)"
    )
    output = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    modules = output.stdout.split()
    assert {"requests", "urllib3", "PIL", "tqdm"}.isdisjoint(modules)
    app = "django_groupme_images."
    own = {name.removeprefix(app) for name in modules if name.startswith(app)}
    unneeded = ("admin", "bulk", "client", "emulator", "forms", "management", "testing")
    assert not [name for name in own if name.startswith(unneeded)]
    assert {name for name in own if name.startswith("images.")} == {
        "images.rejections",
        "images.streams",
    }


# Metadata


def test_save_by_default_keeps_metadata(emulator, storage):
    photo = pictures.rotated(6)
    assert storage.open(storage.save("cat.jpg", ContentFile(photo))).read() == photo


@pytest.mark.parametrize("kind", ["seekable", "not seekable"])
def test_save_with_strip_metadata_uploads_no_metadata(emulator, list_requests, kind):
    photo = pictures.encoded(
        Image.open(io.BytesIO(pictures.rotated(6))), "JPEG", comment=b"at home"
    )
    content = ContentFile(photo) if kind == "seekable" else File(UnseekableStream(photo), "cat.jpg")
    storage = GroupMeStorage(strip_metadata=True)
    stored = storage.open(storage.save("cat.jpg", content)).read()
    assert b"at home" in photo
    assert b"at home" not in stored
    assert len(stored) < len(photo)
    assert pictures.opened(stored).tobytes() == pictures.opened(photo).tobytes()
    assert list_requests()[0] == "POST /pictures"


def test_failed_save_with_strip_metadata_leaves_content_open(emulator):
    photo = ContentFile(pictures.rotated(6))
    emulator.app.faults.add(Fault("status", status=503))
    with pytest.raises(ServiceUnavailable):
        GroupMeStorage(strip_metadata=True).save("cat.jpg", photo)
    assert (photo.tell(), photo.closed) == (0, False)


def test_http_cdn_url_of_groupme_yields_https_urls(settings):
    """The CDN serves the same images over HTTPS, and only HTTPS URLs are stored."""
    settings.GROUPME_CDN_URL = "http://i.groupme.com/"
    storage = GroupMeStorage()
    for name in (JPEG, JPEG.replace("https", "http")):
        assert storage.picture(name).url == storage.url(name) == JPEG
        assert Member(photo=name).photo.picture.url == JPEG
