"""Responses to the upload request: the form, errors of the site, and other pages."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from playwright.sync_api import Page, expect

from django_groupme_images.emulator.faults import Fault
from tests.testapp.models import Album, Member, Photo
from tests.testapp.views import Card, MemberAdd

from .site import CAT, Site, file

_HOSTILE = "<img src='/hostile.png' onerror='window.hostile = 1'>"
_HOSTILE_PAGE = f"""<!doctype html>
<title>Hostile</title>
<meta http-equiv="refresh" content="0; url=/hostile">
<base href="/hostile/">
<link rel="stylesheet" href="/hostile.css">
<script>window.hostile = 1</script>
<script src="/hostile.js"></script>
<iframe src="/hostile.html" srcdoc="{_HOSTILE}"></iframe>
<body onload="window.hostile = 1">{_HOSTILE}
<noscript><p title="</noscript>{_HOSTILE}"></noscript>
<svg><style><a title="</style>{_HOSTILE}"></a></style></svg>
<math><mtext><table><mglyph><style><!--</style><a title="--&gt;{_HOSTILE}"></a></style></table>
<textarea>&lt;/textarea&gt;{_HOSTILE}</textarea>
<xmp>{_HOSTILE}</xmp>
</body>"""


def _page(heading: str, status: int = 200) -> HttpResponse:
    text = f"<!doctype html><title>!</title><main><h1>{heading}</h1></main>"
    return HttpResponse(text, status=status)


def _expect_unknown_outcome(site: Site) -> None:
    """Expect a link to the page, and the values that were filled in."""
    alert = site.page.get_by_role("alert")
    expect(alert).to_contain_text("The form may already have been saved")
    link = alert.get_by_role("link", name="Open the page")
    expect(link).to_have_attribute("href", f"{site.url}/members/add/")
    expect(site.page.get_by_label("Name")).to_have_value("Ann")
    expect(site.input("photo").get_by_role("img", name="cat.jpg")).to_be_visible()
    expect(site.page.get_by_label("Choose an image")).to_have_attribute("aria-invalid", "true")
    assert site.posts == ["upload"]


# Forms


@pytest.mark.parametrize("status", [200, 400, 422])
def test_form_response_with_any_status_is_submitted(
    site: Site,
    add_page: Page,
    expected_messages: list[str],
    monkeypatch: pytest.MonkeyPatch,
    status: int,
) -> None:
    expected_messages.append(f"status of {status}")

    def form_invalid(view: Any, form: Any) -> HttpResponse:
        return view.render_to_response(view.get_context_data(form=form), status=status)

    monkeypatch.setattr(MemberAdd, "form_invalid", form_invalid)
    site.choose("photo")
    site.save()
    assert site.posts == ["upload", "submit"]
    assert len(site.uploads) == 1
    assert Member.objects.get().photo.width == 480


def test_error_with_markup_is_displayed_as_text(site: Site, add_page: Page) -> None:
    site.emulator.app.faults.add(Fault("status", status=400, method="POST"))
    name = "<img src=x onerror=alert(1)>.jpg"
    site.choose("photo", file(name, CAT["buffer"]))
    site.press_save()
    alert = add_page.get_by_role("alert")
    expect(alert).to_contain_text(f"rejected “{name}”")
    expect(alert.locator("img")).to_have_count(0)


@pytest.mark.parametrize("errors", ["{", "null", '{"a": 1}', "[[]]", '"x"'])
def test_form_response_with_malformed_errors_shows_alert(
    site: Site, add_page: Page, respond: Callable[[Any], None], errors: str
) -> None:
    element = "<groupme-image-input data-errors='{}'><input type=file name=photo>"
    respond(HttpResponse(element.format(errors)))
    site.choose("photo")
    site.press_save()
    expect(add_page.get_by_role("alert")).not_to_be_empty()
    expect(add_page.get_by_role("progressbar")).to_have_count(0)


def test_button_attributes_override_form_attributes(site: Site, add_page: Page) -> None:
    add_page.evaluate(
        """() => {
          const form = document.querySelector("form");
          const button = form.querySelector(":scope > button");
          for (const name of ["method", "enctype"]) {
            button.setAttribute(`form${name}`, form.getAttribute(name));
            form.removeAttribute(name);
          }
          form.target = "elsewhere";
          button.setAttribute("formtarget", "_self");
        }"""
    )
    site.choose("photo")
    site.save()
    assert site.posts == ["upload", "submit"]
    assert Member.objects.get().photo.width == 480


def test_row_to_be_deleted_is_not_uploaded(site: Site) -> None:
    album = Album.objects.create(title="Cats")
    Photo.objects.create(album=album, caption="A cat", picture=site.add_image())
    page = site.open(f"/albums/{album.pk}/")
    site.choose("photo_set-0-picture")
    page.get_by_label("Delete").first.check()
    site.save()
    assert site.posts == ["submit"]
    assert site.uploads == []
    assert not Photo.objects.exists()


# Errors of the site


@pytest.mark.parametrize(
    ("status", "text", "posts"),
    [
        (413, "is too large for this site", ["upload", "upload"]),
        (500, "The site returned error 500", ["upload", "upload"]),
        (403, "The site returned error 403", ["upload", "submit"]),
    ],
)
def test_site_error_is_reported_and_file_is_kept(
    site: Site,
    add_page: Page,
    expected_messages: list[str],
    respond: Callable[[Any], None],
    status: int,
    text: str,
    posts: list[str],
) -> None:
    expected_messages.append(f"status of {status}")
    respond(_page("Sorry", status))
    element = site.choose("photo")
    site.press_save()
    alert = add_page.get_by_role("alert")
    expect(alert).to_contain_text(text)
    expect(alert).not_to_contain_text("nothing")
    expect(element.get_by_role("img", name="cat.jpg")).to_be_visible()
    expect(add_page.get_by_label("Name")).to_have_value("Ann")
    assert site.posts == ["upload"]
    with add_page.expect_response("**/members/add/"):
        site.press_save()
    assert site.posts == posts


def test_csrf_failure_is_displayed_by_next_submission(
    site: Site, add_page: Page, expected_messages: list[str]
) -> None:
    # Django's page for the failure has inline styles, which the policy of the site forbids.
    expected_messages += ["status of 403", "Content Security Policy"]
    add_page.context.clear_cookies()
    site.choose("photo")
    site.press_save()
    expect(add_page.get_by_role("alert")).to_contain_text("returned error 403")
    site.save()
    expect(add_page.get_by_text("CSRF")).not_to_have_count(0)
    assert site.posts == ["upload", "submit"]
    assert site.uploads == []


# Other pages, which must neither be inserted nor be requested by a second POST request


def test_other_page_is_offered_as_link(
    site: Site, add_page: Page, respond: Callable[[Any], None]
) -> None:
    respond(_page("Log in"))
    site.choose("photo")
    site.press_save()
    _expect_unknown_outcome(site)
    assert add_page.get_by_role("heading", name="Log in").count() == 0
    with add_page.expect_navigation():
        add_page.get_by_role("link", name="Open the page").press("Enter")
    assert site.posts == ["upload"]  # The link sends a GET request.


def test_submission_after_other_page_bypasses_script(
    site: Site, add_page: Page, respond: Callable[[Any], None]
) -> None:
    respond(_page("Log in"))
    site.choose("photo")
    site.press_save()
    _expect_unknown_outcome(site)
    site.save()
    expect(add_page.get_by_role("heading", name="Log in")).to_be_visible()
    assert site.posts == ["upload", "submit"]


def test_redirect_to_same_url_is_not_submitted_again(
    site: Site, add_page: Page, respond: Callable[[Any], None]
) -> None:
    """Browsers do not report this redirect to a script."""
    respond(redirect("/members/add/"))
    site.choose("photo")
    site.press_save()
    _expect_unknown_outcome(site)


def test_other_form_is_not_inserted_into_page(
    site: Site, add_page: Page, respond: Callable[[Any], None]
) -> None:
    def show_card(_view: Any, request: HttpRequest) -> HttpResponse:
        request.method = "GET"
        return Card.as_view()(request).render()

    respond(show_card)
    site.choose("photo")
    site.press_save()
    _expect_unknown_outcome(site)
    assert add_page.get_by_label("Title").count() == 0


@pytest.mark.parametrize(
    "response",
    [
        HttpResponse("{}", content_type="application/json"),
        HttpResponse("<a/>", content_type="application/xml"),
        HttpResponse("a,b", headers={"Content-Disposition": "attachment; filename=a.csv"}),
        HttpResponse(CAT["buffer"], content_type="image/jpeg"),
        HttpResponse(""),
        HttpResponse(status=204),
    ],
    ids=["json", "xml", "download", "image", "empty", "no content"],
)
def test_response_that_is_not_a_page_is_offered_as_link(
    site: Site, add_page: Page, respond: Callable[[Any], None], response: HttpResponse
) -> None:
    respond(response)
    site.choose("photo")
    site.press_save()
    _expect_unknown_outcome(site)


def test_hostile_page_is_not_inserted(
    site: Site,
    new_context: Callable[..., Any],
    watch_console: Callable[[Any], Any],
    respond: Callable[[Any], None],
) -> None:
    """The page has no Content Security Policy, so that only the script can prevent it."""
    page = watch_console(new_context(bypass_csp=True)).new_page()
    unrestricted_site = Site(page, site.url, site.emulator)
    unrestricted_site.open("/members/add/")
    page.get_by_label("Name").fill("Ann")
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.evaluate("() => { document.hostileInserted = 0; }")
    page.evaluate(
        """() => new MutationObserver((records) => {
          for (const { addedNodes } of records)
            for (const node of addedNodes)
              if ((node.outerHTML ?? node.data).includes("hostile")) document.hostileInserted += 1;
        }).observe(document, { childList: true, subtree: true })"""
    )
    headers = {"Content-Security-Policy": "sandbox; default-src 'none'"}
    respond(HttpResponse(_HOSTILE_PAGE, headers=headers))
    unrestricted_site.choose("photo")
    unrestricted_site.press_save()
    _expect_unknown_outcome(unrestricted_site)
    page.wait_for_timeout(300)
    assert page.evaluate("document.hostileInserted") == 0
    assert page.evaluate("window.hostile") is None
    assert "hostile" not in page.content()
    assert [url for url in requests if "hostile" in url] == []
    assert page.url == f"{site.url}/members/add/"


def test_hostile_form_response_is_read_as_values_only(
    site: Site,
    new_context: Callable[..., Any],
    watch_console: Callable[[Any], Any],
    respond: Callable[[Any], None],
) -> None:
    page = watch_console(new_context(bypass_csp=True)).new_page()
    unrestricted_site = Site(page, site.url, site.emulator)
    unrestricted_site.open("/members/add/")
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.get_by_label("Name").fill("Ann")
    errors = json.dumps([f"No. {_HOSTILE}"]).replace("'", "&#39;")
    element = f"<groupme-image-input data-errors='{errors}'><input type=file name=photo>"
    respond(HttpResponse(f"{_HOSTILE_PAGE}{element}"))
    unrestricted_site.choose("photo")
    unrestricted_site.press_save()
    alert = page.get_by_role("alert")
    expect(alert).to_have_text(f"No. {_HOSTILE}")
    assert alert.locator("*").count() == 0
    assert page.evaluate("window.hostile") is None
    assert [url for url in requests if "hostile" in url] == []


# No response


def test_lost_connection_is_reported_and_file_is_kept(
    site: Site, add_page: Page, expected_messages: list[str]
) -> None:
    expected_messages.append("ERR_INTERNET_DISCONNECTED")
    element = site.choose("photo")
    add_page.context.set_offline(True)
    site.press_save()
    alert = add_page.get_by_role("alert")
    expect(alert).to_contain_text("The connection to the site was lost")
    expect(alert).to_contain_text("the image may have been uploaded")
    expect(element.get_by_role("img", name="cat.jpg")).to_be_visible()
    add_page.context.set_offline(False)
    site.save()
    assert site.posts == ["upload", "upload", "submit"]
    assert len(site.uploads) == 1
