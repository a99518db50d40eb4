from __future__ import annotations

import copy
import errno
import io
import os
import pickle
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from email.utils import formatdate

import pytest
from django.core.exceptions import ImproperlyConfigured, SuspiciousFileOperation
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage, storages
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
from django_groupme_images.names import known_picture
from django_groupme_images.pictures import CDN_URL, UPLOAD_URL, Picture
from django_groupme_images.storage import GroupMeStorage, groupme_storage

from . import emulator_pictures as pictures
from .gallery.models import Member
from .urls_of_pictures import JPEG

PHOTO = pictures.plain()


@pytest.fixture
def storage(emulator):
    return GroupMeStorage()


@pytest.fixture
def name(storage):
    return storage.save("cat.jpg", ContentFile(PHOTO))


@pytest.fixture
def missing(emulator):
    return f"{emulator.cdn_url}1x1.png.123456789"


# Saving


def test_the_name_is_the_url(storage, name, emulator, arrived):
    assert Picture.parse(name, emulator.cdn_url).width == 48
    assert storage.url(name) == name
    assert arrived() == ["POST /pictures"]


@pytest.mark.parametrize(
    "name", ["x" * 5000, "a b\u202e\n.jpg", "http://example.com/x.png", JPEG, "photos/2026/cat.jpg"]
)
def test_the_file_s_own_name_does_not_matter(storage, name, arrived):
    storage.save(name, ContentFile(PHOTO), max_length=10)
    assert arrived() == ["POST /pictures"]


@pytest.mark.parametrize("name", ["../cat.jpg", "/etc/cat.jpg", "", ".", "a/../b"])
def test_a_suspicious_name_is_refused_as_django_does(storage, name, arrived):
    with pytest.raises(SuspiciousFileOperation):
        storage.save(name, ContentFile(PHOTO))
    assert arrived() == []


def test_a_refusal_leaves_the_content_as_it_was(storage):
    content = ContentFile(b"no image at all")
    with pytest.raises(UploadRejected):
        storage.save("cat.png", content)
    assert content.tell() == 0
    assert not content.closed


def test_a_size_limit(emulator, arrived):
    storage = GroupMeStorage(max_upload_size=100)
    with pytest.raises(UploadRejected, match="more than the 100 allowed"):
        storage.save("cat.jpg", ContentFile(PHOTO))
    assert arrived() == []


def test_save_from_url(storage, name, arrived):
    copied = storage.save_from_url(name)
    assert copied != name
    assert storage.open(copied).read() == PHOTO


# Opening


def test_opening_costs_nothing_until_it_is_read(storage, name, missing, arrived):
    file = storage.open(name)
    storage.open(missing)
    assert arrived() == ["POST /pictures"]
    assert file.read(2) == PHOTO[:2]
    assert arrived()[1:] == [f"GET /{name.rpartition('/')[2]}"]
    file.close()


def test_a_file_is_a_django_file(storage, name, arrived):
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
        assert len(arrived()) == 2  # what was read once is not fetched again
        assert file.size == len(file) == len(PHOTO)
    assert file.closed


def test_a_file_can_be_opened_again(storage, name, arrived):
    file = storage.open(name)
    assert file.read() == PHOTO
    file.close()
    with pytest.raises(ValueError, match="closed"):
        file.read()
    assert file.open().read() == file.open("rb").read() == PHOTO
    file.close()
    file.close()
    assert len(arrived()) == 3


def test_a_picture_whose_size_the_cdn_does_not_say(storage, name, monkeypatch):
    file = storage.open(name)
    file.file.raw._download.size = None
    assert file.seek(0, io.SEEK_END) == len(PHOTO)
    assert file.seek(-10_000_000, io.SEEK_CUR) == 0
    assert file.read() == PHOTO
    file.close()


@pytest.mark.parametrize("mode", ["wb", "w", "ab", "r+b", "xb", "rt", ""])
def test_a_picture_cannot_be_written(storage, name, mode):
    with pytest.raises(ValueError, match="cannot be opened with mode .* save\\(\\) a new picture"):
        storage.open(name, mode)
    if mode:
        with storage.open(name) as file, pytest.raises(io.UnsupportedOperation):
            file.open(mode)


def test_only_the_beginning_is_read_for_the_dimensions(storage, emulator):
    large = pictures.encoded(Image.effect_noise((1500, 1500), 90), "PNG", compress_level=0)
    file = storage.open(storage.save("noise.png", ContentFile(large)))
    assert Image.open(file).size == (1500, 1500)
    assert file.file.raw._seen < 20_000 < len(large)
    file.close()


# Names


def test_url_is_pure(storage, emulator, arrived):
    url = f"{emulator.cdn_url}480x325.jpeg.123456789"
    assert storage.url(f"{url}.large") == storage.url(url) == url
    assert arrived() == []


@pytest.mark.parametrize("name", ["photos/cat.png", "", None, "http://169.254.169.254/"])
@pytest.mark.parametrize("method", ["url", "open", "size", "get_created_time", "get_modified_time"])
def test_another_name_never_makes_a_request(storage, method, name, arrived):
    quoted = repr(name) if name else "(''|None)"
    with pytest.raises(InvalidPicture, match=f"^{quoted} is not the URL of a picture on"):
        getattr(storage, method)(name)
    assert storage.exists(name) is False
    assert arrived() == []


# Asking the CDN


def test_what_the_cdn_knows(storage, name, missing, arrived):
    assert storage.exists(name) is True
    assert storage.size(name) == len(PHOTO)
    for method in (storage.get_created_time, storage.get_modified_time):
        assert abs(method(name) - timezone.now()) < timedelta(minutes=1)
    assert {request.split()[0] for request in arrived()[1:]} == {"HEAD"}


def test_a_wrong_token(settings, emulator):
    with_token = type(emulator)(token="right")
    with with_token as server:
        settings.GROUPME_UPLOAD_URL = server.upload_url
        with pytest.raises(AuthenticationFailed, match="unauthorized"):
            GroupMeStorage(access_token="wrong").save("cat.jpg", ContentFile(PHOTO))


class Headers:
    """Stands in for a client at the one place where the CDN's headers come in."""

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
def test_a_cdn_that_does_not_say_when(headers):
    class Storage(GroupMeStorage):
        client = Headers(**headers)

    with pytest.raises(NotImplementedError, match="does not say how old"):
        Storage(cdn_url=CDN_URL).get_modified_time(JPEG)


def test_a_moment_without_a_zone():
    class Storage(GroupMeStorage):
        client = Headers(Last_Modified=formatdate(0, usegmt=True))

    assert Storage(cdn_url=CDN_URL).get_modified_time(JPEG) == datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "headers", [{}, {"Content_Length": "many"}, {"Content_Length": "9" * 5000}]
)
def test_a_cdn_that_does_not_say_how_much(headers):
    class Storage(GroupMeStorage):
        client = Headers(**headers)

    with pytest.raises(UnexpectedResponse, match="did not say how large"):
        Storage(cdn_url=CDN_URL).size(JPEG)


# What the service cannot do


def test_delete_says_so_in_the_log(storage, name, caplog):
    caplog.set_level("INFO")
    storage.delete(name)
    assert f"cannot delete pictures: {name} stays public" in caplog.text
    assert storage.exists(name)


def test_delete_can_raise(emulator):
    with pytest.raises(NotImplementedError, match="cannot delete https://i.groupme.com/480x"):
        GroupMeStorage(on_delete="raise").delete(JPEG)


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        ("listdir", "no call that lists"),
        ("path", "no local path"),
        ("get_accessed_time", "does not say when"),
    ],
)
def test_what_is_not_there_says_why(method, reason):
    with pytest.raises(NotImplementedError, match=reason):
        getattr(GroupMeStorage(), method)(JPEG)


# Options


def test_an_option_beats_the_setting_which_beats_the_default(settings, monkeypatch):
    del settings.GROUPME_UPLOAD_URL
    del settings.GROUPME_ACCESS_TOKEN
    monkeypatch.delenv("GM_TOKEN", raising=False)
    storage = GroupMeStorage()
    assert (storage.upload_url, storage.cdn_url) == (UPLOAD_URL, CDN_URL)
    assert (storage.timeout, storage.max_retry_wait) == ((5, 30), 10)
    assert (storage.on_delete, storage.max_upload_size) == ("ignore", None)
    assert storage.access_token is None
    monkeypatch.setenv("GM_TOKEN", "from the environment")
    assert storage.access_token == "from the environment"
    assert GroupMeStorage(access_token=None).access_token == "from the environment"
    settings.GROUPME_ACCESS_TOKEN = "from the settings"
    settings.GROUPME_TIMEOUT = 3
    assert storage.access_token == "from the settings"
    assert (storage.timeout, storage.client.timeout) == (3, 3)
    settings.GROUPME_TIMEOUT = [1, 2]
    assert storage.client.timeout == (1, 2)
    assert GroupMeStorage(timeout=4, access_token="given").timeout == 4
    assert GroupMeStorage(access_token="given").access_token == "given"


def test_an_option_knows_its_names():
    option = GroupMeStorage.timeout
    assert option is GroupMeStorage.options()["timeout"]
    assert (option.name, option.setting) == ("timeout", "GROUPME_TIMEOUT")


def test_the_client_is_kept_while_the_options_are_the_same(settings):
    storage = GroupMeStorage()
    client = storage.client
    assert storage.client is client
    settings.GROUPME_MAX_RETRIES = 7
    assert storage.client is not client
    assert storage.client.max_retries == 7


class Subclass(GroupMeStorage):
    access_token = "of-the-class"
    max_retries = 1


def test_a_subclass_has_its_own_defaults():
    storage = Subclass()
    assert (storage.access_token, storage.max_retries) == ("of-the-class", 1)
    assert (storage.client.max_retries, storage._token()) == (1, "of-the-class")
    assert Subclass(max_retries=3).client.max_retries == 3
    assert storage.deconstruct() == ("tests.test_storage.Subclass", (), {})


def test_an_unknown_option():
    with pytest.raises(ImproperlyConfigured, match="Invalid setting 'tokn'"):
        GroupMeStorage(tokn="x")


@pytest.mark.parametrize(
    ("option", "values"),
    [
        (
            "upload_url",
            [
                "",
                "image.groupme.com",
                "ftp://x/",
                "http://",
                "http://u@h/",
                5,
                "http://[",
                "http://h:0/",
                "https://h/?access_token=abc",
                "https://h/a b",
            ],
        ),
        ("cdn_url", ["", "/media/", "https://i.groupme.com/?a", "https://i.groupme.com/#", None]),
        ("timeout", [0, -1, None, "5", (5,), (5, 0), (5, None), True, float("inf"), (5, 1e300)]),
        ("max_upload_time", [0, -1, "5", True, float("inf"), float("nan"), (5, 5)]),
        ("max_retries", [-1, 1.5, None, "2", True]),
        ("max_retry_wait", [-1, None, "10", float("inf"), float("nan")]),
        ("max_upload_size", [-1, "5MB", 1.5]),
        ("access_token", [5, b"token", ["token"], "to ken", "token\n", "tökén"]),
    ],
)
def test_a_wrong_option_is_named_before_it_is_used(option, values):
    for value in values:
        storage = GroupMeStorage(**{option: value})
        with pytest.raises(ImproperlyConfigured, match=f"'{option}'.* must be .*, not ") as caught:
            storage.save("cat.jpg", ContentFile(PHOTO))
        assert f"GROUPME_{option.upper()}" in str(caught.value)
        assert option != "access_token" or "token'" not in str(caught.value).partition("not")[2]


def test_a_wrong_on_delete():
    with pytest.raises(ImproperlyConfigured, match="must be 'ignore' or 'raise', not 'never'"):
        GroupMeStorage(on_delete="never").delete(JPEG)


def callable_token():
    return "of-this-request"


@pytest.mark.parametrize("token", [callable_token, "tests.test_storage.callable_token"])
def test_a_callable_token(token, emulator):
    with type(emulator)(token="of-this-request") as server:
        storage = GroupMeStorage(
            access_token=token, upload_url=server.upload_url, cdn_url=server.cdn_url
        )
        assert storage.save("cat.jpg", ContentFile(PHOTO))


@pytest.mark.parametrize("token", ["tests.test_storage.nothing", "no.such.module", "a.b", JPEG])
def test_a_dotted_path_that_leads_nowhere(token):
    with pytest.raises(ImproperlyConfigured, match="has a dot in it") as caught:
        GroupMeStorage(access_token=token).save("cat.jpg", ContentFile(PHOTO))
    assert token not in str(caught.value)


@pytest.mark.parametrize("token", [None, ""])
def test_no_token(settings, monkeypatch, token):
    monkeypatch.delenv("GM_TOKEN", raising=False)
    settings.GROUPME_ACCESS_TOKEN = token
    with pytest.raises(ImproperlyConfigured, match="environment variable GM_TOKEN"):
        GroupMeStorage().save("cat.jpg", ContentFile(PHOTO))


# As Django makes and moves storages


def test_as_the_default_storage(emulator, settings):
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "django_groupme_images.storage.GroupMeStorage",
            "OPTIONS": {"upload_url": emulator.upload_url, "cdn_url": emulator.cdn_url},
        },
    }
    assert default_storage.exists(default_storage.save("cat.jpg", ContentFile(PHOTO)))


def test_the_project_s_storage_follows_the_settings(settings):
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


def test_no_token_is_in_a_pickle_or_a_migration():
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


def test_a_picture_in_any_storage():
    assert known_picture(JPEG, GroupMeStorage()) == known_picture(JPEG, FileSystemStorage())
    assert known_picture(None, FileSystemStorage()) is None


def test_a_picture_of_the_service_seen_from_an_emulator(storage, arrived):
    assert known_picture(JPEG, storage) == Picture.parse(JPEG)
    assert storage.url(JPEG) == JPEG
    assert storage.exists(JPEG) is False
    for method in (storage.open, storage.size, storage.get_modified_time):
        with pytest.raises(InvalidPicture, match="is not the URL of a picture on http://127"):
            method(JPEG)
    assert arrived() == []


def test_importing_waits_for_requests_and_pillow():
    code = (
        "import sys, django;"
        "from django.conf import settings;"
        "settings.configure(INSTALLED_APPS=['django_groupme_images']);"
        "django.setup();"
        "import django_groupme_images.fields, django_groupme_images.storage;"
        "import django_groupme_images.templatetags.groupme_images;"
        "print({'requests', 'urllib3', 'PIL'} & set(sys.modules))"
    )
    output = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    assert output.stdout.strip() == "set()"


# Privacy


class Trickle(io.RawIOBase):
    """Can be read, once."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        return self._file.readinto(buffer)


@pytest.fixture(params=[0, -1], ids=["unbuffered", "buffered"])
def pipe(request):
    """The reading end of a pipe that another thread fills; seeking raises a plain OSError."""
    reading, writing = os.pipe()

    def fill() -> None:
        with open(writing, "wb") as file:  # noqa: PTH123
            file.write(PHOTO)

    thread = threading.Thread(target=fill)
    thread.start()
    with open(reading, "rb", buffering=request.param) as file:  # noqa: PTH123
        yield file
    thread.join()


WRAPPERS = {"plain": lambda pipe: pipe, "File": lambda pipe: File(pipe, "cat.jpg")}


@pytest.mark.parametrize("wrap", WRAPPERS)
@pytest.mark.parametrize("options", [{}, {"strip_metadata": True}])
def test_save_from_a_pipe_uploads_all_of_it(emulator, pipe, wrap, options):
    storage = GroupMeStorage(**options)
    name = storage.save("cat.jpg", WRAPPERS[wrap](pipe))
    assert storage.open(name).read() == PHOTO
    assert not pipe.closed


@pytest.mark.parametrize("wrap", WRAPPERS)
def test_save_from_a_pipe_in_an_outage_uses_the_fallback(emulator, fallback, pipe, wrap):
    emulator.app.faults.add(Fault("status", status=503))
    with fallback.open(GroupMeStorage().save("cat.jpg", WRAPPERS[wrap](pipe))) as file:
        assert file.read() == PHOTO


@pytest.mark.parametrize("wrap", WRAPPERS)
def test_client_upload_from_a_pipe(emulator, pipe, wrap):
    picture = GroupMeStorage().client.upload(WRAPPERS[wrap](pipe))
    assert (picture.width, picture.height) == pictures.opened(PHOTO).size


@pytest.mark.parametrize("wrap", WRAPPERS)
def test_upload_from_a_pipe_that_cannot_be_read_raises_its_error(emulator, wrap):
    class Broken(Trickle):
        def readinto(self, buffer) -> int:
            raise OSError(errno.EIO, "the disk is broken")

    with pytest.raises(OSError, match="the disk is broken"):
        GroupMeStorage().save("cat.jpg", WRAPPERS[wrap](Broken(b"")))


def test_upload_from_chunks_that_break_off_raises_their_error(emulator, arrived):
    class Chunks:
        name = "cat.jpg"

        def chunks(self):
            yield PHOTO[:100]
            raise OSError(errno.EIO, "the disk is broken")

    with pytest.raises(OSError, match="the disk is broken"):
        GroupMeStorage().save("cat.jpg", Chunks())
    assert arrived() == []


def test_metadata_stays_unless_told_otherwise(emulator, storage):
    photo = pictures.turned(6)
    assert storage.open(storage.save("cat.jpg", ContentFile(photo))).read() == photo


@pytest.mark.parametrize("kind", ["seekable", "not seekable"])
def test_metadata_is_removed_before_the_upload(emulator, arrived, kind):
    photo = pictures.encoded(Image.open(io.BytesIO(pictures.turned(6))), "JPEG", comment=b"at home")
    content = ContentFile(photo) if kind == "seekable" else File(Trickle(photo), "cat.jpg")
    storage = GroupMeStorage(strip_metadata=True)
    stored = storage.open(storage.save("cat.jpg", content)).read()
    assert b"at home" in photo
    assert b"at home" not in stored
    assert len(stored) < len(photo)
    assert pictures.opened(stored).tobytes() == pictures.opened(photo).tobytes()
    assert arrived()[0] == "POST /pictures"


def test_a_failure_leaves_the_file_as_it_was_with_metadata_to_remove(emulator):
    photo = ContentFile(pictures.turned(6))
    emulator.app.faults.add(Fault("status", status=503))
    with pytest.raises(ServiceUnavailable):
        GroupMeStorage(strip_metadata=True).save("cat.jpg", photo)
    assert (photo.tell(), photo.closed) == (0, False)


def test_the_cdn_of_the_service_by_http(settings):
    """It has the same pictures, which are asked for, and stored, by https."""
    settings.GROUPME_CDN_URL = "http://i.groupme.com/"
    storage = GroupMeStorage()
    for name in (JPEG, JPEG.replace("https", "http")):
        assert storage.picture(name).url == storage.url(name) == JPEG
        assert Member(photo=name).photo.picture.url == JPEG
