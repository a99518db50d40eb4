"""Adapter for ``requests`` that runs an emulator in the same process, without sockets."""

from __future__ import annotations

import io
import threading
from contextlib import suppress
from typing import Any
from urllib.parse import unquote, urlsplit
from wsgiref.types import WSGIEnvironment
from wsgiref.util import setup_testing_defaults

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse

from django_groupme_images.client.transport import seconds_left
from django_groupme_images.emulator import EmulatorApp
from django_groupme_images.emulator.http import ConnectionDropped

__all__ = ["InProcessAdapter", "RecordedDelays"]


class RecordedDelays(threading.Event):
    """An event whose ``wait()`` returns immediately and records the timeout, for each thread."""

    def __init__(self) -> None:
        super().__init__()
        self._recorded = threading.local()

    def wait(self, timeout: float | None = None) -> bool:
        self._recorded.seconds = timeout
        return False

    def pop(self) -> float:
        """Return the last recorded timeout of this thread in seconds, or 0, and forget it."""
        seconds: float = vars(self._recorded).pop("seconds", 0)
        return seconds


class InProcessAdapter(HTTPAdapter):
    """
    Transport adapter that passes requests for any host to an emulator's application.

    The URLs of images are on ``cdn_url``. Delays take no time. A delay that is longer than the read
    timeout raises ``requests.ReadTimeout``.
    """

    def __init__(self, app: EmulatorApp, cdn_url: str, delays: RecordedDelays) -> None:
        super().__init__()
        self._app = app
        self._cdn_url = cdn_url.rstrip("/") + "/"
        self._delays = delays

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        *args: Any,
        **kwargs: Any,
    ) -> requests.Response:
        try:
            status, headers, body = _call_app(self._app, self._environ(request))
        except ConnectionDropped as error:
            raise requests.ConnectionError(
                "the service closed the connection", request=request
            ) from error
        read_timeout = timeout[-1] if isinstance(timeout, tuple) else timeout
        limit = min(read_timeout, seconds_left())
        if self._delays.pop() > limit:
            raise requests.ReadTimeout(f"no data received for {limit} seconds", request=request)
        raw = HTTPResponse(
            io.BytesIO(body),
            dict(headers),
            status,
            preload_content=False,
            request_method=request.method,
        )
        return self.build_response(request, raw)

    def _environ(self, request: requests.PreparedRequest) -> WSGIEnvironment:
        url, cdn = urlsplit(str(request.url)), urlsplit(self._cdn_url)
        prefix = cdn.path.rstrip("/")
        path = "/pictures" if request.method == "POST" else url.path.removeprefix(prefix)
        body = b"".join(request.body or ())  # type: ignore[arg-type]  # UploadBody yields bytes.
        environ: WSGIEnvironment = {
            "REQUEST_METHOD": request.method,
            "SCRIPT_NAME": unquote(prefix),
            "PATH_INFO": unquote(path, "latin-1"),
            "QUERY_STRING": url.query,
            "HTTP_HOST": cdn.netloc,
            "wsgi.url_scheme": cdn.scheme,
            "wsgi.input": io.BytesIO(body),
        }
        for name, value in request.headers.items():
            key = name.upper().replace("-", "_")
            environ[key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"] = value
        setup_testing_defaults(environ)
        return environ


def _call_app(
    app: EmulatorApp, environ: WSGIEnvironment
) -> tuple[int, list[tuple[str, str]], bytes]:
    """Return the status, the headers, and the body of a response, which can be truncated."""
    head: list[Any] = []

    def start(status: str, headers: list[tuple[str, str]], _: object = None) -> Any:
        head[:] = int(status.partition(" ")[0]), headers

    body = io.BytesIO()
    blocks = app(environ, start)
    try:
        with suppress(ConnectionDropped):  # The fault "half" truncates the body.
            body.writelines(blocks)
    finally:
        if close := getattr(blocks, "close", None):
            close()
    status, headers = head
    return status, headers, body.getvalue()
