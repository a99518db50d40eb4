"""What a person sees while a picture is on its way, and after it went wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpResponse
from playwright.sync_api import Page, expect

from django_groupme_images.emulator.faults import Fault

from ..emulator_pictures import plain
from ..gallery.models import Album, Member, Photo
from .site import CAT, Site, big_picture, file

pytestmark = pytest.mark.browser

_WATCH_PROGRESS = """element => {
  window.seen = [];
  const bar = element.querySelector("progress");
  const note = () => seen.push(bar.hasAttribute("value") ? bar.value : "waiting");
  new MutationObserver(note).observe(bar, { attributes: true });
}"""


def test_progress(site: Site, page_to_add: Page, slow_line: Callable[[int], None]) -> None:
    element = site.choose("photo", file("noise.png", big_picture(), "image/png"))
    element.evaluate(_WATCH_PROGRESS)
    slow_line(2_000_000)
    site.delay_uploads(2)
    site.press_save()
    bar = page_to_add.get_by_role("progressbar", name="Sending “\u2068noise.png\u2069” …")
    expect(bar).to_be_visible()
    expect(element).to_contain_text("Sending “\u2068noise.png\u2069” …")
    expect(element).to_contain_text("“\u2068noise.png\u2069” goes on to the image service …")
    seen = page_to_add.evaluate("seen")
    parts = [part for part in seen if part != "waiting"]
    assert parts == sorted(parts)
    assert len({part for part in parts if 0 < part < 1}) > 2
    assert seen[-1] == "waiting"
    slow_line(0)
    page_to_add.wait_for_url(re.compile(r"/members/\d+/$"))
    assert site.posts == ["ahead", "for good"]
    assert len(site.uploads) == 1


def test_another_picture_while_sending(site: Site, page_to_add: Page) -> None:
    site.choose("photo")
    site.delay_uploads(5)
    site.press_save()
    expect(page_to_add.get_by_role("progressbar")).to_be_visible()
    site.choose("photo", file("dog.png", plain("PNG", (64, 32)), "image/png"))
    expect(page_to_add.get_by_role("progressbar")).to_have_count(0)
    site.save()
    assert Member.objects.get().photo.format == "png"


def test_connection_breaks(site: Site, page_to_add: Page, expected_messages: list[str]) -> None:
    expected_messages.append("ERR_INTERNET_DISCONNECTED")
    element = site.choose("photo")
    page_to_add.context.set_offline(True)
    site.press_save()
    expect(page_to_add.get_by_role("alert")).to_contain_text("The connection to the site was lost")
    expect(element.get_by_role("img", name="cat.jpg")).to_be_visible()
    page_to_add.context.set_offline(False)
    site.save()
    assert len(site.uploads) == 1


def test_service_down(site: Site, page_to_add: Page) -> None:
    site.emulator.app.faults.add(Fault("status", status=503, method="POST"))
    element = site.choose("photo")
    site.press_save()
    alert = page_to_add.get_by_role("alert")
    expect(alert).to_contain_text("The image service does not answer")
    choose = page_to_add.get_by_label("Choose a picture")
    expect(choose).to_be_focused()
    expect(choose).to_have_attribute("aria-invalid", "true")
    expect(element.get_by_role("img", name="cat.jpg")).to_be_visible()
    assert site.posts == ["ahead"]
    assert not Member.objects.exists()
    site.save()  # the file is still there
    assert site.posts == ["ahead", "ahead", "for good"]
    assert len(site.uploads) == 2
    assert Member.objects.get().photo.width == 480


def test_service_is_gone(site: Site, page_to_add: Page) -> None:
    site.choose("photo")
    site.emulator.stop()
    site.press_save()
    expect(page_to_add.get_by_role("alert")).to_contain_text("The image service does not answer")
    assert site.posts == ["ahead"]


def test_service_dies_in_the_middle(site: Site, page_to_add: Page) -> None:
    site.emulator.app.faults.add(Fault("drop", method="POST"))
    site.choose("photo")
    site.press_save()
    expect(page_to_add.get_by_role("alert")).to_contain_text("The image service does not answer")
    assert site.posts == ["ahead"]
    site.save()
    assert Member.objects.get().photo.width == 480


def test_refused_by_the_service(site: Site, page_to_add: Page) -> None:
    site.emulator.app.faults.add(Fault("status", status=400, method="POST"))
    site.choose("photo")
    site.press_save()
    expect(page_to_add.get_by_role("alert")).to_contain_text("did not accept “cat.jpg”")
    assert site.posts == ["ahead"]


def test_another_field_is_wrong(site: Site, page_to_add: Page) -> None:
    page_to_add.locator("form").evaluate("form => { form.noValidate = true }")
    page_to_add.get_by_label("Name").fill("")
    site.choose("photo")
    site.save()
    expect(page_to_add.get_by_text("This field is required")).to_be_visible()
    element = site.input("photo")
    expect(element).to_contain_text("Uploaded; not saved yet: Original, 480 × 325 pixels")
    expect(element.locator(".groupme-present img")).to_be_visible()
    page_to_add.get_by_label("Name").fill("Ann")
    site.save()
    assert site.posts == ["ahead", "for good", "for good"]
    assert site.uploads == [len(CAT["buffer"])]
    assert Member.objects.get().photo.width == 480


def test_another_picture_after_another_field_was_wrong(site: Site, page_to_add: Page) -> None:
    page_to_add.locator("form").evaluate("form => { form.noValidate = true }")
    page_to_add.get_by_label("Name").fill("")
    site.choose("photo")
    site.save()
    page_to_add.get_by_label("Name").fill("Ann")
    # Refused, this one must not pass for the one that was uploaded before.
    site.emulator.app.faults.add(Fault("status", status=400, method="POST"))
    site.choose("photo", file("dog.png", plain("PNG", (64, 32)), "image/png"))
    site.press_save()
    expect(page_to_add.get_by_role("alert")).to_contain_text("dog.png")
    site.save()
    assert len(site.uploads) == 3
    assert Member.objects.get().photo.format == "png"


def test_another_picture_is_withdrawn_after_another_field_was_wrong(
    site: Site, page_to_add: Page
) -> None:
    page_to_add.locator("form").evaluate("form => { form.noValidate = true }")
    page_to_add.get_by_label("Name").fill("")
    site.choose("photo")
    site.save()
    page_to_add.get_by_label("Name").fill("Ann")
    element = site.choose("photo", file("dog.png", plain("PNG", (64, 32)), "image/png"))
    element.get_by_role("button", name="Do not send").click()
    site.save()
    assert len(site.uploads) == 1
    assert Member.objects.get().photo.width == 480


def test_two_pictures_of_which_one_is_refused(site: Site) -> None:
    page = site.open("/card/")
    page.get_by_label("Title").fill("Cats")
    site.choose("picture")
    site.choose("logo", file("logo.png", plain("PNG", (64, 32)), "image/png"))
    site.emulator.app.faults.add(Fault("status", status=400, method="POST"))
    site.press_save()
    expect(site.input("picture").get_by_role("alert")).to_contain_text("did not accept")
    expect(site.input("logo").get_by_role("alert")).to_be_empty()
    expect(site.input("logo").get_by_role("img", name="logo.png")).to_be_visible()
    site.save()
    assert site.posts == ["ahead", "ahead", "for good"]
    assert len(site.uploads) == 3  # the refused one twice, the other one once
    assert "480x325.jpeg" in page.content()
    assert "64x32.png" in page.content()


def test_uploaded_picture_is_withdrawn(site: Site) -> None:
    page = site.open("/card/")
    page.get_by_label("Title").fill("Cats")
    site.choose("picture")
    site.choose("logo", file("logo.png", plain("PNG", (64, 32)), "image/png"))
    site.emulator.app.faults.add(Fault("status", status=400, method="POST"))
    site.press_save()
    expect(site.input("picture").get_by_role("alert")).to_contain_text("did not accept")
    site.input("logo").get_by_role("button", name="Do not send").click()
    site.save()
    assert "480x325.jpeg" in page.content()
    assert "64x32.png" not in page.content()


def test_required_picture_is_missing(site: Site) -> None:
    page = site.open("/card/")
    page.get_by_label("Title").fill("Cats")
    site.save()
    expect(page.get_by_text("This field is required")).to_be_visible()
    site.choose("picture")
    site.save()
    assert site.posts == ["for good", "ahead", "for good"]
    assert len(site.uploads) == 1


def test_browser_itself_holds_back_the_form(site: Site) -> None:
    page = site.open("/members/add/")
    site.choose("photo")
    site.press_save()
    expect(page.get_by_label("Name")).to_be_focused()
    assert site.posts == []
    page.get_by_label("Name").fill("Ann")
    site.save()
    assert site.posts == ["ahead", "for good"]


def test_field_is_emptied_while_sending(site: Site, page_to_add: Page) -> None:
    site.choose("photo")
    site.delay_uploads(2)
    site.press_save()
    page_to_add.get_by_label("Name").fill("")
    expect(page_to_add.get_by_role("progressbar")).to_have_count(0)
    page_to_add.get_by_label("Name").fill("Ann")
    site.save()
    assert site.posts == ["ahead", "for good"]
    assert len(site.uploads) == 1


def test_double_click(site: Site, page_to_add: Page) -> None:
    site.choose("photo")
    site.delay_uploads(2)
    with page_to_add.expect_navigation():
        page_to_add.get_by_role("button", name="Save", exact=True).dblclick()
    assert site.posts == ["ahead", "for good"]
    assert len(site.uploads) == 1
    assert Member.objects.count() == 1


_GUARD = """form => {
  window.submits = 0;
  form.addEventListener("submit", (event) => {
    submits += 1;
    if (submits > 1) event.preventDefault();
    event.submitter.disabled = true;
  });
}"""


def test_page_with_its_own_guard_against_double_clicks(site: Site, page_to_add: Page) -> None:
    page_to_add.locator("form").evaluate(_GUARD)
    site.choose("photo")
    site.save()
    assert site.posts == ["ahead", "for good"]
    assert len(site.uploads) == 1


def test_button_that_the_page_disabled_works_again_after_a_failure(
    site: Site, page_to_add: Page
) -> None:
    page_to_add.locator("form").evaluate(_GUARD.replace("submits > 1", "false"))
    site.emulator.app.faults.add(Fault("status", status=503, method="POST"))
    site.choose("photo")
    site.press_save()
    expect(page_to_add.get_by_role("alert")).to_contain_text("does not answer")
    site.save()
    assert Member.objects.get().photo.width == 480


def test_second_button(site: Site, page_to_add: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    pressed = []
    form_valid = "tests.gallery.views.MemberAdd.form_valid"

    def note(view: Any, form: Any) -> HttpResponse:
        pressed.append(view.request.POST.get("_again"))
        form.save()
        return HttpResponse("<!doctype html><title>Saved</title><main>Saved</main>")

    monkeypatch.setattr(form_valid, note)
    site.choose("photo")
    with page_to_add.expect_navigation():
        page_to_add.get_by_role("button", name="Save and go on").click()
    assert pressed == ["1"]
    assert len(site.uploads) == 1


def test_back_after_success(site: Site, page_to_add: Page) -> None:
    site.choose("photo")
    site.save()
    page_to_add.go_back()
    page_to_add.wait_for_url("**/add/")
    expect(page_to_add.get_by_label("Name")).to_have_value("Ann")
    expect(site.input("photo").get_by_role("img")).to_have_count(0)
    site.save()
    assert len(site.uploads) == 1
    first, second = Member.objects.order_by("pk")
    assert first.photo
    assert not second.photo  # nothing was shown, and nothing was sent


def test_form_is_sent_by_another_script(site: Site, page_to_add: Page) -> None:
    page_to_add.locator("form").evaluate(
        "form => form.addEventListener('submit', event => event.preventDefault())"
    )
    site.choose("photo")
    site.press_save()
    page_to_add.wait_for_timeout(100)
    assert site.posts == []


def test_form_with_inputs_named_like_its_properties(site: Site, page_to_add: Page) -> None:
    page_to_add.locator("form").evaluate(
        """form => {
          for (const name of ["action", "method", "submit", "target", "requestSubmit"]) {
            const input = document.createElement("input");
            input.name = name;
            form.append(input);
          }
        }"""
    )
    site.choose("photo")
    site.save()
    assert site.posts == ["ahead", "for good"]
    assert len(site.uploads) == 1


def test_inputs_outside_of_their_form(site: Site, page_to_add: Page) -> None:
    site.input("photo").evaluate(
        """element => {
          document.querySelector("form").id = "it";
          element.querySelectorAll("input").forEach(input => input.setAttribute("form", "it"));
          document.querySelector("main").prepend(element);
        }"""
    )
    element = site.choose("photo")
    site.save()
    assert element.count() == 0
    assert site.posts == ["ahead", "for good"]
    assert len(site.uploads) == 1


def test_storage_of_a_test(site: Site, settings: Any, expected_messages: list[str]) -> None:
    """On a storage that is not GroupMe's, a form is sent once, with its file."""
    expected_messages.append("/cat.jpg")  # nothing serves what is in memory
    settings.STORAGES = {
        **settings.STORAGES,
        "groupme": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    }
    page = site.open("/members/add/")
    page.get_by_label("Name").fill("Ann")
    site.choose("photo")
    site.save()
    assert site.posts == ["for good"]
    assert site.uploads == []


def test_formset(site: Site) -> None:
    album = Album.objects.create(title="Cats")
    page = site.open(f"/albums/{album.pk}/")
    page.get_by_label("Caption").fill("A cat")
    site.choose("photo_set-0-picture")
    site.save()
    assert site.posts == ["ahead", "for good"]
    photo = Photo.objects.get()
    assert photo.picture.width == 480
    page.get_by_label("Caption").nth(1).fill("Another cat")
    site.choose("photo_set-1-picture", file("dog.png", plain("PNG", (64, 32)), "image/png"))
    site.choose("photo_set-0-picture", file("cat.png", plain("PNG", (99, 99)), "image/png"))
    page.get_by_label("Delete").first.check()
    site.save()
    assert len(site.uploads) == 2  # nothing of a row that is to go
    assert Photo.objects.get().caption == "Another cat"


def test_script_is_loaded_twice(site: Site, page_to_add: Page) -> None:
    source = page_to_add.locator("script[src*=image_input]").get_attribute("src")
    page_to_add.add_script_tag(url=source)
    assert page_to_add.evaluate("typeof GroupMeImageInput") == "undefined"
    site.choose("photo")
    site.save()
    assert site.posts == ["ahead", "for good"]


def test_element_comes_later(site: Site, page_to_add: Page) -> None:
    """As a library does that asks the server for a part of a page, and puts it in."""
    page_to_add.locator("form").evaluate("form => { form.outerHTML = form.outerHTML }")
    page_to_add.get_by_label("Name").fill("Ann")
    assert site.input("photo").locator(".groupme-script").count() == 1
    site.choose("photo")
    site.input("photo").evaluate("element => element.parentElement.append(element)")
    site.save()
    assert site.posts == ["ahead", "for good"]
    assert len(site.uploads) == 1
