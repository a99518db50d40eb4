"""Middleware that sets a strict Content Security Policy, which the app has to support."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse


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
