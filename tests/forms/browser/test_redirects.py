"""Redirects in response to the upload request, whose final URL the script opens."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from playwright.sync_api import Page, expect

from tests.testapp.models import Member
from tests.testapp.views import MemberAdd

from .site import Site


@pytest.fixture
def other_site() -> Iterator[str]:
    """Return the URL of a site of another origin, whose pages all sites may read."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Access-Control-Allow-Origin", "*")
            self.send_header("Access-Control-Allow-Headers", "*")
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(b"<!doctype html><title>Other</title><h1>Other site</h1>")

        do_OPTIONS = do_GET  # noqa: N815  The base class requires this name.

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def test_redirect_after_upload_request_is_followed(
    site: Site, add_page: Page, respond: Callable[[Any], None]
) -> None:
    respond(redirect("/card/"))
    site.choose("photo")
    site.press_save()
    add_page.wait_for_url("**/card/")
    expect(add_page.get_by_label("Title")).to_be_visible()
    assert site.posts == ["upload"]


def test_view_that_saves_invalid_form_saves_once(
    site: Site, add_page: Page, respond: Callable[[Any], None]
) -> None:
    def save(_view: Any, request: HttpRequest) -> HttpResponse:
        member = Member.objects.create(name=request.POST["name"])
        return redirect("member", member.pk)

    respond(save)
    site.choose("photo")
    site.press_save()
    add_page.wait_for_url(re.compile(r"/members/\d+/$"))
    expect(add_page.get_by_role("heading", name="Ann")).to_be_visible()
    assert site.posts == ["upload"]
    assert Member.objects.count() == 1


def test_redirect_to_error_page_is_followed(
    site: Site, add_page: Page, expected_messages: list[str], respond: Callable[[Any], None]
) -> None:
    expected_messages.append("status of 404")
    respond(redirect("/nowhere/"))
    site.choose("photo")
    site.press_save()
    add_page.wait_for_url("**/nowhere/")
    assert site.posts == ["upload"]


def test_redirect_to_login_page_keeps_file_and_shows_link(site: Site) -> None:
    page = site.open_admin("member/add/")
    page.get_by_label("Name").fill("Ann")
    element = site.choose("photo")
    Session.objects.all().delete()
    site.press_save()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("You have been logged out")
    link = alert.get_by_role("link", name="Log in")
    expect(link).to_have_attribute("target", "_blank")
    login_url = f"{site.url}/admin/login/?next=/admin/gallery/member/add/"
    expect(link).to_have_attribute("href", login_url)
    expect(element.get_by_role("img", name="cat.jpg")).to_be_visible()
    site.log_in(link)
    site.save()
    assert site.posts == ["upload", "upload", "submit"]
    assert len(site.uploads) == 1
    assert Member.objects.get().photo


def test_redirect_to_unreadable_site_reports_lost_connection(
    site: Site,
    add_page: Page,
    expected_messages: list[str],
    respond: Callable[[Any], None],
) -> None:
    """Only a submitted form can reach such a site, for example one with a login page."""
    expected_messages.append("Content Security Policy")
    respond(redirect(site.emulator.url))
    site.choose("photo")
    site.press_save()
    alert = add_page.get_by_role("alert")
    expect(alert).to_contain_text("The connection to the site was lost")
    expect(alert).to_contain_text("the image may have been uploaded")
    site.press_save()
    add_page.wait_for_timeout(200)
    assert site.posts == ["upload", "submit"]


def test_redirect_to_readable_site_is_followed(
    site: Site,
    new_context: Callable[..., Any],
    watch_console: Callable[[Any], Any],
    respond: Callable[[Any], None],
    other_site: str,
) -> None:
    page = watch_console(new_context(bypass_csp=True)).new_page()
    unrestricted_site = Site(page, site.url, site.emulator)
    unrestricted_site.open("/members/add/")
    page.get_by_label("Name").fill("Ann")
    respond(redirect(other_site))
    unrestricted_site.choose("photo")
    unrestricted_site.press_save()
    page.wait_for_url(other_site)
    expect(page.get_by_role("heading", name="Other site")).to_be_visible()
    assert unrestricted_site.posts == ["upload"]


def test_redirect_with_status_308_repeats_request_and_submits(
    site: Site, add_page: Page, respond: Callable[[Any], None]
) -> None:
    post = MemberAdd.post

    def respond_at_another_url(view: MemberAdd, request: HttpRequest) -> HttpResponse:
        if "moved" in request.GET:
            return post(view, request)
        return HttpResponse(status=308, headers={"Location": "?moved"})

    respond(respond_at_another_url)
    site.choose("photo")
    site.save()
    add_page.wait_for_url(re.compile(r"/members/\d+/$"))
    assert len(site.uploads) == 1
    assert Member.objects.get().photo.width == 480
