"""Client of the image service, which sends every HTTP request of the app."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from contextvars import copy_context
from typing import IO, Any
from urllib.parse import quote, urlsplit

import requests
from requests.adapters import BaseAdapter

from django_groupme_images.exceptions import ServiceError, UploadRejected
from django_groupme_images.images.rejections import check_size
from django_groupme_images.images.streams import UploadBody, as_seekable, content_length
from django_groupme_images.measurement import record_upload
from django_groupme_images.pictures import CDN_URL, UPLOAD_URL, Picture

from .responses import cdn_error, convert_network_errors, parse_upload_response, upload_error
from .retries import Wait
from .session import TokenAuth, new_adapter, new_session, transport_overrides
from .transport import time_limit

__all__ = ["Download", "GroupMeClient"]


class GroupMeClient:
    """
    Client of GroupMe's image service and its CDN.

    One client can be shared by all threads of a process, and can be used after a fork. Each
    thread keeps its own connections open until it ends.

    ``access_token`` is the access token of a GroupMe user, or a callable that returns one. The
    callable is called for each upload. The token is sent to ``upload_url`` only. ``cdn_url`` is the
    URL below which the CDN serves images.

    ``timeout`` is the time limit in seconds to connect, and between two bytes in either direction.
    A tuple has one value for each. The response to an upload may take 60 seconds in total.
    ``max_upload_time`` limits one upload as a whole, in seconds, including retries and the waits
    between them. It limits neither the resolution of host names nor SOCKS proxies.

    Connection errors and the statuses 408, 420, 425, 429, and 5xx (except 501) are retried up to
    ``max_retries`` times, after waits of at most ``max_retry_wait`` seconds each. If
    ``Retry-After`` is longer, the call fails immediately. Read timeouts and certificates that do
    not verify are not retried. ``max_upload_size`` is in bytes.

    Two arguments are for bulk uploads. ``max_retry_after`` is the longest accepted ``Retry-After``
    in seconds; it defaults to ``max_retry_wait``. ``wait`` is called instead of ``time.sleep``. Its
    arguments are the number of seconds, and whether all threads should pause because the client is
    rate limited.

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
        self._get_token = access_token if callable(access_token) else lambda: access_token
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
        Upload an image, from its first byte to its last, and return the ``Picture``.

        ``content`` may be a binary file, which stays open. The file is streamed. If it cannot
        seek, or its size is unknown, it is copied to a temporary file first.

        Raise ``UploadRejected`` if the image is empty, larger than ``max_upload_size``, or
        rejected by the service. After any exception, a seekable file is at its beginning.
        """
        return self._upload(content, self._get_token)

    def start_upload(self, content: IO[bytes], executor: Executor) -> Future[Picture]:
        """
        Upload an image in a thread of the executor; see :meth:`upload`.

        Only the thread may use ``content`` until the future is done. The access token is determined
        in the calling thread, because the callable may depend on the current request.
        """
        token = self._get_token()
        return executor.submit(copy_context().run, self._upload, content, lambda: token)

    def _upload(
        self, content: IO[bytes] | bytes | bytearray, get_token: Callable[[], str | None]
    ) -> Picture:
        if isinstance(content, bytes | bytearray):
            content = io.BytesIO(content)
        with as_seekable(content) as file:
            body = UploadBody(file)
            check_size(len(body), self.max_upload_size)
            # GroupMe documents this type for every format, and reports differ on other types.
            return self._post(get_token, data=body, headers={"Content-Type": "image/jpeg"})

    def upload_from_url(self, url: str) -> Picture:
        """
        Make the service fetch the image at ``url``, and return the ``Picture``.

        Raise ``UploadRejected`` if ``url`` is not an absolute http or https URL, or if the
        service rejects the image.
        """
        if not _is_absolute_url(url):
            raise UploadRejected(f"{url!r:.200} is not an absolute http or https URL")
        return self._post(self._get_token, params=f"url={quote(url, safe='')}")

    def download(self, picture: Picture | str) -> Download:
        """
        Open the original of a ``Picture``, or of its URL, on the CDN.

        The caller closes the returned ``Download``. Raise ``PictureNotFound`` if the CDN does not
        have the image, and ``InvalidPicture`` if the URL is not on this client's CDN.
        """
        return Download(self._get("GET", picture))

    def head(self, picture: Picture | str) -> Mapping[str, str]:
        """
        Return the headers that the CDN sends for the original of a ``Picture``, or of its URL.

        The names in the mapping are case-insensitive. Raise ``PictureNotFound`` if the CDN does
        not have the image, and ``InvalidPicture`` if the URL is not on this client's CDN.
        """
        try:
            response = self._get("HEAD", picture)
        except ServiceError as error:
            # GroupMe does not document HEAD. A GET has the same headers, and its body is not read.
            if error.status not in (405, 501):
                raise
            response = self._get("GET", picture)
        with response:
            return response.headers

    def _post(self, get_token: Callable[[], str | None], **kwargs: Any) -> Picture:
        auth = TokenAuth(get_token())
        body = kwargs.get("data")
        with (
            record_upload(None if body is None else len(body)),
            time_limit(self.max_upload_time),
            self._send("POST", self.upload_url, auth=auth, **kwargs) as response,
        ):
            ok = 200 <= response.status_code < 300
            result = parse_upload_response(response, self.cdn_url) if ok else upload_error(response)
        if isinstance(result, ServiceError):
            try:
                raise result
            finally:
                # A reference from the exception's own traceback would keep the socket open.
                del result
        return result

    def _get(self, method: str, picture: Picture | str) -> requests.Response:
        # Parsing ensures that no other host than the CDN receives a request.
        picture = Picture.parse(str(picture), self.cdn_url)
        response = self._send(method, picture.url)
        if method == "HEAD":
            # The body is empty, but urllib3 reuses the connection only after reading it.
            response.raw.drain_conn()
        if response.status_code != 200:
            with response:
                raise cdn_error(response, picture)
        return response

    def _send(self, method: str, url: str, **kwargs: Any) -> requests.Response:
        """Send a request and return the response, whose body has not been read."""
        with convert_network_errors(url):
            return self._session.request(method, url, timeout=self.timeout, stream=True, **kwargs)

    @property
    def _session(self) -> requests.Session:
        # A child process must not use its parent's connections, and a test must not use
        # connections to the network.
        session_key = (
            os.getpid(),
            transport_overrides[-1] if transport_overrides else GroupMeClient._network_adapter,
        )
        if getattr(self._local, "session_key", None) != session_key:
            _, get_adapter = session_key
            self._local.session = new_session(get_adapter(self))
            self._local.session_key = session_key
        session: requests.Session = self._local.session
        return session

    def _network_adapter(self) -> BaseAdapter:
        return new_adapter(self.max_retries, self.max_retry_wait, self.max_retry_after, self._wait)


class Download:
    """
    The content of an image on the CDN, as a stream that can be read once.

    ``size`` is its size in bytes, or ``None`` if the CDN did not send it. ``headers`` are the
    headers of the CDN's response.
    """

    def __init__(self, response: requests.Response) -> None:
        self._response = response
        self.headers: Mapping[str, str] = response.headers
        self.size = content_length(response.headers)

    def read(self, amount: int) -> bytes:
        """
        Return up to ``amount`` more bytes, or ``b""`` at the end.

        Raise ``ServiceUnavailable`` if the download is interrupted.
        """
        with convert_network_errors(self._response.url):
            data: bytes = self._response.raw.read(amount, decode_content=True)
        return data

    def close(self) -> None:
        """Release the connection for reuse, or close it if the content was not read completely."""
        self._response.close()


def _is_absolute_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except (ValueError, TypeError, AttributeError):
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)
