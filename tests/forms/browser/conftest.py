"""
Fixtures for tests in a real browser, with the test site and the emulator.

``make test-browser`` runs these tests. They fail if Chromium is not installed.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.signals import request_finished, request_started
from django.http import HttpRequest, HttpResponse

from django_groupme_images.emulator import EmulatorServer
from django_groupme_images.forms.widgets import PREFLIGHT_FIELD
from tests import ROOT
from tests.support.deadlines import DEADLINE
from tests.testapp.middleware import post_processed
from tests.testapp.models import Member
from tests.testapp.views import MemberAdd

from .site import Site

_TIMEOUT = 1_000 * DEADLINE  # milliseconds


@pytest.fixture(scope="package", autouse=True)
def asynchronous_unsafe() -> Iterator[None]:
    """Allow Django's ORM in the thread in which Playwright has an event loop."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        yield


@pytest.fixture(scope="package")
def playwright(asynchronous_unsafe: None) -> Iterator[Any]:
    """Replace the plugin's fixture, whose event loop would exist until the end of the session."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=_TIMEOUT)
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="package")
def browser_type(playwright: Any) -> Any:
    return playwright.chromium


@pytest.fixture(scope="session")
def chromium() -> str:
    """Return the path of a Chromium."""
    # Playwright also prefers the headless shell, which is the same engine without windows.
    names = "chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"
    if path := next(filter(None, map(shutil.which, names)), None):
        return path
    pytest.fail("there is no chromium on the PATH")


@pytest.fixture(scope="package")
def browser(chromium: str, browser_type: Any) -> Iterator[Any]:
    running = browser_type.launch(
        executable_path=chromium,
        args=[
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ],
    )
    yield running
    running.close()


@pytest.fixture(scope="session")
def browser_context_args() -> dict[str, Any]:
    return {"viewport": {"width": 1000, "height": 700}}


@pytest.fixture
def expected_messages() -> list[str]:
    """Return a list to which a test adds parts of the console messages that it expects."""
    return ["/favicon.ico"]  # The test site does not have this file.


@pytest.fixture
def context(new_context: Callable[..., Any], watch_console: Callable[[Any], Any]) -> Any:
    return watch_console(new_context())


@pytest.fixture
def watch_console(expected_messages: list[str]) -> Iterator[Callable[[Any], Any]]:
    """Fail the test if a page of a context reports an unexpected error or warning."""
    messages: list[str] = []

    def listen(message: Any) -> None:
        if message.type in {"warning", "error"}:
            messages.append(f"{message.type}: {message.text} ({message.location.get('url')})")

    def watch(context: Any) -> Any:
        context.set_default_timeout(_TIMEOUT)
        context.on("console", listen)
        context.on("weberror", lambda error: messages.append(f"uncaught: {error.error}"))
        return context

    yield watch
    unexpected = [text for text in messages if not any(part in text for part in expected_messages)]
    assert unexpected == []


@pytest.fixture
def service(
    live_server: Any,
    emulator: EmulatorServer,
    transactional_db: None,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Any]:
    """
    Return the emulator, and wait at the end of the test until the site has finished all requests.

    The threads of the site share the database connection of the test. A request that is still
    running would fail when the tables are emptied, and transactions of concurrent requests in the
    admin would be mixed up.
    """
    without_transactions = SimpleNamespace(atomic=lambda using: nullcontext())
    monkeypatch.setattr("django.contrib.admin.options.transaction", without_transactions)
    running = RequestCounter()
    request_started.connect(running.increment)
    request_finished.connect(running.decrement)
    yield emulator
    emulator.stop()  # This ends uploads that are still running.
    running.wait_until_zero()
    request_started.disconnect(running.increment)
    request_finished.disconnect(running.decrement)


@pytest.fixture
def site(service: EmulatorServer, page: Any, live_server: Any) -> Site:
    """Return the test site in the browser, with the emulator behind it."""
    return Site(page, live_server.url, service)


@pytest.fixture
def add_page(site: Site) -> Any:
    """Return the page with the add form of a member, in which only the name is filled in."""
    page = site.open("/members/add/")
    page.get_by_label("Name").fill("Ann")
    return page


@pytest.fixture
def change_page(site: Site) -> Any:
    """Return the page with the change form of a member with an image."""
    member = Member.objects.create(name="Ann", photo=site.add_image())
    return site.open(f"/members/{member.pk}/change/")


@pytest.fixture
def limit_upload_speed(add_page: Any) -> Callable[[int], None]:
    """Return a function that limits the upload speed in bytes per second; 0 means no limit."""
    session = add_page.context.new_cdp_session(add_page)
    session.send("Network.enable")

    def emulate(speed: int) -> None:
        session.send(
            "Network.emulateNetworkConditions",
            {
                "offline": False,
                "latency": 0,
                "downloadThroughput": -1,
                "uploadThroughput": speed or -1,
            },
        )

    return emulate


@pytest.fixture
def respond(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Return a function that replaces the response to a POST request to ``/members/add/``."""

    def replace(response: HttpResponse | Callable[..., HttpResponse]) -> None:
        post = response if callable(response) else lambda *args, **kwargs: response
        monkeypatch.setattr(MemberAdd, "post", post)

    return replace


@pytest.fixture
def posts() -> Iterator[list[Post]]:
    """Return a list of the POST requests that the site has processed."""
    processed: list[Post] = []

    def record(request: HttpRequest, running: int, **kwargs: Any) -> None:
        names = [name for name, values in request.POST.lists() for _ in values]
        files = [name for name, values in request.FILES.lists() for _ in values]
        processed.append(Post(PREFLIGHT_FIELD in names, names, files, running))

    post_processed.connect(record)
    yield processed
    post_processed.disconnect(record)


@dataclass(frozen=True)
class Post:
    """A POST request: whether it is an upload request, and the names of its fields and files."""

    is_upload: bool
    fields: list[str]
    files: list[str]
    running: int


@pytest.fixture
def site_without_javascript(
    service: EmulatorServer,
    new_context: Callable[..., Any],
    watch_console: Callable[[Any], Any],
    live_server: Any,
) -> Site:
    """Return the test site in a browser without JavaScript."""
    context = watch_console(new_context(java_script_enabled=False))
    return Site(context.new_page(), live_server.url, service)


class RequestCounter:
    """The number of requests that the site is processing."""

    def __init__(self) -> None:
        self._count = 0
        self._changed = threading.Condition()

    def increment(self, **kwargs: Any) -> None:
        self._add(1)

    def decrement(self, **kwargs: Any) -> None:
        self._add(-1)

    def wait_until_zero(self) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self._count == 0, timeout=DEADLINE)

    def _add(self, number: int) -> None:
        with self._changed:
            self._count += number
            self._changed.notify_all()


@pytest.fixture(scope="session")
def screenshots() -> Path:
    """Return the folder for screenshots, which git ignores."""
    folder = ROOT / "screenshots"
    folder.mkdir(exist_ok=True)
    return folder
