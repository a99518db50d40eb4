"""The Stop button, before and after the body of the upload request has been sent."""

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
from django_groupme_images.forms.widgets import PREFLIGHT_FIELD
from tests.support.deadlines import DEADLINE
from tests.support.emulator_pictures import plain
from tests.testapp.models import Member
from tests.testapp.views import Card, MemberAdd

from .site import DOG, NOTES, Site, file, incompressible_png

_SAVED = re.compile(r"/members/\d+/$")
_STOPPED = "Upload canceled. The form was not saved."
_STOPPED_LATE = "Upload canceled. The form was not saved, but the image may have been uploaded."
_UPLOADED = "“\u2068cat.jpg\u2069” has been uploaded. Submit the form to save it."


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Event]:
    """Return an event for which upload requests wait, as if the image service were slow."""
    event = Event()

    def hold(view: Any, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        assert PREFLIGHT_FIELD not in request.POST or event.wait(DEADLINE)
        return View.dispatch(view, request, *args, **kwargs)

    monkeypatch.setattr(MemberAdd, "dispatch", hold)
    monkeypatch.setattr(Card, "dispatch", hold)
    yield event
    event.set()


@pytest.fixture
def stopped(site: Site, add_page: Page, gate: Event) -> Locator:
    """Return the element of an upload that was stopped after its body had been sent."""
    return _stop_late(site)


def _stop_late(site: Site) -> Locator:
    element = site.choose("photo")
    site.press_save()
    expect(element).to_contain_text("Processing “")
    site.press_stop()
    expect(element).to_contain_text(_STOPPED_LATE)
    expect(site.page.get_by_role("progressbar")).to_have_count(0)
    expect(site.page.get_by_label("Choose an image")).to_be_focused()
    return element


def _release(gate: Event, page: Page) -> None:
    """Release the response of the site, and wait until the script has handled it."""
    with page.expect_event("requestfinished"):
        gate.set()
    page.wait_for_timeout(100)


def _expect_result(page: Page) -> None:
    expect(page.locator("input[name=photo-uploaded]")).not_to_have_value("")


def _expect_no_result(page: Page) -> None:
    expect(page.locator("input[name=photo-uploaded]")).to_have_value("")


def test_stop_before_body_is_sent_aborts_request(
    site: Site, add_page: Page, limit_upload_speed: Callable[[int], None]
) -> None:
    element = site.choose("photo", file("noise.png", incompressible_png(), "image/png"))
    limit_upload_speed(200_000)
    site.press_save()
    with add_page.expect_event("requestfailed"):
        site.press_stop()
        expect(element).to_contain_text(_STOPPED)
    expect(element).not_to_contain_text("may have been")
    expect(add_page.get_by_role("progressbar")).to_have_count(0)
    expect(add_page.get_by_label("Choose an image")).to_be_focused()
    assert site.uploads == []
    limit_upload_speed(0)
    site.save()
    assert site.posts == ["upload", "upload", "submit"]
    assert len(site.uploads) == 1


def test_stop_before_progress_event_uploads_once(site: Site, add_page: Page, gate: Event) -> None:
    """Browsers report the end of a small body about 100 milliseconds late."""
    element = site.choose("photo")
    site.press_save()
    add_page.locator("form").evaluate(
        "form => form.querySelector('.groupme-sending button').click()"
    )
    expect(element).to_contain_text(_STOPPED_LATE)
    _release(gate, add_page)
    _expect_result(add_page)
    site.save()
    assert site.posts == ["upload", "submit"]
    assert len(site.uploads) == 1


def test_stop_before_connection_aborts_request(site: Site, add_page: Page) -> None:
    """The browser sends nothing while it waits for a connection."""
    element = site.choose("photo")
    add_page.locator("form").evaluate("form => form.setAttribute('action', '/members/add/?x')")
    add_page.route("**/members/add/?x", lambda route: None)
    site.press_save()
    with add_page.expect_event("requestfailed"):
        site.press_stop()
    expect(element).to_contain_text(_STOPPED)
    add_page.unroute("**/members/add/?x")
    site.save()
    assert site.posts == ["upload", "upload", "submit"]
    assert len(site.uploads) == 1


def test_stop_and_submit_before_progress_event_uploads_once(
    site: Site, add_page: Page, gate: Event
) -> None:
    element = site.choose("photo", file("noise.png", incompressible_png(), "image/png"))
    add_page.locator("form").evaluate(
        """form => {
          const save = form.querySelector(":scope > button");
          save.click();
          form.querySelector(".groupme-sending button").click();
          save.click();
        }"""
    )
    expect(add_page.get_by_role("progressbar")).to_be_visible()
    expect(element).to_contain_text("Processing “")
    gate.set()
    add_page.wait_for_url(_SAVED)
    assert site.posts == ["upload", "submit"]
    assert len(site.uploads) == 1


def test_result_after_stop_is_kept(site: Site, stopped: Locator, gate: Event) -> None:
    _release(gate, site.page)
    expect(stopped).to_contain_text(_UPLOADED)
    expect(stopped.get_by_role("img", name="cat.jpg")).to_be_visible()
    assert not Member.objects.exists()
    site.save()
    assert site.posts == ["upload", "submit"]
    assert len(site.uploads) == 1
    assert Member.objects.get().photo.width == 480


def test_submission_after_stop_waits_for_running_request(
    site: Site, stopped: Locator, gate: Event
) -> None:
    site.press_save()
    bar = site.page.get_by_role("progressbar", name="Uploading “\u2068cat.jpg\u2069”…")
    expect(bar).to_be_visible()
    expect(stopped).to_contain_text("Processing “")
    gate.set()
    site.page.wait_for_url(_SAVED)
    expect(site.page.get_by_role("heading", name="Ann")).to_be_visible()
    assert site.posts == ["upload", "submit"]
    assert len(site.uploads) == 1
    assert Member.objects.get().photo.width == 480


def test_submission_after_stop_uses_last_pressed_button(
    site: Site, stopped: Locator, gate: Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = []

    def record(view: Any, form: Any) -> HttpResponse:
        values.append((view.request.POST.get("_again"), view.request.POST["name"]))
        return redirect("/card/")

    monkeypatch.setattr(MemberAdd, "form_valid", record)
    site.page.get_by_label("Name").fill("Bob")
    site.page.get_by_role("button", name="Save and go on").click(no_wait_after=True)
    gate.set()
    site.page.wait_for_url("**/card/")
    assert values == [("1", "Bob")]
    assert site.posts == ["upload", "submit"]
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
    assert site.posts == ["upload", "submit"]
    assert len(site.uploads) == 1
    assert Member.objects.count() == 1


@pytest.mark.parametrize("removal", ["button", "reset", "dialog", "url"])
def test_result_for_removed_file_is_discarded(
    site: Site, stopped: Locator, gate: Event, removal: str
) -> None:
    page = site.page
    with page.expect_event("requestfailed"):
        if removal == "button":
            stopped.get_by_role("button", name="Remove").click()
        elif removal == "reset":
            page.locator("form").evaluate("form => form.reset()")
        elif removal == "dialog":
            page.locator("input[name=photo]").set_input_files([])
        else:
            site.drop("photo", "https://example.com/cat.jpg")
            page.get_by_label("image URL").fill("")
    expect(stopped.get_by_role("img")).to_have_count(0)
    gate.set()
    page.get_by_label("Name").fill("Ann")
    site.save()
    assert site.posts == ["upload", "submit"]
    assert not Member.objects.get().photo


def test_result_for_replaced_file_is_discarded(site: Site, stopped: Locator, gate: Event) -> None:
    with site.page.expect_event("requestfailed"):
        site.choose("photo", DOG)
    gate.set()
    _expect_no_result(site.page)
    site.save()
    assert site.posts == ["upload", "upload", "submit"]
    assert Member.objects.get().photo.format == "png"


def test_result_after_rejected_file_is_kept(site: Site, stopped: Locator, gate: Event) -> None:
    site.drop("photo", NOTES)
    expect(site.page.get_by_role("alert")).to_contain_text("notes.jpg")
    _release(gate, site.page)
    _expect_result(site.page)
    site.save()
    assert site.posts == ["upload", "submit"]
    assert len(site.uploads) == 1


def test_remove_button_discards_kept_result(site: Site, stopped: Locator, gate: Event) -> None:
    _release(gate, site.page)
    _expect_result(site.page)
    stopped.get_by_role("button", name="Remove").click()
    expect(stopped).to_contain_text("“\u2068cat.jpg\u2069” was removed.")
    _expect_no_result(site.page)
    site.save()
    assert not Member.objects.get().photo


def test_cancel_with_two_files_uploads_replacement_and_other_file(site: Site, gate: Event) -> None:
    page = site.open("/card/")
    page.get_by_label("Title").fill("Cats")
    site.choose("picture")
    logo = site.choose("logo", file("logo.png", plain("PNG", (20, 10)), "image/png"))
    site.press_save()
    expect(site.input("picture")).to_contain_text("Processing “")
    expect(logo).to_contain_text("Waiting to be uploaded")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("form")).to_contain_text("Upload canceled. The form was not saved.")
    site.choose("picture", DOG)
    site.press_save()
    expect(logo.get_by_role("progressbar")).to_be_visible()
    gate.set()
    expect(page.locator("body")).to_contain_text("20x10.png")
    expect(page.locator("body")).to_contain_text("64x32.png")
    assert site.posts == ["upload"] * 3 + ["submit"]
    assert len(site.uploads) == 3


@pytest.mark.parametrize("resubmits", [True, False])
def test_error_after_stop_is_shown_only_on_resubmission(
    site: Site, stopped: Locator, gate: Event, resubmits: bool
) -> None:
    site.emulator.app.faults.add(Fault("status", status=400, method="POST"))
    if resubmits:
        site.press_save()
    _release(gate, site.page)
    alert = site.page.get_by_role("alert")
    if resubmits:
        expect(alert).to_contain_text("rejected “cat.jpg”")
    else:
        expect(alert).to_be_empty()
        expect(stopped).to_contain_text(_STOPPED_LATE)
    expect(stopped.get_by_role("img", name="cat.jpg")).to_be_visible()
    assert site.posts == ["upload"]


@pytest.mark.parametrize("resubmits", [True, False])
def test_site_error_after_stop_is_shown_only_on_resubmission(
    site: Site,
    stopped: Locator,
    gate: Event,
    expected_messages: list[str],
    respond: Callable[[Any], None],
    resubmits: bool,
) -> None:
    expected_messages.append("status of 500")
    respond(HttpResponse("Sorry", status=500))
    if resubmits:
        site.press_save()
    _release(gate, site.page)
    alert = site.page.get_by_role("alert")
    if resubmits:
        expect(alert).to_contain_text("The site returned error 500")
    else:
        expect(alert).to_be_empty()
    assert site.posts == ["upload"]


@pytest.mark.parametrize("resubmits", [True, False])
def test_redirect_after_stop_is_followed_or_offered_as_link(
    site: Site, stopped: Locator, gate: Event, respond: Callable[[Any], None], resubmits: bool
) -> None:
    """The view has accepted the form, which must be reported and not be submitted again."""
    respond(redirect("/card/"))
    if resubmits:
        site.press_save()
        gate.set()
    else:
        gate.set()
        alert = site.page.get_by_role("alert")
        expect(alert).to_contain_text("The form may already have been saved")
        assert site.page.url.endswith("/members/add/")
        alert.get_by_role("link", name="Open the page").click()
    site.page.wait_for_url("**/card/")
    assert site.posts == ["upload"]


@pytest.mark.parametrize("resubmits", [True, False])
def test_unreadable_response_after_stop_is_shown_only_on_resubmission(
    site: Site,
    stopped: Locator,
    gate: Event,
    expected_messages: list[str],
    respond: Callable[[Any], None],
    resubmits: bool,
) -> None:
    expected_messages.append("Content Security Policy")
    respond(redirect(site.emulator.url))
    alert = site.page.get_by_role("alert")
    if resubmits:
        site.press_save()
        gate.set()
        expect(alert).to_contain_text("The connection to the site was lost")
    else:
        with site.page.expect_event("requestfailed"):
            gate.set()
        expect(alert).to_be_empty()
        site.press_save()
        expect(alert).to_contain_text("The connection to the site was lost")
    assert site.posts == (["upload"] if resubmits else ["upload", "upload"])


@pytest.mark.parametrize("event", ["pagehide", "pageshow"])
def test_page_from_back_forward_cache_does_not_submit(
    site: Site, add_page: Page, gate: Event, event: str
) -> None:
    """The headless browser has no such cache, so the test dispatches its events."""
    element = site.choose("photo")
    site.press_save()
    expect(element).to_contain_text("Processing “")
    add_page.evaluate(
        "type => dispatchEvent(new PageTransitionEvent(type, { persisted: true }))", event
    )
    expect(add_page.get_by_role("progressbar")).to_have_count(0)
    _release(gate, add_page)
    _expect_result(add_page)
    expect(element).to_contain_text(_UPLOADED)
    assert site.posts == ["upload"]
    site.save()
    assert site.posts == ["upload", "submit"]
    assert len(site.uploads) == 1
    assert Member.objects.count() == 1
