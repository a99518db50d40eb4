"""The Stop button: before the body of the upload request was sent, and afterwards."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from threading import Event
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.generic import View
from playwright.sync_api import Locator, Page, expect

from django_groupme_images.emulator.faults import Fault
from django_groupme_images.widgets import AHEAD

from ..emulator_pictures import plain
from ..gallery.models import Member
from ..gallery.views import Card, MemberAdd
from .site import NOTES, Site, big_picture, file

pytestmark = pytest.mark.browser

_DOG = file("dog.png", plain("PNG", (64, 32)), "image/png")
_SAVED = re.compile(r"/members/\d+/$")
_STOPPED = "Stopped. The form was not saved."
_STOPPED_LATE = "Stopped. The form was not saved, but the image may have been uploaded."
_UPLOADED = "“\u2068cat.jpg\u2069” was uploaded. Submit the form to save it."


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Event]:
    """Hold upload requests back, as a slow image service does, until the event is set."""
    event = Event()

    def hold(view: Any, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        assert AHEAD not in request.POST or event.wait(60)
        return View.dispatch(view, request, *args, **kwargs)

    monkeypatch.setattr(MemberAdd, "dispatch", hold)
    monkeypatch.setattr(Card, "dispatch", hold)
    yield event
    event.set()


@pytest.fixture
def stopped(site: Site, page_to_add: Page, gate: Event) -> Locator:
    """The element of an upload that was stopped after its body had been sent."""
    return _stop_late(site)


def _stop_late(site: Site) -> Locator:
    element = site.choose("photo")
    site.press_save()
    expect(element).to_contain_text("goes on to the image service")
    site.press_stop()
    expect(element).to_contain_text(_STOPPED_LATE)
    expect(site.page.get_by_role("progressbar")).to_have_count(0)
    expect(site.page.get_by_label("Choose a picture")).to_be_focused()
    return element


def _open(gate: Event, page: Page) -> None:
    """Let the site respond, and wait until the script has handled the response."""
    with page.expect_event("requestfinished"):
        gate.set()
    page.wait_for_timeout(100)


def _expect_result(page: Page) -> None:
    expect(page.locator("input[name=photo-uploaded]")).not_to_have_value("")


def _expect_no_result(page: Page) -> None:
    expect(page.locator("input[name=photo-uploaded]")).to_have_value("")


def test_stop_before_the_body_was_sent_aborts(
    site: Site, page_to_add: Page, slow_line: Callable[[int], None]
) -> None:
    element = site.choose("photo", file("noise.png", big_picture(), "image/png"))
    slow_line(200_000)
    site.press_save()
    with page_to_add.expect_event("requestfailed"):
        site.press_stop()
        expect(element).to_contain_text(_STOPPED)
    expect(element).not_to_contain_text("may have been")
    expect(page_to_add.get_by_role("progressbar")).to_have_count(0)
    expect(page_to_add.get_by_label("Choose a picture")).to_be_focused()
    assert site.uploads == []
    slow_line(0)
    site.save()
    assert site.posts == ["ahead", "ahead", "for good"]
    assert len(site.uploads) == 1


def test_stop_before_any_report_of_the_progress_uploads_once(
    site: Site, page_to_add: Page, gate: Event
) -> None:
    """A browser reports the end of a small body about 100 milliseconds late."""
    element = site.choose("photo")
    site.press_save()
    page_to_add.locator("form").evaluate(
        "form => form.querySelector('.groupme-sending button').click()"
    )
    expect(element).to_contain_text(_STOPPED_LATE)
    _open(gate, page_to_add)
    _expect_result(page_to_add)
    site.save()
    assert site.posts == ["ahead", "for good"]
    assert len(site.uploads) == 1


def test_stop_while_nothing_can_be_sent_aborts(site: Site, page_to_add: Page) -> None:
    """As while the browser waits for a connection."""
    element = site.choose("photo")
    page_to_add.locator("form").evaluate("form => form.setAttribute('action', '/members/add/?x')")
    page_to_add.route("**/members/add/?x", lambda route: None)
    site.press_save()
    with page_to_add.expect_event("requestfailed"):
        site.press_stop()
    expect(element).to_contain_text(_STOPPED)
    page_to_add.unroute("**/members/add/?x")
    site.save()
    assert site.posts == ["ahead", "ahead", "for good"]
    assert len(site.uploads) == 1


def test_stop_and_submit_before_any_report_of_the_progress_uploads_once(
    site: Site, page_to_add: Page, gate: Event
) -> None:
    element = site.choose("photo", file("noise.png", big_picture(), "image/png"))
    page_to_add.locator("form").evaluate(
        """form => {
          const save = form.querySelector(":scope > button");
          save.click();
          form.querySelector(".groupme-sending button").click();
          save.click();
        }"""
    )
    expect(page_to_add.get_by_role("progressbar")).to_be_visible()
    expect(element).to_contain_text("goes on to the image service")
    gate.set()
    page_to_add.wait_for_url(_SAVED)
    assert site.posts == ["ahead", "for good"]
    assert len(site.uploads) == 1


def test_result_that_arrives_after_stop_is_kept(site: Site, stopped: Locator, gate: Event) -> None:
    _open(gate, site.page)
    expect(stopped).to_contain_text(_UPLOADED)
    expect(stopped.get_by_role("img", name="cat.jpg")).to_be_visible()
    assert not Member.objects.exists()
    site.save()
    assert site.posts == ["ahead", "for good"]
    assert len(site.uploads) == 1
    assert Member.objects.get().photo.width == 480


def test_submission_after_stop_waits_for_the_running_request(
    site: Site, stopped: Locator, gate: Event
) -> None:
    site.press_save()
    bar = site.page.get_by_role("progressbar", name="Sending “\u2068cat.jpg\u2069” …")
    expect(bar).to_be_visible()
    expect(stopped).to_contain_text("goes on to the image service")
    gate.set()
    site.page.wait_for_url(_SAVED)
    expect(site.page.get_by_role("heading", name="Ann")).to_be_visible()
    assert site.posts == ["ahead", "for good"]
    assert len(site.uploads) == 1
    assert Member.objects.get().photo.width == 480


def test_submission_after_stop_uses_the_button_that_was_pressed_last(
    site: Site, stopped: Locator, gate: Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    pressed = []

    def note(view: Any, form: Any) -> HttpResponse:
        pressed.append((view.request.POST.get("_again"), view.request.POST["name"]))
        return redirect("/card/")

    monkeypatch.setattr(MemberAdd, "form_valid", note)
    site.page.get_by_label("Name").fill("Bob")
    site.page.get_by_role("button", name="Save and go on").click(no_wait_after=True)
    gate.set()
    site.page.wait_for_url("**/card/")
    assert pressed == [("1", "Bob")]
    assert site.posts == ["ahead", "for good"]
    assert len(site.uploads) == 1


def test_stop_and_submit_repeatedly_uploads_once(site: Site, stopped: Locator, gate: Event) -> None:
    for _ in range(2):
        site.press_save()
        site.press_stop()
        expect(stopped).to_contain_text(_STOPPED_LATE)
    site.page.get_by_role("button", name="Save", exact=True).dblclick(no_wait_after=True)
    gate.set()
    site.page.wait_for_url(_SAVED)
    expect(site.page.get_by_role("heading", name="Ann")).to_be_visible()
    assert site.posts == ["ahead", "for good"]
    assert len(site.uploads) == 1
    assert Member.objects.count() == 1


@pytest.mark.parametrize("how", ["button", "reset", "dialog", "url"])
def test_result_for_a_removed_file_is_discarded(
    site: Site, stopped: Locator, gate: Event, how: str
) -> None:
    page = site.page
    with page.expect_event("requestfailed"):
        if how == "button":
            stopped.get_by_role("button", name="Do not send").click()
        elif how == "reset":
            page.locator("form").evaluate("form => form.reset()")
        elif how == "dialog":
            page.locator("input[name=photo]").set_input_files([])
        else:
            site.drop("photo", "https://example.com/cat.jpg")
            page.get_by_label("address").fill("")
    expect(stopped.get_by_role("img")).to_have_count(0)
    gate.set()
    page.get_by_label("Name").fill("Ann")
    site.save()
    assert site.posts == ["ahead", "for good"]
    assert not Member.objects.get().photo


def test_result_for_a_replaced_file_is_discarded(site: Site, stopped: Locator, gate: Event) -> None:
    with site.page.expect_event("requestfailed"):
        site.choose("photo", _DOG)
    gate.set()
    _expect_no_result(site.page)
    site.save()
    assert site.posts == ["ahead", "ahead", "for good"]
    assert Member.objects.get().photo.format == "png"


def test_result_is_kept_although_another_file_was_rejected(
    site: Site, stopped: Locator, gate: Event
) -> None:
    site.drop("photo", NOTES)
    expect(site.page.get_by_role("alert")).to_contain_text("notes.jpg")
    _open(gate, site.page)
    _expect_result(site.page)
    site.save()
    assert site.posts == ["ahead", "for good"]
    assert len(site.uploads) == 1


def test_result_that_was_kept_can_be_removed(site: Site, stopped: Locator, gate: Event) -> None:
    _open(gate, site.page)
    _expect_result(site.page)
    stopped.get_by_role("button", name="Do not send").click()
    expect(stopped).to_contain_text("“\u2068cat.jpg\u2069” was removed from the form.")
    _expect_no_result(site.page)
    site.save()
    assert not Member.objects.get().photo


def test_other_image_of_the_form_is_kept(site: Site, gate: Event) -> None:
    page = site.open("/card/")
    page.get_by_label("Title").fill("Cats")
    site.choose("picture")
    logo = site.choose("logo", file("logo.png", plain("PNG", (20, 10)), "image/png"))
    site.press_save()
    expect(site.input("picture")).to_contain_text("goes on to the image service")
    site.press_stop()
    site.choose("picture", _DOG)  # the element that showed the progress
    site.press_save()  # waits for the logo
    expect(logo.get_by_role("progressbar")).to_be_visible()
    gate.set()
    expect(page.locator("form")).to_have_count(0)
    assert "20x10.png" in page.content()
    assert "64x32.png" in page.content()
    assert site.posts == ["ahead", "for good"]
    assert len(site.uploads) == 3


@pytest.mark.parametrize("waits", [True, False])
def test_error_after_stop_is_shown_if_the_form_is_submitted_again(
    site: Site, stopped: Locator, gate: Event, waits: bool
) -> None:
    site.emulator.app.faults.add(Fault("status", status=400, method="POST"))
    if waits:
        site.press_save()
    _open(gate, site.page)
    alert = site.page.get_by_role("alert")
    if waits:
        expect(alert).to_contain_text("did not accept “cat.jpg”")
    else:
        expect(alert).to_be_empty()
        expect(stopped).to_contain_text(_STOPPED_LATE)
    expect(stopped.get_by_role("img", name="cat.jpg")).to_be_visible()
    assert site.posts == ["ahead"]


@pytest.mark.parametrize("waits", [True, False])
def test_error_of_the_site_after_stop(
    site: Site,
    stopped: Locator,
    gate: Event,
    expected_messages: list[str],
    respond: Callable[[Any], None],
    waits: bool,
) -> None:
    expected_messages.append("status of 500")
    respond(HttpResponse("Sorry", status=500))
    if waits:
        site.press_save()
    _open(gate, site.page)
    alert = site.page.get_by_role("alert")
    if waits:
        expect(alert).to_contain_text("The site responded with error 500")
    else:
        expect(alert).to_be_empty()
    assert site.posts == ["ahead"]


@pytest.mark.parametrize("waits", [True, False])
def test_redirect_after_stop(
    site: Site, stopped: Locator, gate: Event, respond: Callable[[Any], None], waits: bool
) -> None:
    """The view has accepted the form, so the visitor has to know, and nothing is repeated."""
    respond(redirect("/card/"))
    if waits:
        site.press_save()
        gate.set()
    else:
        gate.set()
        alert = site.page.get_by_role("alert")
        expect(alert).to_contain_text("The form may already have been saved")
        assert site.page.url.endswith("/members/add/")
        alert.get_by_role("link", name="Open the page").click()
    site.page.wait_for_url("**/card/")
    assert site.posts == ["ahead"]


@pytest.mark.parametrize("waits", [True, False])
def test_response_that_cannot_be_read_after_stop(
    site: Site,
    stopped: Locator,
    gate: Event,
    expected_messages: list[str],
    respond: Callable[[Any], None],
    waits: bool,
) -> None:
    expected_messages.append("Content Security Policy")
    respond(redirect(site.emulator.url))
    alert = site.page.get_by_role("alert")
    if waits:
        site.press_save()
        gate.set()
        expect(alert).to_contain_text("The connection to the site was lost")
    else:
        with site.page.expect_event("requestfailed"):
            gate.set()
        expect(alert).to_be_empty()
        site.press_save()
        expect(alert).to_contain_text("The connection to the site was lost")
    assert site.posts == (["ahead"] if waits else ["ahead", "ahead"])


@pytest.mark.parametrize("event", ["pagehide", "pageshow"])
def test_page_from_the_back_forward_cache_does_not_submit(
    site: Site, page_to_add: Page, gate: Event, event: str
) -> None:
    """The headless browser has no such cache, so the events stand for it."""
    element = site.choose("photo")
    site.press_save()
    expect(element).to_contain_text("goes on to the image service")
    page_to_add.evaluate(
        "type => dispatchEvent(new PageTransitionEvent(type, { persisted: true }))", event
    )
    expect(page_to_add.get_by_role("progressbar")).to_have_count(0)
    _open(gate, page_to_add)
    _expect_result(page_to_add)
    expect(element).to_contain_text(_UPLOADED)
    assert site.posts == ["ahead"]
    site.save()
    assert site.posts == ["ahead", "for good"]
    assert len(site.uploads) == 1
    assert Member.objects.count() == 1
