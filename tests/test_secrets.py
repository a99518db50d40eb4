"""A marked token is planted wherever one can be, and is found nowhere else."""

from __future__ import annotations

import copy
import io
import logging
import pickle
import pprint
import traceback

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.db import transaction
from django.db.migrations.writer import MigrationWriter
from django.test import Client, RequestFactory
from django.views.debug import ExceptionReporter

from django_groupme_images.exceptions import (
    AuthenticationFailed,
    GroupMeImageError,
    ServiceUnavailable,
    UnexpectedResponse,
    UploadRejected,
)
from django_groupme_images.fields import GroupMeImageField
from django_groupme_images.sessions import TokenAuth
from django_groupme_images.storage import GroupMeStorage, groupme_storage

from .commands import said_by
from .faults.servers import PHOTO, answering, received, server, until_it_is_left
from .gallery.models import Member

MARK = "5ecre7-m4rked"


def token_of_a_callable():
    return "5ecre7-" + "m4rked"


def in_a_setting(settings, monkeypatch):
    settings.GROUPME_ACCESS_TOKEN = MARK


def in_the_options(settings, monkeypatch):
    settings.STORAGES = settings.STORAGES | {
        "groupme": {
            "BACKEND": "django_groupme_images.storage.GroupMeStorage",
            "OPTIONS": {"access_token": MARK},
        }
    }


def in_the_environment(settings, monkeypatch):
    del settings.GROUPME_ACCESS_TOKEN
    monkeypatch.setenv("GM_TOKEN", MARK)


def of_a_callable(settings, monkeypatch):
    settings.GROUPME_ACCESS_TOKEN = "tests.test_secrets.token_of_a_callable"


@pytest.fixture(params=[in_a_setting, in_the_options, in_the_environment, of_a_callable])
def planted(request, settings, monkeypatch):
    """The token, in each of the places that a project can keep it."""
    request.param(settings, monkeypatch)


@pytest.fixture
def seen(caplog):
    """What all logs at DEBUG have by now."""
    caplog.set_level(logging.DEBUG)
    return lambda: caplog.text


def shown(error: BaseException, settings) -> str:
    """What error pages, mails, a log, and a tool that follows the chain show of an error."""
    error.__traceback__ = error.__traceback__.tb_next  # without the test itself
    request = RequestFactory().post("/", {"title": "A cat"})
    text = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    for debug in (True, False):
        settings.DEBUG = debug
        reporter = ExceptionReporter(request, type(error), error, error.__traceback__)
        text += reporter.get_traceback_html() + reporter.get_traceback_text()
    waiting, links = [error], []
    while waiting:
        link = waiting.pop()
        if link is None or link in links:
            continue
        links.append(link)
        waiting += [link.__cause__, link.__context__]
        text += f"{link!r}{link}{vars(link)}"
        if asked := getattr(link, "request", None):
            text += f"{asked.headers}{asked.body}"
    if isinstance(error, GroupMeImageError):
        text += repr(pickle.dumps(error))
    return text


class Interrupted(io.BytesIO):
    """A file in whose middle a time limit strikes."""

    def read(self, amount=-1):
        raise KeyboardInterrupt


class Unreadable(io.BytesIO):
    def read(self, amount=-1):
        raise OSError(5, "the disk is broken")


def echoing(status):
    """A server that says the token back, wherever it can."""

    def conversation(connection):
        received(connection)
        body = (
            f'{{"meta": {{"errors": ["{MARK} is wrong"]}}, "payload": {{"url": "http://{MARK}/"}}}}'
        )
        connection.sendall(
            f"HTTP/1.1 {status} {MARK}\r\nLocation: http://127.0.0.1/?token={MARK}\r\n"
            f"Set-Cookie: token={MARK}\r\nConnection: close\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )

    return conversation


FAILURES = {
    "dropped": (lambda connection: received(connection, 10), PHOTO, ServiceUnavailable),
    "silent": (until_it_is_left, PHOTO, ServiceUnavailable),
    "no HTTP": (answering(f"{MARK}\x07 is wrong\r\n\r\n"), PHOTO, ServiceUnavailable),
    "interrupted": (received, Interrupted(PHOTO), KeyboardInterrupt),
    "unreadable": (received, Unreadable(PHOTO), OSError),
    "refused": (echoing(400), PHOTO, UploadRejected),
    "not accepted": (echoing(401), PHOTO, AuthenticationFailed),
    "redirected": (echoing(302), PHOTO, UnexpectedResponse),
    "another address": (echoing(200), PHOTO, UnexpectedResponse),
    "down": (echoing(503), PHOTO, ServiceUnavailable),
    "a chunk": (
        answering(f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{MARK}\r\n"),
        PHOTO,
        ServiceUnavailable,
    ),
    "a length": (
        answering(f"HTTP/1.1 200 OK\r\nContent-Length: 1,{MARK}\r\n\r\n"),
        PHOTO,
        UnexpectedResponse,
    ),
    "cut off": (
        answering(f"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{MARK}"),
        PHOTO,
        ServiceUnavailable,
    ),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failed_upload(planted, settings, seen, failure):
    conversation, content, kind = FAILURES[failure]
    with server(conversation) as (url, _):
        settings.GROUPME_UPLOAD_URL, settings.GROUPME_CDN_URL = f"{url}pictures", url
        settings.GROUPME_TIMEOUT = 0.2 if failure == "silent" else 5
        with pytest.raises(kind) as caught:
            groupme_storage.save(
                "cat.jpg", content if hasattr(content, "read") else io.BytesIO(content)
            )
    assert MARK not in shown(caught.value, settings)
    assert MARK not in seen()


def test_retries(planted, settings, seen):
    settings.GROUPME_MAX_RETRIES, settings.GROUPME_MAX_RETRY_WAIT = 2, 0.01
    with server(*[echoing(503)] * 3) as (url, tries):
        settings.GROUPME_UPLOAD_URL, settings.GROUPME_CDN_URL = f"{url}pictures", url
        with pytest.raises(ServiceUnavailable) as caught:
            groupme_storage.save("cat.jpg", ContentFile(PHOTO))
        assert len(tries) == 3
    assert MARK not in shown(caught.value, settings)
    assert "Incremented Retry" in seen()  # urllib3 says at DEBUG what it does
    assert MARK not in seen()


def test_a_host_that_is_not_there(planted, settings, seen):
    with pytest.raises(ServiceUnavailable) as caught:
        groupme_storage.save_from_url("http://127.0.0.1:9/cat.jpg")
    assert MARK not in shown(caught.value, settings)
    assert MARK not in seen()


@pytest.mark.parametrize(
    "token",
    [f"{MARK} ", f"{MARK}\n", f"a.{MARK}", f"{MARK}ü", [MARK], MARK.encode()],
    ids=["a space", "a line's end", "a dot", "an umlaut", "a list", "bytes"],
)
@pytest.mark.parametrize("place", [in_a_setting, in_the_options, of_a_callable])
def test_a_token_that_cannot_be_one(place, token, settings, monkeypatch, seen, emulator):
    place(settings, monkeypatch)
    if place is in_a_setting:
        settings.GROUPME_ACCESS_TOKEN = token
    elif place is in_the_options:
        settings.STORAGES["groupme"]["OPTIONS"]["access_token"] = token
    else:
        monkeypatch.setattr(f"{__name__}.token_of_a_callable", lambda: token)
    if isinstance(token, str) and place is of_a_callable and "." in token:
        groupme_storage.save("cat.jpg", ContentFile(PHOTO))  # is one, coming from a callable
        return
    with pytest.raises((ImproperlyConfigured, AuthenticationFailed)) as caught:
        groupme_storage.save("cat.jpg", ContentFile(PHOTO))
    monkeypatch.undo()  # pytest's own list of what to undo
    assert MARK not in shown(caught.value, settings)
    assert MARK not in seen()


def test_the_debug_page_of_a_view(planted, settings, seen, emulator, db):
    settings.DEBUG = True
    settings.GROUPME_ON_DELETE = "never"  # a mistake that no form is told of
    settings.GROUPME_UPLOAD_URL = "nowhere"
    answer = Client(raise_request_exception=False).post(
        "/members/add/", {"name": "Ada", "photo": ContentFile(PHOTO, "cat.jpg")}
    )
    assert answer.status_code == 500
    assert "GROUPME_UPLOAD_URL" in answer.text
    assert MARK not in answer.text
    assert MARK not in seen()


@pytest.mark.parametrize("status", [400, 401, 503])
def test_a_form(planted, settings, seen, db, status):
    with server(echoing(status)) as (url, _):
        settings.GROUPME_UPLOAD_URL, settings.GROUPME_CDN_URL = f"{url}pictures", url
        answer = Client().post(
            "/members/add/", {"name": "Ada", "photo": ContentFile(PHOTO, "cat.jpg")}
        )
    assert answer.status_code == 200
    assert answer.context["form"].errors["photo"]
    assert MARK not in answer.text
    assert MARK not in seen()


def test_what_is_kept(planted, emulator, seen, db):
    member = Member.objects.create(name="Ada", photo=ContentFile(PHOTO, "cat.jpg"))
    storage = Member.photo.field.storage
    field = GroupMeImageField(storage=GroupMeStorage(access_token=MARK))
    field.set_attributes_from_name("photo")
    for thing in (
        member,
        member.photo,
        member.photo.picture,
        storage,
        storage.client,
        storage.client._session,
        TokenAuth(MARK),
        storage.open(member.photo.name),
        field.storage,
        field.storage.client,
    ):
        assert MARK not in f"{thing!r}{thing}"
    for thing in (member, member.photo.picture, storage, field.storage):
        assert MARK.encode() not in pickle.dumps(thing)
        assert MARK.encode() not in pickle.dumps(copy.copy(thing))
    client = storage.client
    assert MARK not in pprint.pformat(
        [vars(client), vars(client._session), dict(client._local.__dict__)]
    )
    assert MARK not in MigrationWriter.serialize(field)[0]
    assert MARK not in seen()


def test_what_commands_write(planted, fallback, emulator, settings, seen, db, tmp_path):
    for _ in range(2):
        with transaction.atomic():
            name = fallback.save("cat.jpg", ContentFile(PHOTO))
            Member.objects.create(name="Ada", photo=name)
    report = tmp_path / "report"
    with server(*[echoing(401)] * 3) as (url, _):
        settings.GROUPME_UPLOAD_URL = f"{url}pictures"
        told = said_by("groupme_upload", "--report", str(report), "--workers", "1", verbosity=3)
    assert "did not accept the access token" in told
    told += said_by("groupme_check", "--report", str(tmp_path / "checks"), verbosity=3)
    told += report.read_text()
    dump = io.StringIO()
    call_command("dumpdata", "gallery.Member", stdout=dump)
    assert MARK not in told + dump.getvalue()
    assert MARK not in seen()


@pytest.mark.parametrize("place", [in_the_environment, of_a_callable])
def test_a_dump_of_the_settings(place, settings, monkeypatch):
    """In a setting, Django's own command shows it, as it shows the SECRET_KEY."""
    place(settings, monkeypatch)
    out = io.StringIO()
    call_command("diffsettings", all=True, stdout=out)
    assert "GROUPME_UPLOAD_URL" in out.getvalue()
    assert MARK not in out.getvalue()


def test_system_checks(settings, monkeypatch):
    for token in (MARK, f"{MARK} ", [MARK], f"a.{MARK}"):
        settings.GROUPME_ACCESS_TOKEN = token
        assert MARK not in said_by("check", deploy=True)


def test_a_task(
    planted, fallback, emulator, settings, seen, django_capture_on_commit_callbacks, db
):
    from django_groupme_images.tasks import upload_row

    backends = upload_row.get_backend().__module__.rpartition(".")[0]
    settings.TASKS = {"default": {"BACKEND": f"{backends}.dummy.DummyBackend"}}
    settings.GROUPME_DEFERRED = True
    with django_capture_on_commit_callbacks(execute=True):
        Member.objects.create(name="Ada", photo=ContentFile(PHOTO, "cat.jpg"))
    said_by("groupme_upload", "--enqueue")
    queue = upload_row.get_backend().results
    assert len(queue) == 2
    assert MARK not in "".join(map(repr, queue))
    assert MARK not in seen()


def test_the_record_of_the_emulator(planted, emulator, seen):
    groupme_storage.save("cat.jpg", ContentFile(PHOTO))
    assert "X-Access-Token" in str(emulator.app.record.as_list())
    assert MARK not in str(emulator.app.record.as_list())
    assert MARK not in seen()


def test_the_cdn_is_never_told(planted, settings):
    requests = []

    def cdn(connection):
        requests.append(received(connection))
        connection.sendall(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")

    with server(echoing(401), cdn) as (url, _):
        settings.GROUPME_UPLOAD_URL, settings.GROUPME_CDN_URL = f"{url}pictures", url
        with pytest.raises(AuthenticationFailed):
            groupme_storage.save("cat.jpg", ContentFile(PHOTO))
        assert groupme_storage.exists(f"{url}1x1.png.123456789") is False
    assert requests[0].startswith(b"HEAD /1x1.png.123456789")
    assert MARK.encode() not in requests[0]
    assert b"cookie" not in requests[0].lower()
