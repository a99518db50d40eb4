"""Uploads of many images in inlines of the admin: one image in each request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.admin import ModelAdmin
from django.contrib.sessions.models import Session
from django.http import HttpResponseServerError
from playwright.sync_api import Page, expect

from django_groupme_images.emulator.faults import Fault
from django_groupme_images.signals import picture_uploaded
from tests.testapp.models import Album, Note, Photo, Stop, Trip

from .conftest import Post
from .site import CAT, DOG, Site, file

_DAMAGED = file("damaged.jpg", CAT["buffer"][:300])


@pytest.fixture
def after_uploads() -> Iterator[Callable[..., None]]:
    """Return a function that sets a function to call once after a number of uploads."""
    number = 0
    calls: dict[int, Callable[[], Any]] = {}

    def count(**kwargs: Any) -> None:
        nonlocal number
        number += 1
        calls.get(number, lambda: None)()

    picture_uploaded.connect(count)
    yield calls.__setitem__
    picture_uploaded.disconnect(count)


def _open_album(site: Site, rows: int) -> Page:
    """Open the change form of an album, and choose an image in each of its new rows."""
    album = Album.objects.create(title="Cats")
    page = site.open_admin(f"album/{album.pk}/change/")
    site.add_rows("photo_set", rows, "picture", "caption")
    return page


def _expect_summary(page: Page, text: str) -> None:
    expect(page.locator(".groupme-summary")).to_contain_text(text)


def _captions() -> list[str]:
    return list(Photo.objects.order_by("pk").values_list("caption", flat=True))


def _fail_uploads(site: Site, times: int = 99) -> None:
    site.emulator.app.faults.add(Fault("status", status=503, method="POST", times=times))


# Every change of a live region is announced, unless its attribute aria-live is "off".
_RECORD_ANNOUNCEMENTS = """() => {
  const regions = "[role=status]:not([aria-live=off]), [role=alert]:not([aria-live=off])";
  new MutationObserver((records) => {
    const targets = records.map(({ target }) => target.closest?.(regions)).filter(Boolean);
    for (const target of new Set(targets)) announced(target.textContent);
  }).observe(document, { childList: true, subtree: true });
}"""


# Save


def test_forty_rows_are_uploaded_one_by_one_and_saved(site: Site, posts: list[Post]) -> None:
    page = _open_album(site, 40)
    assert site.posts == []  # Nothing is sent before Save.
    announcements: list[str] = []
    page.expose_binding("announced", lambda _, text: announcements.append(text))
    fault = Fault("delay", method="POST", seconds=1, times=7)
    site.emulator.app.faults.add(fault)
    site.press_save()
    _expect_summary(page, "1 of 40 images uploaded")
    expect(page.get_by_role("button", name="Cancel")).to_have_count(1)
    expect(page.locator(".groupme-sending progress")).to_have_count(39)
    page.evaluate(_RECORD_ANNOUNCEMENTS)
    page.wait_for_url("**/admin/gallery/album/")
    assert site.posts == ["upload"] * 40 + ["submit"]
    assert len(site.uploads) == 40
    assert _captions() == [f"No. {index}" for index in range(40)]
    widths = [photo.picture.width for photo in Photo.objects.order_by("pk")]
    assert widths == list(range(20, 60))
    uploads, submission = posts[:-1], posts[-1]
    assert {tuple(post.files) for post in uploads} == {("photo_set-0-picture",)}
    assert submission.files == []
    assert max(post.running for post in uploads) == 3
    assert {len(post.fields) for post in uploads} == {7}
    # One in five seconds, and the result, instead of one for each row.
    assert 1 <= len(announcements) <= 6
    assert announcements[-1] == "40 of 40 images uploaded"


def test_double_save_uploads_and_saves_once(site: Site) -> None:
    page = _open_album(site, 3)
    page.get_by_role("button", name="Save", exact=True).dblclick(no_wait_after=True)
    page.wait_for_url("**/admin/gallery/album/")
    assert site.posts == ["upload"] * 3 + ["submit"]
    assert len(site.uploads) == Photo.objects.count() == 3


def test_upload_early_false_sends_files_with_form(
    site: Site, posts: list[Post], settings: Any
) -> None:
    settings.GROUPME_UPLOAD_EARLY = False
    _open_album(site, 2)
    site.save()
    assert site.posts == ["submit"]
    assert posts[0].files == ["photo_set-0-picture", "photo_set-1-picture"]
    assert Photo.objects.count() == 2


def test_save_of_300_rows_sends_two_fields_for_each(site: Site, posts: list[Post]) -> None:
    album = Album.objects.create(title="Cats")
    picture = site.add_image()
    Photo.objects.bulk_create(
        Photo(album=album, picture=picture, caption=str(index)) for index in range(300)
    )
    page = site.open_admin(f"album/{album.pk}/change/")
    page.locator("input[name='photo_set-299-caption']").fill("The last one")
    site.choose("photo_set-299-picture", DOG)
    site.save()
    assert site.posts == ["upload", "submit"]
    upload, submission = posts
    assert len(upload.fields) == 9
    assert upload.files == ["photo_set-0-picture"]
    assert submission.files == []
    rows = [name for name in submission.fields if name.startswith("photo_set-2")]
    assert rows.count("photo_set-250-id") == rows.count("photo_set-250-caption") == 1
    # The ID and the caption of each row, the token, and the rest of the page.
    assert len(submission.fields) < 2 * 300 + 15
    photo = Photo.objects.order_by("pk").last()
    assert photo is not None
    assert (photo.caption, photo.picture.format) == ("The last one", "png")
    assert Photo.objects.count() == 300


def test_form_with_too_many_fields_for_site_uploads_nothing(
    site: Site, posts: list[Post], settings: Any
) -> None:
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 14
    page = _open_album(site, 4)
    site.press_save()
    _expect_summary(page, "it has too many fields (16). The maximum is 14. Please remove some")
    expect(page.get_by_role("button", name="Save", exact=True)).to_be_focused()
    assert site.posts == []
    page.locator("#photo_set-3 .inline-deletelink").click()
    site.save()
    assert site.posts == ["upload"] * 3 + ["submit"]
    assert len(posts[-1].fields) == 14
    assert _captions() == ["No. 0", "No. 1", "No. 2"]


@pytest.mark.parametrize("number", [100, 300])
def test_form_data_of_new_rows_contains_token_and_visible_fields(site: Site, number: int) -> None:
    """The empty ID, the foreign key, and the empty inputs are omitted."""
    album = Album.objects.create(title="Cats")
    page = site.open_admin(f"album/{album.pk}/change/")
    page.locator("#photo_set-group .add-row a").wait_for()
    names = page.evaluate(
        """(number) => {
          const group = document.querySelector("#photo_set-group");
          const total = group.querySelector("[name$=-TOTAL_FORMS]");
          while (Number(total.value) < number) group.querySelector(".add-row a").click();
          const tokens = group.querySelectorAll("[name$=-uploaded]:not([name*=__prefix__])");
          for (const input of tokens) input.value = "token";
          return [...new FormData(group.closest("form")).keys()];
        }""",
        number,
    )
    rows = [name for name in names if name.startswith("photo_set-") and "FORMS" not in name]
    suffixes = {name.rpartition("-")[2] for name in rows}
    assert suffixes == {"caption", "uploaded"}
    assert len(rows) == 2 * number + 1  # The empty row for new ones has a caption.


# The content of an upload request


def test_request_for_stacked_row_contains_parent_and_one_row(site: Site, posts: list[Post]) -> None:
    page = site.open_admin("trip/add/")
    page.get_by_label("Title").fill("Alps")
    site.choose("cover", DOG)
    site.add_rows("stop_set", 2, "picture", "place")
    page.locator("input[name='note_set-0-text']").fill("A note")
    site.save()
    assert site.posts == ["upload"] * 3 + ["submit"]
    trip = Trip.objects.get()
    assert trip.cover.format == "png"
    assert [stop.picture.width for stop in Stop.objects.order_by("pk")] == [20, 21]
    assert Note.objects.get().text == "A note"
    cover, *stops = sorted(posts[:-1], key=lambda post: post.files)
    parent = {"csrfmiddlewaretoken", "title", "_save", "groupme-images-ahead"}
    management = {
        f"{prefix}-{name}"
        for prefix in ("stop_set", "note_set")
        for name in ("TOTAL_FORMS", "MIN_NUM_FORMS")
    }
    assert cover.files == ["cover"]
    assert set(cover.fields) == parent | management
    row = {"place", "visited_0", "visited_1"}
    initial = {"initial-stop_set-0-visited_0", "initial-stop_set-0-visited_1"}
    for stop in stops:
        assert stop.files == ["stop_set-0-picture"]
        others = {name for name in stop.fields if name.startswith("cover")}
        assert others <= {"cover-uploaded"}
        names = {f"stop_set-0-{name}" for name in row} | initial | parent | management
        assert set(stop.fields) - others == names


def test_request_for_saved_row_contains_its_id(site: Site, posts: list[Post]) -> None:
    album = Album.objects.create(title="Cats")
    for caption in ("A cat", "A dog"):
        Photo.objects.create(album=album, picture=site.add_image(), caption=caption)
    site.open_admin(f"album/{album.pk}/change/")
    site.choose("photo_set-1-picture", DOG)
    site.save()
    assert site.posts == ["upload", "submit"]
    assert {"photo_set-0-id", "photo_set-INITIAL_FORMS"} <= set(posts[0].fields)
    assert [photo.picture.format for photo in Photo.objects.order_by("pk")] == ["jpeg", "png"]


def test_save_as_new_uploads_with_that_button(site: Site, posts: list[Post]) -> None:
    trip = Trip.objects.create(title="Alps")
    page = site.open_admin(f"trip/{trip.pk}/change/")
    site.add_rows("stop_set", 1, "picture", "place")
    with page.expect_navigation():
        page.get_by_role("button", name="Save as new").click()
    assert site.posts == ["upload", "submit"]
    assert "_saveasnew" in posts[0].fields
    assert Trip.objects.count() == 2
    assert Stop.objects.get().trip != trip


_MAKE_ROW_DATA = """([entries, fileName]) => {
  const data = new FormData();
  for (const [name, value] of entries) data.append(name, value);
  const result = groupmeImages.inlineRowData(data, fileName);
  return [result.name, Object.fromEntries(result.formData)];
}"""


def test_row_data_with_similar_and_nested_prefixes_contains_own_row(site: Site) -> None:
    """The prefix of a second formset looks like a row of the first one."""
    page = site.open_admin("trip/add/")
    entries = [
        ("title", "Alps"),
        *((f"{prefix}-TOTAL_FORMS", "3") for prefix in ("photos", "photos-2", "photos-2-tags")),
        *((f"{prefix}-INITIAL_FORMS", "1") for prefix in ("photos", "photos-2")),
        ("photos-2-tags-INITIAL_FORMS", "0"),
        ("photos-2-text", "row 2"),
        ("photos-2-tags-0-text", "nested"),
        ("initial-photos-2-text", "before"),
        ("photos-1-text", "row 1"),
        ("photos-2-0-text", "other formset"),
        ("photos-__prefix__-text", "template"),
        ("photos-2-__prefix__-text", "template"),
        ("photos-texts", "of the parent"),
    ]
    name, data = page.evaluate(_MAKE_ROW_DATA, [entries, "photos-2-picture"])
    other = {"photos-2-TOTAL_FORMS": "0", "photos-2-MIN_NUM_FORMS": "upload"}
    parent = {"title": "Alps", "photos-texts": "of the parent"}
    assert name == "photos-0-picture"
    assert data == parent | other | {
        "photos-0-text": "row 2",
        "initial-photos-0-text": "before",
        "photos-0-tags-TOTAL_FORMS": "3",
        "photos-0-tags-INITIAL_FORMS": "0",
        "photos-0-tags-0-text": "nested",
        "photos-TOTAL_FORMS": "1",
        "photos-MIN_NUM_FORMS": "upload",
    }
    name, data = page.evaluate(_MAKE_ROW_DATA, [entries, "photos-2-0-picture"])
    assert name == "photos-2-0-picture"
    assert data == parent | {
        "photos-2-0-text": "other formset",
        "photos-TOTAL_FORMS": "0",
        "photos-MIN_NUM_FORMS": "upload",
        "photos-2-TOTAL_FORMS": "1",
        "photos-2-INITIAL_FORMS": "1",
        "photos-2-MIN_NUM_FORMS": "upload",
    }


# Failures


def test_damaged_and_rejected_rows_stay_and_others_are_kept(site: Site) -> None:
    page = _open_album(site, 5)
    site.choose("photo_set-1-picture", _DAMAGED)
    site.emulator.app.faults.add(Fault("status", status=400, method="POST"))
    site.press_save()
    text = "3 of 5 images uploaded, 2 failed. Please retry or remove each failed image, then save."
    expect(page.get_by_role("status").filter(has_text="failed")).to_have_text(text)
    expect(page.locator("input[name='photo_set-0-picture']")).to_be_focused()
    expect(site.input("photo_set-0-picture")).to_contain_text("rejected “0.png”")
    expect(site.input("photo_set-1-picture")).to_contain_text("damaged.jpg")
    expect(page.get_by_role("button", name="Retry")).to_have_count(0)  # It would not help.
    assert site.posts == ["upload"] * 5
    page.locator("#photo_set-1 .inline-deletelink").click()
    site.save()
    assert site.posts == ["upload"] * 6 + ["submit"]
    assert _captions() == ["No. 0", "No. 2", "No. 3", "No. 4"]


def test_outage_halfway_ends_queue_and_retry_sends_one_row(
    site: Site, after_uploads: Callable[..., None]
) -> None:
    page = _open_album(site, 12)
    after_uploads(3, lambda: _fail_uploads(site))
    site.press_save()
    summary = page.get_by_role("status").filter(has_text="Several uploads in a row failed")
    expect(summary).to_be_visible()
    retry = page.get_by_role("button", name="Retry")
    expect(retry.first).to_be_visible()
    expect(page.locator("groupme-image-input [aria-invalid=true]").first).to_be_focused()
    number = len(site.posts)
    assert 6 <= number <= 8  # Requests that were running when the outage began are completed.
    assert Photo.objects.count() == 0
    _clear_faults(site)
    failed = retry.count()
    retry.first.click()
    uploaded = page.get_by_role("status").filter(has_text="Submit the form to save it")
    expect(uploaded.first).to_be_visible()
    expect(retry).to_have_count(failed - 1)
    assert len(site.posts) == number + 1
    site.save()
    assert site.posts.count("submit") == 1
    assert len(_captions()) == 12
    assert len(site.posts) == 12 + failed + 1


def _clear_faults(site: Site) -> None:
    site.emulator.app.faults.clear()


def test_site_error_continues_with_one_request_at_a_time(
    site: Site, posts: list[Post], expected_messages: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first upload request fails, for example because the worker has been stopped."""
    expected_messages.append("status of 500")
    page = _open_album(site, 5)
    failures = [True]

    def fail_once(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        if failures and request.method == "POST":
            failures.pop()
            return HttpResponseServerError("Sorry")
        return changeform_view(self, request, *args, **kwargs)

    changeform_view = ModelAdmin.changeform_view
    monkeypatch.setattr(ModelAdmin, "changeform_view", fail_once)
    site.press_save()
    _expect_summary(page, "4 of 5 images uploaded, 1 failed.")
    expect(site.input("photo_set-0-picture")).to_contain_text("returned error 500")
    assert max(post.running for post in posts) == 1
    page.get_by_role("button", name="Retry \u20680.png\u2069").click()
    expect(site.input("photo_set-0-picture")).to_contain_text("has been uploaded. Submit the form")
    site.save()
    assert site.posts == ["upload"] * 6 + ["submit"]
    assert len(_captions()) == 5


# Cancel, leaving, and the session


def test_cancel_keeps_finished_uploads_for_next_save(site: Site) -> None:
    page = _open_album(site, 8)
    site.emulator.app.faults.add(Fault("delay", method="POST", seconds=1, times=4))
    site.press_save()
    _expect_summary(page, "1 of 8 images uploaded")
    page.get_by_role("button", name="Cancel").click()
    _expect_summary(page, "Upload canceled. The form was not saved.")
    expect(page.get_by_role("button", name="Save", exact=True)).to_be_focused()
    _expect_summary(page, "4 of 8 images were uploaded and are kept")
    assert site.posts == ["upload"] * 4
    site.save()
    assert site.posts == ["upload"] * 8 + ["submit"]
    assert len(site.uploads) == len(_captions()) == 8


def test_save_after_cancel_waits_for_running_requests(site: Site) -> None:
    page = _open_album(site, 6)
    site.emulator.app.faults.add(Fault("delay", method="POST", seconds=1, times=4))
    site.press_save()
    _expect_summary(page, "1 of 6 images uploaded")
    page.get_by_role("button", name="Cancel").click()
    site.press_save()
    _expect_summary(page, "of 6 images uploaded")
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    page.wait_for_url("**/admin/gallery/album/")
    assert site.posts == ["upload"] * 6 + ["submit"]
    assert len(site.uploads) == len(_captions()) == 6


def test_row_removed_during_upload_is_not_saved(site: Site) -> None:
    page = _open_album(site, 4)
    site.emulator.app.faults.add(Fault("delay", method="POST", seconds=3))
    site.press_save()
    _expect_summary(page, "0 of 4 images uploaded")
    page.locator("#photo_set-3 .inline-deletelink").click()
    page.locator("#photo_set-0 .inline-deletelink").click()
    page.wait_for_url("**/admin/gallery/album/")
    assert _captions() == ["No. 1", "No. 2"]
    assert len(site.uploads) == 3  # The first one had been sent already.


def test_leaving_during_upload_asks_for_confirmation(site: Site) -> None:
    page = _open_album(site, 2)
    site.emulator.app.faults.add(Fault("delay", method="POST", seconds=1))
    dialogs: list[str] = []

    def stay(dialog: Any) -> None:
        dialogs.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", stay)
    site.press_save()
    _expect_summary(page, "0 of 2 images uploaded")
    page.evaluate("() => { location.href = '/card/' }")
    page.wait_for_url("**/admin/gallery/album/")
    assert dialogs == ["beforeunload"]
    assert len(_captions()) == 2


def test_expired_session_stops_queue_and_login_in_new_tab_continues(
    site: Site, after_uploads: Callable[..., None]
) -> None:
    page = _open_album(site, 8)
    after_uploads(2, Session.objects.all().delete)
    site.press_save()
    _expect_summary(page, "You have been logged out")
    number = len(site.posts)
    assert number < 8
    assert page.url.endswith("/change/")
    site.log_in(page.locator(".groupme-summary").get_by_role("link", name="Log in"))
    site.save()
    assert len(_captions()) == len(site.uploads) == 8


def test_request_after_redirect_is_not_sent(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The parent was deleted in the meantime, so the admin redirects to its start page."""
    page = _open_album(site, 4)
    Album.objects.all().delete()
    site.press_save()
    page.wait_for_url("**/admin/")
    assert site.posts == ["upload"]
    assert site.uploads == []
