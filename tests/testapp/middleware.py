"""Middleware: a strict Content Security Policy, and a signal for POST requests."""

from collections.abc import Callable
from threading import Lock

from django.conf import settings
from django.dispatch import Signal
from django.http import HttpRequest, HttpResponse

#: Sent after each POST request, with the request and the number of those that ran at its beginning.
post_processed = Signal()


def strict_csp(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        cdn_url = getattr(settings, "GROUPME_CDN_URL", "")
        response["Content-Security-Policy"] = (
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
            f"img-src 'self' {cdn_url}; form-action 'self'; base-uri 'none'; "
            "frame-ancestors 'none'"
        )
        return response

    return middleware


def announce_posts(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    lock = Lock()
    running = 0

    def change(number: int) -> int:
        nonlocal running
        with lock:
            running += number
            return running

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.method != "POST":
            return get_response(request)
        number = change(1)
        try:
            response = get_response(request)
        finally:
            change(-1)
        post_processed.send(announce_posts, request=request, running=number)
        return response

    return middleware
