"""
A real browser, against the test site and the emulator.

Without Playwright these tests are not collected, and without a Chromium they are skipped;
with ``BROWSER_TESTS=required`` in the environment, as in CI, either is a failure.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from django.core.signals import request_finished, request_started
from django.http import HttpResponse

from django_groupme_images.emulator import EmulatorServer

from ..gallery.views import MemberAdd
from .site import Site

_IS_REQUIRED = os.environ.get("BROWSER_TESTS") == "required"
_IS_INSTALLED = all(find_spec(name) for name in ("playwright", "axe_playwright_python"))
_PATIENCE = 20_000  # milliseconds, for a busy machine

if _IS_REQUIRED and not _IS_INSTALLED:
    raise pytest.UsageError("BROWSER_TESTS=required, but Playwright or axe is not installed")

collect_ignore_glob = [] if _IS_INSTALLED else ["test_*.py"]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep these tests in one process: one browser is enough."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.xdist_group("browser"))


@pytest.fixture(scope="package", autouse=True)
def asynchronous_unsafe() -> Iterator[None]:
    """Let Django's ORM run beside the event loop that Playwright keeps in this thread."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        yield


@pytest.fixture(scope="package")
def playwright(asynchronous_unsafe: None) -> Iterator[Any]:
    """Of this package instead of the session: the other tests have no event loop then."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=_PATIENCE)
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="package")
def browser_type(playwright: Any) -> Any:
    return playwright.chromium


@pytest.fixture(scope="session")
def chromium() -> str:
    # The first is the same engine without the windows, which Playwright prefers, too.
    names = "chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"
    if path := next(filter(None, map(shutil.which, names)), None):
        return path
    if _IS_REQUIRED:
        pytest.fail("BROWSER_TESTS=required, but there is no chromium on the PATH")
    pytest.skip("there is no chromium on the PATH")


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
    """What the console may say in a test: parts of messages, which the test puts in here."""
    return ["/favicon.ico"]  # which the test site has none of


@pytest.fixture
def context(new_context: Callable[..., Any], watched: Callable[[Any], Any]) -> Any:
    return watched(new_context())


@pytest.fixture
def watched(expected_messages: list[str]) -> Iterator[Callable[[Any], Any]]:
    """Fails the test if a page of a context has an error, or its console a warning."""
    said: list[str] = []

    def listen(message: Any) -> None:
        if message.type in {"warning", "error"}:
            said.append(f"{message.type}: {message.text} ({message.location.get('url')})")

    def watch(context: Any) -> Any:
        context.set_default_timeout(_PATIENCE)
        context.on("console", listen)
        context.on("weberror", lambda error: said.append(f"uncaught: {error.error}"))
        return context

    yield watch
    unexpected = [text for text in said if not any(part in text for part in expected_messages)]
    assert unexpected == []


@pytest.fixture
def service(live_server: Any, emulator: EmulatorServer, transactional_db: None) -> Iterator[Any]:
    """
    The emulator, behind a site that has answered every request when the test is over.

    The site's threads share the database's connection with the test. One that was left in
    the middle of a request would meet the emptying of the tables.
    """
    unanswered = RequestCounter()
    request_started.connect(unanswered.up)
    request_finished.connect(unanswered.down)
    yield emulator
    emulator.stop()  # whatever still waits for it
    unanswered.wait_for_none()
    request_started.disconnect(unanswered.up)
    request_finished.disconnect(unanswered.down)


@pytest.fixture
def site(service: EmulatorServer, page: Any, live_server: Any) -> Site:
    """The test site in the browser, with the emulator behind it."""
    return Site(page, live_server.url, service)


@pytest.fixture
def page_to_add(site: Site) -> Any:
    """The form for a new member, who has a name and no picture yet."""
    page = site.open("/members/add/")
    page.get_by_label("Name").fill("Ann")
    return page


@pytest.fixture
def slow_line(page_to_add: Any) -> Callable[[int], None]:
    """Limit the upload speed of the browser, in bytes per second; 0 means no limit."""
    session = page_to_add.context.new_cdp_session(page_to_add)
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
    """Replace the response to a form that is posted to /members/add/."""

    def replace(response: HttpResponse | Callable[..., HttpResponse]) -> None:
        post = response if callable(response) else lambda *args, **kwargs: response
        monkeypatch.setattr(MemberAdd, "post", post)

    return replace


@pytest.fixture
def plain_site(
    service: EmulatorServer,
    new_context: Callable[..., Any],
    watched: Callable[[Any], Any],
    live_server: Any,
) -> Site:
    """The same without JavaScript."""
    context = watched(new_context(java_script_enabled=False))
    return Site(context.new_page(), live_server.url, service)


class RequestCounter:
    """How many requests the site has not answered yet."""

    def __init__(self) -> None:
        self._count = 0
        self._changed = threading.Condition()

    def up(self, **kwargs: Any) -> None:
        self._add(1)

    def down(self, **kwargs: Any) -> None:
        self._add(-1)

    def wait_for_none(self) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self._count == 0, timeout=20)

    def _add(self, number: int) -> None:
        with self._changed:
            self._count += number
            self._changed.notify_all()


@pytest.fixture(scope="session")
def screenshots() -> Path:
    """Where screenshots are kept, at the root of the repository; git ignores them."""
    folder = Path(__file__).parents[2] / "screenshots"
    folder.mkdir(exist_ok=True)
    return folder
