"""Redirects in response to the upload request: the script opens their final URL."""

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

from ..gallery.models import Member
from ..gallery.views import MemberAdd
from .site import Site

pytestmark = pytest.mark.browser


@pytest.fixture
def other_site() -> Iterator[str]:
    """A site of another origin, which lets every other site read its pages."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Access-Control-Allow-Origin", "*")
            self.send_header("Access-Control-Allow-Headers", "*")
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(b"<!doctype html><title>Other</title><h1>Other site</h1>")

        do_OPTIONS = do_GET  # noqa: N815  The base class looks for this name.

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def test_redirect_is_followed(
    site: Site, page_to_add: Page, respond: Callable[[Any], None]
) -> None:
    respond(redirect("/card/"))
    site.choose("photo")
    site.press_save()
    page_to_add.wait_for_url("**/card/")
    expect(page_to_add.get_by_label("Title")).to_be_visible()
    assert site.posts == ["ahead"]


def test_view_that_ignores_whether_the_form_is_valid_saves_once(
    site: Site, page_to_add: Page, respond: Callable[[Any], None]
) -> None:
    def save(_view: Any, request: HttpRequest) -> HttpResponse:
        member = Member.objects.create(name=request.POST["name"])
        return redirect("member", member.pk)

    respond(save)
    site.choose("photo")
    site.press_save()
    page_to_add.wait_for_url(re.compile(r"/members/\d+/$"))
    expect(page_to_add.get_by_role("heading", name="Ann")).to_be_visible()
    assert site.posts == ["ahead"]
    assert Member.objects.count() == 1


def test_redirect_to_an_error_is_followed(
    site: Site, page_to_add: Page, expected_messages: list[str], respond: Callable[[Any], None]
) -> None:
    expected_messages.append("status of 404")
    respond(redirect("/nowhere/"))
    site.choose("photo")
    site.press_save()
    page_to_add.wait_for_url("**/nowhere/")
    assert site.posts == ["ahead"]


def test_redirect_to_the_login_page_is_followed(site: Site) -> None:
    page = site.open_admin("member/add/")
    page.get_by_label("Name").fill("Ann")
    site.choose("photo")
    Session.objects.all().delete()
    site.press_save()
    page.wait_for_url("**/admin/login/?next=/admin/gallery/member/add/")
    expect(page.get_by_label("Password")).to_be_visible()
    assert site.posts == ["ahead"]
    assert site.uploads == []


def test_redirect_to_another_site_that_cannot_be_read(
    site: Site,
    page_to_add: Page,
    expected_messages: list[str],
    respond: Callable[[Any], None],
) -> None:
    """A login on another site, for example, which only a submitted form can reach."""
    expected_messages.append("Content Security Policy")
    respond(redirect(site.emulator.url))
    site.choose("photo")
    site.press_save()
    alert = page_to_add.get_by_role("alert")
    expect(alert).to_contain_text("The connection to the site was lost")
    expect(alert).to_contain_text("the image may have been uploaded")
    site.press_save()
    page_to_add.wait_for_timeout(200)
    assert site.posts == ["ahead", "for good"]


def test_redirect_to_another_site_that_can_be_read_is_followed(
    site: Site,
    new_context: Callable[..., Any],
    watched: Callable[[Any], Any],
    respond: Callable[[Any], None],
    other_site: str,
) -> None:
    page = watched(new_context(bypass_csp=True)).new_page()
    here = Site(page, site.url, site.emulator)
    here.open("/members/add/")
    page.get_by_label("Name").fill("Ann")
    respond(redirect(other_site))
    here.choose("photo")
    here.press_save()
    page.wait_for_url(other_site)
    expect(page.get_by_role("heading", name="Other site")).to_be_visible()
    assert here.posts == ["ahead"]


def test_form_after_redirect_that_repeats_the_request_is_submitted(
    site: Site, page_to_add: Page, respond: Callable[[Any], None]
) -> None:
    post = MemberAdd.post

    def respond_at_another_url(view: MemberAdd, request: HttpRequest) -> HttpResponse:
        if "moved" in request.GET:
            return post(view, request)
        return HttpResponse(status=308, headers={"Location": "?moved"})

    respond(respond_at_another_url)
    site.choose("photo")
    site.save()
    page_to_add.wait_for_url(re.compile(r"/members/\d+/$"))
    assert len(site.uploads) == 1
    assert Member.objects.get().photo.width == 480
