"""Tests of ``InProcessService``, its mixin, and ``image_file``."""

from __future__ import annotations

import copy
import io
import os
import pickle
import socket
import unittest
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
import requests
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.test import TestCase
from PIL import Image

from django_groupme_images import exceptions
from django_groupme_images.client import GroupMeClient
from django_groupme_images.client.session import transport_overrides
from django_groupme_images.emulator import Assumptions
from django_groupme_images.pictures import Picture
from django_groupme_images.storage import GroupMeStorage
from django_groupme_images.testing import InProcessService, InProcessServiceMixin, image_file
from tests.support import emulator_pictures as pictures
from tests.support.deadlines import DEADLINE
from tests.support.urls_of_pictures import JPEG
from tests.testapp.models import Member

pytestmark = pytest.mark.any_django


@pytest.fixture(autouse=True)
def no_sockets(monkeypatch):
    def raise_error(*args):
        raise ConnectionRefusedError("a socket")

    monkeypatch.setattr(socket.socket, "connect", raise_error)


@pytest.fixture
def production(settings):
    """The settings of a project that uses the real service."""
    del settings.GROUPME_UPLOAD_URL, settings.GROUPME_MAX_RETRIES, settings.GROUPME_ACCESS_TOKEN


@pytest.mark.django_db
def test_create_with_service_stores_url_as_in_production(production, groupme_service):
    photo = image_file("ada.png")
    member = Member.objects.create(name="Ada", photo=photo)
    assert member.photo.url.startswith("https://i.groupme.com/480x325.png.")
    (upload,) = groupme_service.uploads
    assert upload.picture == member.photo.picture
    photo.seek(0)
    assert upload.content == photo.read() == member.photo.open().read()
    assert upload.url is None
    assert groupme_service.requests == ["POST /pictures", f"GET /{member.photo.name[22:]}"]


def test_thumbnail_of_upload_is_downloadable(groupme_service):
    picture = GroupMeStorage().picture(GroupMeStorage().save("a.png", image_file()))
    client = GroupMeStorage().client
    response = client._session.get(picture.avatar_url, timeout=DEADLINE)
    assert Image.open(io.BytesIO(response.content)).size == (60, 60)


@pytest.mark.parametrize(
    "cdn_url", ["http://127.0.0.1:8001/", "https://cdn.example.com/club/our%20pics"]
)
def test_storage_with_own_urls_uses_them(groupme_service, cdn_url):
    storage = GroupMeStorage(upload_url="http://127.0.0.1:8001/there", cdn_url=cdn_url)
    name = storage.save("a.png", image_file())
    assert name.startswith(f"{cdn_url.rstrip('/')}/480x325.png.")
    assert storage.size(name) == len(groupme_service.uploads[0].content)
    assert storage.open(name).read() == groupme_service.uploads[0].content
    picture = groupme_service.add(pictures.plain(), storage)
    assert storage.open(picture.url).read() == pictures.plain()


def test_client_without_storage_uploads_to_service(groupme_service):
    picture = GroupMeClient("of-a-bot").upload(pictures.plain())
    assert [upload.picture for upload in groupme_service.uploads] == [picture]


def test_storage_after_block_uses_real_service():
    storage = GroupMeStorage()
    with InProcessService() as service:
        storage.save("a.png", image_file())
        directory = service._app.store.directory
    with pytest.raises(exceptions.ServiceUnavailable, match="a socket"):
        storage.save("a.png", image_file())
    assert not directory.exists()
    with pytest.raises(RuntimeError, match="inside its with block"):
        service.fail()


def test_storage_after_block_and_settings_change_uses_real_service(settings):
    with InProcessService():
        settings.GROUPME_MAX_UPLOAD_SIZE = 9999
        GroupMeStorage().save("a.png", image_file())
    with pytest.raises(exceptions.ServiceUnavailable, match="a socket"):
        GroupMeStorage().save("a.png", image_file())


def test_new_service_starts_without_uploads():
    storage = GroupMeStorage()
    for _ in range(2):
        with InProcessService() as service:
            storage.save("a.png", image_file())
            assert len(service.uploads) == 1


def test_service_used_twice_starts_without_uploads():
    service, storage = InProcessService(), GroupMeStorage()
    for _ in range(2):
        with service:
            storage.save("a.png", image_file())
            assert service.requests == ["POST /pictures"]
            assert len(service.uploads) == 1
            service.lose(service.uploads[0].picture)
            service.forget()
            service.lose(service.add(pictures.plain()))
            with pytest.raises(RuntimeError, match="already running"), service:
                pass


def test_nested_services_ended_in_any_order_use_last_started():
    first, second = InProcessService(), InProcessService()
    storage = GroupMeStorage()
    with ExitStack() as stack:
        stack.enter_context(first)
        stack.enter_context(second)
        storage.save("a.png", image_file())
        first.__exit__(None, None, None)
        storage.save("a.png", image_file())
        first.__enter__()
    assert len(second.uploads) == 2
    assert transport_overrides == []


def test_service_without_access_token_provides_token(production, monkeypatch):
    monkeypatch.delenv("GM_TOKEN", raising=False)
    with InProcessService() as service:
        GroupMeStorage(access_token=None).save("a.png", image_file())
    assert [upload.token for upload in service.uploads] == ["a-token-for-tests"]
    assert "GM_TOKEN" not in os.environ


def test_upload_has_access_token_of_storage(monkeypatch):
    monkeypatch.setenv("GM_TOKEN", "of-the-environment")
    with InProcessService() as service:
        GroupMeStorage().save("a.png", image_file())
        GroupMeStorage(access_token=lambda: "bob's").save("a.png", image_file())
    of_the_settings, of_bob = service.uploads
    assert (of_the_settings.token, of_bob.token) == ("5ecre7t0ken", "bob's")
    assert "bob's" not in repr(of_bob)
    assert b"bob's" not in pickle.dumps(of_bob)
    assert copy.deepcopy(of_bob).token == "bob's"
    assert os.environ["GM_TOKEN"] == "of-the-environment"


@pytest.mark.parametrize("status", [403, 404])
def test_missing_image_with_missing_status_raises_picture_not_found(status):
    with InProcessService(Assumptions(missing_status=status)):
        picture = Picture.parse(JPEG, GroupMeStorage().cdn_url)
        with pytest.raises(exceptions.PictureNotFound, match=str(status)):
            GroupMeStorage().client.head(picture)


def test_save_from_url_uses_content_of_web(groupme_service):
    url = "https://example.com/a cat.jpg?size=1&token=x"
    groupme_service.web[url] = image_file("cat.jpg").read()
    name = GroupMeStorage().save_from_url(url)
    (upload,) = groupme_service.uploads
    assert (upload.url, upload.picture.url) == (url, name)
    assert upload.content == groupme_service.web[url]
    with pytest.raises(
        exceptions.UploadRejected, match=r"nothing found at https://example.com/dog"
    ):
        GroupMeStorage().save_from_url("https://example.com/dog")


def test_add_creates_image_without_upload(groupme_service):
    picture = groupme_service.add(pictures.plain())
    assert GroupMeStorage().open(picture.url).read() == pictures.plain()
    assert groupme_service.uploads == []
    with pytest.raises(ValueError, match="not a complete image"):
        groupme_service.add(b"a text")


@pytest.mark.django_db
def test_lose_removes_image_until_forget(groupme_service):
    member = Member.objects.create(photo=image_file())
    groupme_service.lose(member.photo.avatar_url)
    assert not member.photo.storage.exists(member.photo.name)
    with pytest.raises(exceptions.PictureNotFound):
        member.photo.open().read()
    with pytest.raises(FileNotFoundError):
        _ = groupme_service.uploads[0].content
    with pytest.raises(FileNotFoundError, match="has no image with the URL"):
        groupme_service.lose(member.photo)
    with pytest.raises(FileNotFoundError, match="has no image with the URL nonsense"):
        groupme_service.lose("nonsense")
    groupme_service.forget()
    assert member.photo.storage.exists(member.photo.name)


@pytest.mark.parametrize(
    ("fault", "kind", "status"),
    [
        ({}, exceptions.ServiceUnavailable, 503),
        ({"status": 401}, exceptions.AuthenticationFailed, 401),
        ({"status": 400, "body": "too dull"}, exceptions.UploadRejected, 400),
        ({"status": 429, "headers": {"Retry-After": "9"}}, exceptions.RateLimited, 429),
        ({"kind": "drop"}, exceptions.ServiceUnavailable, None),
        ({"kind": "half"}, exceptions.ServiceUnavailable, None),
        ({"kind": "delay", "seconds": 31}, exceptions.ServiceUnavailable, None),
        ({"kind": "garbage"}, exceptions.UnexpectedResponse, 200),
        ({"status": 200, "body": "{}"}, exceptions.UnexpectedResponse, 200),
        ({"kind": "redirect", "location": "/"}, exceptions.UnexpectedResponse, 302),
    ],
)
def test_fail_by_default_fails_one_upload(production, groupme_service, fault, kind, status):
    photo = image_file()
    groupme_service.fail(**fault)
    with pytest.raises(kind) as caught:
        GroupMeStorage().save("a.png", photo)
    assert caught.value.status == status
    assert (photo.closed, photo.tell()) == (False, 0)
    # With these faults, the service stores the image, but the client gets no response.
    is_stored = fault.get("kind") in ("half", "delay")
    assert len(groupme_service.uploads) == is_stored
    assert groupme_service.requests == ["POST /pictures"]  # The upload is not retried.
    assert GroupMeStorage().save("a.png", photo)


def test_fail_with_delay_below_timeout_returns_immediately(groupme_service):
    groupme_service.fail("delay", seconds=3000)
    assert GroupMeStorage(timeout=3600).save("a.png", image_file())


def test_fail_with_delay_over_max_upload_time_is_a_timeout(groupme_service, fallback):
    groupme_service.fail("delay", seconds=21)
    storage = GroupMeStorage(timeout=3600, max_upload_time=20)
    with storage.fallback_storage.open(storage.save("a.png", image_file())) as file:
        assert file.read() == image_file().read()


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"kind": "earthquake"}, "kind must be one of status, delay"),
        ({"kind": "delay"}, "delay requires seconds"),
        ({"status": 99}, "status must be an integer from 200 to 599"),
        ({"colour": "red"}, "unknown option 'colour'"),
    ],
)
def test_fail_with_invalid_options_raises(groupme_service, fault, message):
    with pytest.raises(ValueError, match=message):
        groupme_service.fail(**fault)


def test_upload_of_invalid_image_is_rejected(groupme_service):
    with pytest.raises(exceptions.UploadRejected, match="not a complete image"):
        GroupMeStorage().save("cat.png", ContentFile(b"a text"))


def test_upload_of_failing_file_raises_its_error(groupme_service):
    class Broken(io.BytesIO):
        def read(self, *args):
            raise RuntimeError("the disk is on fire")

    with pytest.raises(RuntimeError, match="on fire"):
        GroupMeClient("any").upload(Broken(b"abc"))


def test_uploads_from_threads_are_all_listed(groupme_service):
    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(lambda n: GroupMeStorage().save("a.png", image_file()), range(40)))
    assert {upload.picture.url for upload in groupme_service.uploads} == {*names}
    assert len(names) == 40


@pytest.mark.django_db
def test_groupme_upload_command_uploads_pending_file(groupme_service, fallback):
    fallback.save("pending.png", image_file())
    member = Member.objects.create(photo="pending.png")
    call_command("groupme_upload", "gallery.Member", stdout=io.StringIO(), stderr=io.StringIO())
    member.refresh_from_db()
    assert [upload.picture for upload in groupme_service.uploads] == [member.photo.picture]


class MixinTests(InProcessServiceMixin, TestCase):
    @classmethod
    def setUpTestData(cls):
        cls.ada = Member.objects.create(name="Ada", photo=image_file())

    def setUp(self):
        """Do not call super(), because many projects omit the call."""

    def test_service_in_first_test_starts_empty(self):
        assert self.groupme_service.uploads == []
        assert self.groupme_service.requests == []
        assert self.groupme_service.web == {}
        assert self.ada.photo.open().read()
        self.groupme_service.fail()
        self.groupme_service.fail(times=9, path="/pictures")
        self.groupme_service.web["https://example.com/"] = b""
        self.groupme_service.lose(self.ada.photo)

    test_service_in_second_test_starts_empty = test_service_in_first_test_starts_empty


def test_mixin_in_skipped_class_raises_nothing():
    @unittest.skip("tests that skipping works")
    class Skipped(InProcessServiceMixin, TestCase):
        def test_nothing(self):
            """This test is skipped."""

    result = unittest.TestResult()
    Skipped("test_nothing").run(result)
    assert (len(result.skipped), result.errors, result.failures) == (1, [], [])


@pytest.mark.parametrize("name", ["a.png", "a.gif", "a.JPG", "a.jpeg"])
def test_image_file_with_extension_creates_small_image(name):
    file = image_file(name, 1000, 20)
    image = Image.open(file)
    image.load()
    assert image.size == (1000, 20)
    assert file.content_type == Image.MIME[image.format]
    assert file.size < 4000


def test_image_file_with_unknown_extension_raises():
    with pytest.raises(ValueError, match="extension"):
        image_file("a.txt")


def test_requests_of_other_code_are_not_intercepted(groupme_service):
    with pytest.raises(requests.ConnectionError, match="a socket"):
        requests.get("http://127.0.0.1:9/", timeout=DEADLINE)
