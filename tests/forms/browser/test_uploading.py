"""Upload requests of the script: progress, failures, and the submission that follows."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpResponse
from playwright.sync_api import Page, expect

from django_groupme_images.emulator.faults import Fault
from tests.support.emulator_pictures import plain
from tests.testapp.models import Album, Member, Photo

from .site import CAT, DOG, LOGO, Site, file, incompressible_png

_RECORD_PROGRESS = """element => {
  window.progress = [];
  const record = () => {
    const bar = element.querySelector("progress");
    if (bar) progress.push(bar.hasAttribute("value") ? bar.value : "waiting");
  };
  new MutationObserver(record).observe(element, { attributes: true, subtree: true });
}"""


def test_progress_bar_during_upload_shows_progress(
    site: Site, add_page: Page, limit_upload_speed: Callable[[int], None]
) -> None:
    element = site.choose("photo", file("noise.png", incompressible_png(), "image/png"))
    element.evaluate(_RECORD_PROGRESS)
    limit_upload_speed(2_000_000)
    site.delay_uploads(2)
    site.press_save()
    bar = add_page.get_by_role("progressbar", name="Uploading “\u2068noise.png\u2069”…")
    expect(bar).to_be_visible()
    expect(element).to_contain_text("Uploading “\u2068noise.png\u2069”…")
    expect(element).to_contain_text("Processing “\u2068noise.png\u2069”…")
    progress = add_page.evaluate("progress")
    parts = [part for part in progress if part != "waiting"]
    assert parts == sorted(parts)
    assert len({part for part in parts if 0 < part < 1}) > 2
    assert progress[-1] == "waiting"
    limit_upload_speed(0)
    add_page.wait_for_url(re.compile(r"/members/\d+/$"))
    assert site.posts == ["upload", "submit"]
    assert len(site.uploads) == 1


def test_file_replaced_during_upload_is_uploaded_instead(site: Site, add_page: Page) -> None:
    site.choose("photo")
    site.delay_uploads(5)
    site.press_save()
    expect(add_page.get_by_role("progressbar")).to_be_visible()
    site.choose("photo", DOG)
    expect(add_page.get_by_role("progressbar")).to_have_count(0)
    site.save()
    assert Member.objects.get().photo.format == "png"


def test_upload_while_offline_reports_lost_connection(
    site: Site, add_page: Page, expected_messages: list[str]
) -> None:
    expected_messages.append("ERR_INTERNET_DISCONNECTED")
    element = site.choose("photo")
    add_page.context.set_offline(True)
    site.press_save()
    expect(add_page.get_by_role("alert")).to_contain_text("The connection to the site was lost")
    expect(element.get_by_role("img", name="cat.jpg")).to_be_visible()
    add_page.context.set_offline(False)
    site.save()
    assert len(site.uploads) == 1


def test_upload_with_unavailable_service_shows_error_and_keeps_file(
    site: Site, add_page: Page
) -> None:
    site.emulator.app.faults.add(Fault("status", status=503, method="POST"))
    element = site.choose("photo")
    site.press_save()
    alert = add_page.get_by_role("alert")
    expect(alert).to_contain_text("The image service is not responding")
    choose = add_page.get_by_label("Choose an image")
    expect(choose).to_be_focused()
    expect(choose).to_have_attribute("aria-invalid", "true")
    expect(element.get_by_role("img", name="cat.jpg")).to_be_visible()
    assert site.posts == ["upload"]
    assert not Member.objects.exists()
    site.save()  # The file is still chosen.
    assert site.posts == ["upload", "upload", "submit"]
    assert len(site.uploads) == 2
    assert Member.objects.get().photo.width == 480


def test_upload_with_stopped_service_shows_error(site: Site, add_page: Page) -> None:
    site.choose("photo")
    site.emulator.stop()
    site.press_save()
    expect(add_page.get_by_role("alert")).to_contain_text("The image service is not responding")
    assert site.posts == ["upload"]


def test_upload_with_dropped_connection_shows_error(site: Site, add_page: Page) -> None:
    site.emulator.app.faults.add(Fault("drop", method="POST"))
    site.choose("photo")
    site.press_save()
    expect(add_page.get_by_role("alert")).to_contain_text("The image service is not responding")
    assert site.posts == ["upload"]
    site.save()
    assert Member.objects.get().photo.width == 480


def test_upload_rejected_by_service_shows_error(site: Site, add_page: Page) -> None:
    site.emulator.app.faults.add(Fault("status", status=400, method="POST"))
    site.choose("photo")
    site.press_save()
    expect(add_page.get_by_role("alert")).to_contain_text("rejected “cat.jpg”")
    assert site.posts == ["upload"]


def test_form_with_other_error_keeps_upload(site: Site, add_page: Page) -> None:
    add_page.locator("form").evaluate("form => { form.noValidate = true }")
    add_page.get_by_label("Name").fill("")
    site.choose("photo")
    site.save()
    expect(add_page.get_by_text("This field is required")).to_be_visible()
    element = site.input("photo")
    expect(element).to_contain_text("Uploaded, not saved yet Original, 480 × 325 pixels")
    expect(element.locator(".groupme-present img")).to_be_visible()
    add_page.get_by_label("Name").fill("Ann")
    site.save()
    assert site.posts == ["upload", "submit", "submit"]
    assert site.uploads == [len(CAT["buffer"])]
    assert Member.objects.get().photo.width == 480


def test_new_file_replaces_kept_upload(site: Site, add_page: Page) -> None:
    add_page.locator("form").evaluate("form => { form.noValidate = true }")
    add_page.get_by_label("Name").fill("")
    site.choose("photo")
    site.save()
    add_page.get_by_label("Name").fill("Ann")
    # This file is rejected, and must not be mistaken for the upload that was kept.
    site.emulator.app.faults.add(Fault("status", status=400, method="POST"))
    site.choose("photo", DOG)
    site.press_save()
    expect(add_page.get_by_role("alert")).to_contain_text("dog.png")
    site.save()
    assert len(site.uploads) == 3
    assert Member.objects.get().photo.format == "png"


def test_new_file_that_is_removed_restores_kept_upload(site: Site, add_page: Page) -> None:
    add_page.locator("form").evaluate("form => { form.noValidate = true }")
    add_page.get_by_label("Name").fill("")
    site.choose("photo")
    site.save()
    add_page.get_by_label("Name").fill("Ann")
    element = site.choose("photo", DOG)
    element.get_by_role("button", name="Remove").click()
    site.save()
    assert len(site.uploads) == 1
    assert Member.objects.get().photo.width == 480


def test_rejected_file_does_not_affect_other_upload(site: Site) -> None:
    page = site.open("/card/")
    page.get_by_label("Title").fill("Cats")
    site.choose("picture")
    site.choose("logo", LOGO)
    site.emulator.app.faults.add(Fault("status", status=400, method="POST"))
    site.press_save()
    expect(site.input("picture").get_by_role("alert")).to_contain_text("rejected")
    expect(site.input("logo").get_by_role("alert")).to_be_empty()
    expect(site.input("logo").get_by_role("img", name="logo.png")).to_be_visible()
    expect(page.locator(".groupme-summary")).to_contain_text("1 failed")  # Both have ended.
    site.save()
    assert site.posts == ["upload"] * 3 + ["submit"]
    assert len(site.uploads) == 3  # The rejected file is uploaded twice, the other one once.
    assert "480x325.jpeg" in page.content()
    assert "64x32.png" in page.content()


def test_removed_upload_is_not_submitted(site: Site) -> None:
    page = site.open("/card/")
    page.get_by_label("Title").fill("Cats")
    site.choose("picture")
    site.choose("logo", LOGO)
    site.emulator.app.faults.add(Fault("status", status=400, method="POST"))
    site.press_save()
    expect(site.input("picture").get_by_role("alert")).to_contain_text("rejected")
    site.input("logo").get_by_role("button", name="Remove").click()
    site.save()
    assert "480x325.jpeg" in page.content()
    assert "64x32.png" not in page.content()


def test_form_without_required_image_shows_error(site: Site) -> None:
    page = site.open("/card/")
    page.get_by_label("Title").fill("Cats")
    site.save()
    expect(page.get_by_text("This field is required")).to_be_visible()
    site.choose("picture")
    site.save()
    assert site.posts == ["submit", "upload", "submit"]
    assert len(site.uploads) == 1


def test_form_rejected_by_browser_validation_is_not_uploaded(site: Site) -> None:
    page = site.open("/members/add/")
    site.choose("photo")
    site.press_save()
    expect(page.get_by_label("Name")).to_be_focused()
    assert site.posts == []
    page.get_by_label("Name").fill("Ann")
    site.save()
    assert site.posts == ["upload", "submit"]


def test_field_emptied_during_upload_prevents_submission(site: Site, add_page: Page) -> None:
    site.choose("photo")
    site.delay_uploads(2)
    site.press_save()
    add_page.get_by_label("Name").fill("")
    expect(add_page.get_by_role("progressbar")).to_have_count(0)
    add_page.get_by_label("Name").fill("Ann")
    site.save()
    assert site.posts == ["upload", "submit"]
    assert len(site.uploads) == 1


def test_double_click_uploads_and_saves_once(site: Site, add_page: Page) -> None:
    site.choose("photo")
    site.delay_uploads(2)
    with add_page.expect_navigation():
        add_page.get_by_role("button", name="Save", exact=True).dblclick()
    assert site.posts == ["upload", "submit"]
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


def test_page_with_double_click_guard_uploads_once(site: Site, add_page: Page) -> None:
    add_page.locator("form").evaluate(_GUARD)
    site.choose("photo")
    site.save()
    assert site.posts == ["upload", "submit"]
    assert len(site.uploads) == 1


def test_button_disabled_by_page_works_after_failed_upload(site: Site, add_page: Page) -> None:
    add_page.locator("form").evaluate(_GUARD.replace("submits > 1", "false"))
    site.emulator.app.faults.add(Fault("status", status=503, method="POST"))
    site.choose("photo")
    site.press_save()
    expect(add_page.get_by_role("alert")).to_contain_text("is not responding")
    site.save()
    assert Member.objects.get().photo.width == 480


def test_second_submit_button_sends_its_name(
    site: Site, add_page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = []
    form_valid = "tests.testapp.views.MemberAdd.form_valid"

    def record(view: Any, form: Any) -> HttpResponse:
        values.append(view.request.POST.get("_again"))
        form.save()
        return HttpResponse("<!doctype html><title>Saved</title><main>Saved</main>")

    monkeypatch.setattr(form_valid, record)
    site.choose("photo")
    with add_page.expect_navigation():
        add_page.get_by_role("button", name="Save and go on").click()
    assert values == ["1"]
    assert len(site.uploads) == 1


def test_back_navigation_after_save_resubmits_no_image(site: Site, add_page: Page) -> None:
    site.choose("photo")
    site.save()
    add_page.go_back()
    add_page.wait_for_url("**/add/")
    expect(add_page.get_by_label("Name")).to_have_value("Ann")
    expect(site.input("photo").get_by_role("img")).to_have_count(0)
    site.save()
    assert len(site.uploads) == 1
    first, second = Member.objects.order_by("pk")
    assert first.photo
    assert not second.photo  # The browser has restored the name, but not the file.


def test_form_submitted_by_other_script_is_not_uploaded(site: Site, add_page: Page) -> None:
    add_page.locator("form").evaluate(
        "form => form.addEventListener('submit', event => event.preventDefault())"
    )
    site.choose("photo")
    site.press_save()
    add_page.wait_for_timeout(100)
    assert site.posts == []


def test_form_with_inputs_named_like_properties_uploads_once(site: Site, add_page: Page) -> None:
    add_page.locator("form").evaluate(
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
    assert site.posts == ["upload", "submit"]
    assert len(site.uploads) == 1


def test_inputs_outside_form_element_upload_once(site: Site, add_page: Page) -> None:
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
    assert site.posts == ["upload", "submit"]
    assert len(site.uploads) == 1


def test_form_with_other_storage_is_submitted_once(
    site: Site, settings: Any, expected_messages: list[str]
) -> None:
    """The script sends no upload request for a storage that is not a ``GroupMeStorage``."""
    expected_messages.append("/cat.jpg")  # The site does not serve files in memory.
    settings.STORAGES = {
        **settings.STORAGES,
        "groupme": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    }
    page = site.open("/members/add/")
    page.get_by_label("Name").fill("Ann")
    site.choose("photo")
    site.save()
    assert site.posts == ["submit"]
    assert site.uploads == []


def test_formset_uploads_all_rows_except_deleted_ones(site: Site) -> None:
    album = Album.objects.create(title="Cats")
    page = site.open(f"/albums/{album.pk}/")
    page.get_by_label("Caption").fill("A cat")
    site.choose("photo_set-0-picture")
    site.save()
    assert site.posts == ["upload", "submit"]
    photo = Photo.objects.get()
    assert photo.picture.width == 480
    page.get_by_label("Caption").nth(1).fill("Another cat")
    site.choose("photo_set-1-picture", DOG)
    site.choose("photo_set-0-picture", file("cat.png", plain("PNG", (99, 99)), "image/png"))
    page.get_by_label("Delete").first.check()
    site.save()
    assert len(site.uploads) == 2  # The deleted row is not uploaded.
    assert Photo.objects.get().caption == "Another cat"


def test_script_loaded_twice_uploads_once(site: Site, add_page: Page) -> None:
    source = add_page.locator("script[src*=image_input]").get_attribute("src")
    add_page.add_script_tag(url=source)
    assert add_page.evaluate("typeof GroupMeImageInput") == "undefined"
    site.choose("photo")
    site.save()
    assert site.posts == ["upload", "submit"]


def test_element_inserted_later_uploads_once(site: Site, add_page: Page) -> None:
    """Libraries insert parts of pages that they request from the server."""
    add_page.locator("form").evaluate("form => { form.outerHTML = form.outerHTML }")
    add_page.get_by_label("Name").fill("Ann")
    assert site.input("photo").locator(".groupme-script").count() == 1
    site.choose("photo")
    site.input("photo").evaluate("element => element.parentElement.append(element)")
    site.save()
    assert site.posts == ["upload", "submit"]
    assert len(site.uploads) == 1
