"""Test that access tokens do not appear in logs, errors, pages, pickles, or output."""

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

from django_groupme_images.client.session import TokenAuth
from django_groupme_images.exceptions import (
    AuthenticationFailed,
    GroupMeImageError,
    ServiceUnavailable,
    UnexpectedResponse,
    UploadRejected,
)
from django_groupme_images.fields import GroupMeImageField
from django_groupme_images.storage import GroupMeStorage, groupme_storage
from tests.client.faults.servers import (
    PHOTO,
    read_request,
    respond_with,
    server,
    wait_for_disconnect,
)
from tests.support.commands import run_command
from tests.support.deadlines import DEADLINE
from tests.testapp.models import Member

MARK = "5ecre7-m4rked"


def get_token():
    return "5ecre7-" + "m4rked"


def set_setting(settings, monkeypatch):
    settings.GROUPME_ACCESS_TOKEN = MARK


def set_option(settings, monkeypatch):
    settings.STORAGES = settings.STORAGES | {
        "groupme": {
            "BACKEND": "django_groupme_images.storage.GroupMeStorage",
            "OPTIONS": {"access_token": MARK},
        }
    }


def set_environment_variable(settings, monkeypatch):
    del settings.GROUPME_ACCESS_TOKEN
    monkeypatch.setenv("GM_TOKEN", MARK)


def set_callable(settings, monkeypatch):
    settings.GROUPME_ACCESS_TOKEN = "tests.test_secrets.get_token"


@pytest.fixture(params=[set_setting, set_option, set_environment_variable, set_callable])
def token_is_set(request, settings, monkeypatch):
    """Configure the token in each of the supported places."""
    request.param(settings, monkeypatch)


@pytest.fixture
def logged(caplog):
    """Return the text of all logs at the level DEBUG so far."""
    caplog.set_level(logging.DEBUG)
    return lambda: caplog.text


def representation(error: BaseException, settings) -> str:
    """Return the error as error pages, emails, logs, and tracebacks of the chain display it."""
    error.__traceback__ = error.__traceback__.tb_next  # The frame of the test contains the token.
    request = RequestFactory().post("/", {"title": "A cat"})
    text = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    for debug in (True, False):
        settings.DEBUG = debug
        reporter = ExceptionReporter(request, type(error), error, error.__traceback__)
        text += reporter.get_traceback_html() + reporter.get_traceback_text()
    pending, links = [error], []
    while pending:
        link = pending.pop()
        if link is None or link in links:
            continue
        links.append(link)
        pending += [link.__cause__, link.__context__]
        text += f"{link!r}{link}{vars(link)}"
        if failed_request := getattr(link, "request", None):
            text += f"{failed_request.headers}{failed_request.body}"
    if isinstance(error, GroupMeImageError):
        text += repr(pickle.dumps(error))
    return text


class Interrupted(io.BytesIO):
    """A file whose reading is interrupted, for example by a time limit."""

    def read(self, amount=-1):
        raise KeyboardInterrupt


class Unreadable(io.BytesIO):
    def read(self, amount=-1):
        raise OSError(5, "the disk is broken")


def echoing(status):
    """Return a server whose response contains the token in each part."""

    def conversation(connection):
        read_request(connection)
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
    "dropped": (lambda connection: read_request(connection, 10), PHOTO, ServiceUnavailable),
    "silent": (wait_for_disconnect, PHOTO, ServiceUnavailable),
    "not HTTP": (respond_with(f"{MARK}\x07 is wrong\r\n\r\n"), PHOTO, ServiceUnavailable),
    "interrupted": (read_request, Interrupted(PHOTO), KeyboardInterrupt),
    "unreadable": (read_request, Unreadable(PHOTO), OSError),
    "rejected": (echoing(400), PHOTO, UploadRejected),
    "unauthorized": (echoing(401), PHOTO, AuthenticationFailed),
    "redirected": (echoing(302), PHOTO, UnexpectedResponse),
    "other URL": (echoing(200), PHOTO, UnexpectedResponse),
    "down": (echoing(503), PHOTO, ServiceUnavailable),
    "a chunk": (
        respond_with(f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{MARK}\r\n"),
        PHOTO,
        ServiceUnavailable,
    ),
    "a length": (
        respond_with(f"HTTP/1.1 200 OK\r\nContent-Length: 1,{MARK}\r\n\r\n"),
        PHOTO,
        UnexpectedResponse,
    ),
    "cut off": (
        respond_with(f"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{MARK}"),
        PHOTO,
        ServiceUnavailable,
    ),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_failed_upload_does_not_show_token(token_is_set, settings, logged, failure):
    conversation, content, error_class = FAILURES[failure]
    with server(conversation) as (url, _):
        settings.GROUPME_UPLOAD_URL, settings.GROUPME_CDN_URL = f"{url}pictures", url
        settings.GROUPME_TIMEOUT = 0.2 if failure == "silent" else DEADLINE
        with pytest.raises(error_class) as caught:
            groupme_storage.save(
                "cat.jpg", content if hasattr(content, "read") else io.BytesIO(content)
            )
    assert MARK not in representation(caught.value, settings)
    assert MARK not in logged()


@pytest.mark.parametrize("token", ["x", "expecte"])
def test_short_token_is_not_redacted_within_words(settings, token):
    """A token of the emulator or of CI is not a secret, and may be part of a word."""
    settings.GROUPME_ACCESS_TOKEN = token
    # Otherwise, the second request may reuse the connection while the server closes it.
    head = "HTTP/1.1 400 No\r\nConnection: close\r\n"
    rejected = respond_with(f"{head}Content-Length: 8\r\n\r\nexpected")
    truncated = respond_with("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nexpected")
    with server(rejected, truncated) as (url, _):
        settings.GROUPME_UPLOAD_URL, settings.GROUPME_CDN_URL = f"{url}pictures", url
        with pytest.raises(UploadRejected, match=": expected$"):
            groupme_storage.save("cat.jpg", ContentFile(PHOTO))
        with pytest.raises(ServiceUnavailable, match="91 more expected") as caught:
            groupme_storage.save("cat.jpg", ContentFile(PHOTO))
    assert "IncompleteRead" in repr(caught.value.__cause__)


@pytest.mark.parametrize("token", ["expected", "exp"])
def test_token_that_is_a_whole_word_is_redacted(settings, token):
    settings.GROUPME_ACCESS_TOKEN = token
    head = f"HTTP/1.1 400 No\r\nContent-Length: {len(token)}\r\n\r\n"
    with server(respond_with(head + token)) as (url, _):
        settings.GROUPME_UPLOAD_URL, settings.GROUPME_CDN_URL = f"{url}pictures", url
        with pytest.raises(UploadRejected, match=r": \[access token\]$"):
            groupme_storage.save("cat.jpg", ContentFile(PHOTO))


def test_retried_upload_does_not_show_token(token_is_set, settings, logged):
    settings.GROUPME_MAX_RETRIES, settings.GROUPME_MAX_RETRY_WAIT = 2, 0.01
    with server(*[echoing(503)] * 3) as (url, tries):
        settings.GROUPME_UPLOAD_URL, settings.GROUPME_CDN_URL = f"{url}pictures", url
        with pytest.raises(ServiceUnavailable) as caught:
            groupme_storage.save("cat.jpg", ContentFile(PHOTO))
        assert len(tries) == 3
    assert MARK not in representation(caught.value, settings)
    assert "Incremented Retry" in logged()  # urllib3 logs retries at the level DEBUG.
    assert MARK not in logged()


def test_upload_to_unreachable_host_does_not_show_token(token_is_set, settings, logged):
    with pytest.raises(ServiceUnavailable) as caught:
        groupme_storage.save_from_url("http://127.0.0.1:9/cat.jpg")
    assert MARK not in representation(caught.value, settings)
    assert MARK not in logged()


@pytest.mark.parametrize(
    "token",
    [f"{MARK} ", f"{MARK}\n", f"a.{MARK}", f"{MARK}ü", [MARK], MARK.encode()],
    ids=["a space", "a newline", "a dot", "an umlaut", "a list", "bytes"],
)
@pytest.mark.parametrize("place", [set_setting, set_option, set_callable])
def test_invalid_token_raises_without_showing_it(
    place, token, settings, monkeypatch, logged, emulator
):
    place(settings, monkeypatch)
    if place is set_setting:
        settings.GROUPME_ACCESS_TOKEN = token
    elif place is set_option:
        settings.STORAGES["groupme"]["OPTIONS"]["access_token"] = token
    else:
        monkeypatch.setattr(f"{__name__}.get_token", lambda: token)
    if isinstance(token, str) and place is set_callable and "." in token:
        groupme_storage.save("cat.jpg", ContentFile(PHOTO))  # A callable may return it.
        return
    with pytest.raises((ImproperlyConfigured, AuthenticationFailed)) as caught:
        groupme_storage.save("cat.jpg", ContentFile(PHOTO))
    monkeypatch.undo()  # monkeypatch keeps the token in its list of changes.
    assert MARK not in representation(caught.value, settings)
    assert MARK not in logged()


def test_debug_page_of_failed_view_does_not_show_token(
    token_is_set, settings, logged, emulator, db
):
    settings.DEBUG = True
    settings.GROUPME_ON_DELETE = "never"  # A form does not report an invalid setting.
    settings.GROUPME_UPLOAD_URL = "nowhere"
    response = Client(raise_request_exception=False).post(
        "/members/add/", {"name": "Ada", "photo": ContentFile(PHOTO, "cat.jpg")}
    )
    assert response.status_code == 500
    assert "GROUPME_UPLOAD_URL" in response.text
    assert MARK not in response.text
    assert MARK not in logged()


@pytest.mark.parametrize("status", [400, 401, 503])
def test_form_with_failed_upload_does_not_show_token(token_is_set, settings, logged, db, status):
    with server(echoing(status)) as (url, _):
        settings.GROUPME_UPLOAD_URL, settings.GROUPME_CDN_URL = f"{url}pictures", url
        response = Client().post(
            "/members/add/", {"name": "Ada", "photo": ContentFile(PHOTO, "cat.jpg")}
        )
    assert response.status_code == 200
    assert response.context["form"].errors["photo"]
    assert MARK not in response.text
    assert MARK not in logged()


def test_repr_and_pickle_of_objects_do_not_contain_token(token_is_set, emulator, logged, db):
    member = Member.objects.create(name="Ada", photo=ContentFile(PHOTO, "cat.jpg"))
    storage = Member.photo.field.storage
    field = GroupMeImageField(storage=GroupMeStorage(access_token=MARK))
    field.set_attributes_from_name("photo")
    for value in (
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
        assert MARK not in f"{value!r}{value}"
    for value in (member, member.photo.picture, storage, field.storage):
        assert MARK.encode() not in pickle.dumps(value)
        assert MARK.encode() not in pickle.dumps(copy.copy(value))
    client = storage.client
    assert MARK not in pprint.pformat(
        [vars(client), vars(client._session), dict(client._local.__dict__)]
    )
    assert MARK not in MigrationWriter.serialize(field)[0]
    assert MARK not in logged()


def test_output_of_commands_does_not_contain_token(
    token_is_set, fallback, emulator, settings, logged, db, tmp_path
):
    for _ in range(2):
        with transaction.atomic():
            name = fallback.save("cat.jpg", ContentFile(PHOTO))
            Member.objects.create(name="Ada", photo=name)
    report = tmp_path / "report"
    with server(*[echoing(401)] * 3) as (url, _):
        settings.GROUPME_UPLOAD_URL = f"{url}pictures"
        output = run_command(
            "groupme_upload", "--report", str(report), "--workers", "1", verbosity=3
        )
    assert "rejected the access token" in output
    output += run_command("groupme_check", "--report", str(tmp_path / "checks"), verbosity=3)
    output += report.read_text(encoding="utf-8")
    dump = io.StringIO()
    call_command("dumpdata", "gallery.Member", stdout=dump)
    assert MARK not in output + dump.getvalue()
    assert MARK not in logged()


@pytest.mark.parametrize("place", [set_environment_variable, set_callable])
def test_diffsettings_without_token_setting_does_not_show_token(place, settings, monkeypatch):
    """Django's command shows a token in a setting, as it shows the SECRET_KEY."""
    place(settings, monkeypatch)
    out = io.StringIO()
    call_command("diffsettings", all=True, stdout=out)
    assert "GROUPME_UPLOAD_URL" in out.getvalue()
    assert MARK not in out.getvalue()


def test_system_checks_with_any_token_do_not_show_it(settings, monkeypatch):
    for token in (MARK, f"{MARK} ", [MARK], f"a.{MARK}"):
        settings.GROUPME_ACCESS_TOKEN = token
        assert MARK not in run_command("check", deploy=True)


def test_enqueued_task_does_not_contain_token(
    token_is_set, fallback, emulator, settings, logged, django_capture_on_commit_callbacks, db
):
    from django_groupme_images.tasks import upload_row

    backends = upload_row.get_backend().__module__.rpartition(".")[0]
    settings.TASKS = {"default": {"BACKEND": f"{backends}.dummy.DummyBackend"}}
    settings.GROUPME_DEFERRED = True
    with django_capture_on_commit_callbacks(execute=True):
        Member.objects.create(name="Ada", photo=ContentFile(PHOTO, "cat.jpg"))
    run_command("groupme_upload", "--enqueue")
    queue = upload_row.get_backend().results
    assert len(queue) == 2
    assert MARK not in "".join(map(repr, queue))
    assert MARK not in logged()


def test_emulator_record_of_upload_does_not_contain_token(token_is_set, emulator, logged):
    groupme_storage.save("cat.jpg", ContentFile(PHOTO))
    assert "X-Access-Token" in str(emulator.app.record.as_list())
    assert MARK not in str(emulator.app.record.as_list())
    assert MARK not in logged()


def test_cdn_request_does_not_contain_token(token_is_set, settings):
    requests = []

    def cdn(connection):
        requests.append(read_request(connection))
        connection.sendall(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")

    with server(echoing(401), cdn) as (url, _):
        settings.GROUPME_UPLOAD_URL, settings.GROUPME_CDN_URL = f"{url}pictures", url
        with pytest.raises(AuthenticationFailed):
            groupme_storage.save("cat.jpg", ContentFile(PHOTO))
        assert groupme_storage.exists(f"{url}1x1.png.123456789") is False
    assert requests[0].startswith(b"HEAD /1x1.png.123456789")
    assert MARK.encode() not in requests[0]
    assert b"cookie" not in requests[0].lower()
