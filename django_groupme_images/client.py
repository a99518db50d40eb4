"""
The only module that talks HTTP: every request goes through ``GroupMeClient._send``.

It knows nothing of Django, so a script or a bot can use it by itself::

    client = GroupMeClient(access_token)
    with open("cat.jpg", "rb") as file:
        picture = client.upload(file)
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable, Mapping
from typing import IO, Any
from urllib.parse import quote, urlsplit

import requests
from requests.adapters import BaseAdapter

from .answers import cdn_error, network_errors, upload_error, uploaded_picture
from .bodies import Body, announced_size, check_size, rewindable
from .deadlines import time_limit
from .exceptions import ServiceError, UploadRejected
from .pictures import CDN_URL, UPLOAD_URL, Picture
from .sessions import TokenAuth, Wait, new_adapter, new_session, transports

__all__ = ["Download", "GroupMeClient"]


class GroupMeClient:
    """
    A client of the image service.

    One client serves a whole process: it is safe with threads and after a fork. Each thread keeps
    its own connections open until it ends.

    ``access_token`` is a GroupMe user's token, or a callable that returns one and is called for
    each upload. It is sent to ``upload_url`` and nowhere else.

    ``timeout`` is in seconds: to connect, and between two bytes in either direction. A response to
    an upload may take a minute in total.
    ``max_upload_time`` is in seconds, and limits one upload as a whole, including retries and the
    waits between them. Resolving a host name is not limited, and neither is what a SOCKS proxy
    does.

    Connection errors, 408, 420, 425, 429, and 5xx are retried ``max_retries`` times, after waits
    of at most ``max_retry_wait`` seconds each. If the service asks for a longer wait, the call
    fails at once. A certificate that does not verify is not retried. ``max_upload_size`` is in
    bytes.

    For many uploads, ``max_retry_after`` is the longest wait, in seconds, that the service may
    ask for, if that is not ``max_retry_wait``. ``wait`` is called instead of ``time.sleep``, with
    the seconds and with whether all other threads should wait, too, because the service has
    received too many requests.

    Every method raises a ``ServiceError`` if the service or the network fails, or if the
    environment configures a proxy or certificates that cannot be used.
    """

    def __init__(
        self,
        access_token: str | Callable[[], str | None] | None = None,
        *,
        upload_url: str = UPLOAD_URL,
        cdn_url: str = CDN_URL,
        timeout: float | tuple[float, float] = (5, 30),
        max_upload_time: float | None = None,
        max_retries: int = 2,
        max_retry_wait: float = 10,
        max_upload_size: int | None = None,
        max_retry_after: float | None = None,
        wait: Wait | None = None,
    ) -> None:
        self._ask_token = access_token if callable(access_token) else lambda: access_token
        self.upload_url = upload_url
        self.cdn_url = cdn_url
        self.timeout = timeout
        self.max_upload_time = max_upload_time
        self.max_retries = max_retries
        self.max_retry_wait = max_retry_wait
        self.max_upload_size = max_upload_size
        self.max_retry_after = max_retry_wait if max_retry_after is None else max_retry_after
        self._wait = wait
        self._local = threading.local()

    def upload(self, content: IO[bytes] | bytes | bytearray) -> Picture:
        """
        Send an image, from its beginning to its end, and return the picture it became.

        ``content`` is a binary file, which stays open. It is streamed; only if it
        cannot seek, or tell its size, is it copied to a temporary file first.

        Raises ``UploadRejected`` if it is empty, larger than ``max_upload_size``, or
        refused by the service. Whatever is raised, a file that can seek is at its
        beginning again.
        """
        if isinstance(content, bytes | bytearray):
            content = io.BytesIO(content)
        with rewindable(content) as file:
            body = Body(file)
            check_size(len(body), self.max_upload_size)
            # JPEG for PNG and GIF too: documented, and the one type that every client agrees on.
            return self._post(data=body, headers={"Content-Type": "image/jpeg"})

    def upload_from_url(self, url: str) -> Picture:
        """
        Let the service fetch the image at ``url`` itself, and return what it became.

        Raises ``UploadRejected`` if ``url`` is not an absolute http or https URL, or
        if the service refuses what it finds there.
        """
        if not _is_web_url(url):
            raise UploadRejected(f"{url!r:.200} is not an absolute http or https URL")
        return self._post(params=f"url={quote(url, safe='')}")

    def download(self, picture: Picture | str) -> Download:
        """
        Open the original of a picture, or of a picture's URL; the caller closes it.

        Raises ``PictureNotFound`` if the CDN does not have it, and ``InvalidPicture`` if
        it is not on this client's CDN.
        """
        return Download(self._get("GET", picture))

    def head(self, picture: Picture | str) -> Mapping[str, str]:
        """
        The CDN's headers for an original, whatever the case of their names.

        Raises ``PictureNotFound`` if the CDN does not have it, and ``InvalidPicture`` if
        it is not on this client's CDN.
        """
        try:
            response = self._get("HEAD", picture)
        except ServiceError as error:
            # Whether the CDN answers HEAD is unknown; a GET whose body is not read will do.
            if error.status not in (405, 501):
                raise
            response = self._get("GET", picture)
        with response:
            return response.headers

    def _post(self, **kwargs: Any) -> Picture:
        auth = TokenAuth(self._ask_token())
        with (
            time_limit(self.max_upload_time),
            self._send("POST", self.upload_url, auth=auth, **kwargs) as response,
        ):
            ok = 200 <= response.status_code < 300
            found = uploaded_picture(response, self.cdn_url) if ok else upload_error(response)
        if isinstance(found, ServiceError):
            try:
                raise found
            finally:
                del found  # a reference to it from its own traceback would keep the socket open
        return found

    def _get(self, method: str, picture: Picture | str) -> requests.Response:
        picture = Picture.parse(str(picture), self.cdn_url)  # nothing makes it call another host
        response = self._send(method, picture.url)
        if method == "HEAD":
            response.raw.drain_conn()  # of nothing, but without it the connection is not kept
        if response.status_code != 200:
            with response:
                raise cdn_error(response, picture)
        return response

    def _send(self, method: str, url: str, **kwargs: Any) -> requests.Response:
        with network_errors(url):
            return self._session.request(method, url, timeout=self.timeout, stream=True, **kwargs)

    @property
    def _session(self) -> requests.Session:
        # A child process must not talk on its parent's connections, nor a test on the network.
        made_for = os.getpid(), transports[-1] if transports else GroupMeClient._network
        if getattr(self._local, "made_for", None) != made_for:
            _, transport = made_for
            self._local.session = new_session(transport(self))
            self._local.made_for = made_for
        session: requests.Session = self._local.session
        return session

    def _network(self) -> BaseAdapter:
        return new_adapter(self.max_retries, self.max_retry_wait, self.max_retry_after, self._wait)


class Download:
    """
    A picture's bytes as they arrive from the CDN, each once.

    ``size`` is the number of bytes in all, or ``None`` if the CDN did not say; ``headers`` are
    those of its response.
    """

    def __init__(self, response: requests.Response) -> None:
        self._response = response
        self.headers: Mapping[str, str] = response.headers
        self.size = announced_size(response.headers)

    def read(self, amount: int) -> bytes:
        """
        Up to ``amount`` bytes more; none at the end.

        Raises ``ServiceUnavailable`` if the download breaks off.
        """
        with network_errors(self._response.url):
            data: bytes = self._response.raw.read(amount, decode_content=True)
        return data

    def close(self) -> None:
        """Give the connection back, or end it if there is more to read."""
        self._response.close()


def _is_web_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except (ValueError, TypeError, AttributeError):
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)
