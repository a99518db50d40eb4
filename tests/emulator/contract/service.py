"""Requests to the service under test, the emulator or the real one, and its uploads."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import requests
from PIL import Image

from django_groupme_images.client import GroupMeClient
from django_groupme_images.pictures import Picture
from tests.support import emulator_pictures as pictures

TIMEOUT = 60

# The time in seconds after an upload until its thumbnails exist (observed).
MAX_THUMBNAIL_DELAY = 30


def thirds() -> bytes:
    """Return a JPEG of equally wide parts: red, green, and blue."""
    image = Image.new("RGB", (1200, 600), "red")
    image.paste("green", (400, 0, 800, 600))
    image.paste("blue", (800, 0, 1200, 600))
    return pictures.encoded(image, "JPEG", quality=95)


def chunked(data: bytes) -> Iterator[bytes]:
    """Return the bytes as an iterator, which requests sends without a Content-Length."""
    return iter(io.BytesIO(data).readline, b"")


class Service:
    """
    Requests without ``GroupMeClient``, so that results do not depend on it.

    Each image is uploaded once, because the real service cannot delete images. Requests are only
    retried if the service is rate limited, and those for a thumbnail until it exists. ``sleep``
    waits between them. Redirects are not followed, because they could leak the token.
    """

    def __init__(
        self, token: str, *, sleep: Callable[[float], object] = time.sleep, **options: Any
    ) -> None:
        self.token = token
        self._sleep = sleep
        self.client = GroupMeClient(token, **options)
        self.wrong = GroupMeClient("wrong", **options)
        self._results: dict[str, Any] = {}

    def once(self, key: str, call: Callable[[], Any]) -> Any:
        """Return the result of the first call with this key, or raise its exception."""
        if key not in self._results:
            try:
                self._results[key] = call()
            except Exception as error:  # noqa: BLE001  # It is raised below, each time.
                self._results[key] = error
        if isinstance(self._results[key], Exception):
            raise self._results[key]
        return self._results[key]

    def post(self, data: Any = None, **options: Any) -> requests.Response:
        """Upload as documented, with these changes. Headers that are ``None`` are omitted."""
        headers = {"X-Access-Token": self.token, "Content-Type": "image/jpeg"}
        headers |= options.pop("headers", {})
        return _with_retry(
            lambda: requests.post(
                self.client.upload_url,
                data,
                headers={name: value for name, value in headers.items() if value is not None},
                timeout=TIMEOUT,
                allow_redirects=False,
                **options,
            )
        )

    def get(self, url: str, method: str = "GET", **headers: str) -> requests.Response:
        """Make a request to the CDN, without a token."""
        headers = {"Accept-Encoding": "identity"} | headers
        return _with_retry(lambda: requests.request(method, url, headers=headers, timeout=TIMEOUT))

    def picture(self, response: requests.Response) -> Picture:
        """Return the ``Picture`` of the response to an upload."""
        assert response.status_code == 200, f"{response.status_code} {response.text[:80]}"
        return Picture.parse(response.json()["payload"]["url"], self.client.cdn_url)

    def image(self, picture: Picture | str) -> Image.Image:
        """Download an image from the CDN."""
        return _opened(self.get(str(picture)))

    def thumbnail(self, picture: Picture, variant: str) -> Image.Image:
        """Download a thumbnail from the CDN."""
        return _opened(self.thumbnail_response(picture, variant))

    def thumbnail_response(self, picture: Picture, variant: str) -> requests.Response:
        """Request a thumbnail each second until it exists, and return the last response."""
        url = picture.variant_url(variant)
        for _ in range(MAX_THUMBNAIL_DELAY):
            response = self.get(url)
            if response.status_code not in (403, 404):
                return response
            self._sleep(1)
        return self.get(url)

    def uploaded(self, key: str, data: Any, **options: Any) -> Picture:
        """Upload an image, but only once per key."""
        return self.picture(self.once(key, lambda: self.post(data, **options)))

    @property
    def upload_response(self) -> requests.Response:
        """The response to the upload of ``photo``."""
        return self.once("photo", lambda: self.post(thirds()))

    @property
    def photo(self) -> Picture:
        return self.picture(self.upload_response)

    @property
    def png(self) -> Picture:
        return self.uploaded("png", pictures.plain("PNG"))

    @property
    def animated(self) -> Picture:
        return self.uploaded("animated", pictures.animated_gif())

    @property
    def rotated(self) -> Picture:
        """An image of 48x32 stored pixels that is displayed as 32x48."""
        return self.uploaded("rotated", pictures.rotated(6))

    def uploaded_as(self, type_: str | None) -> Picture:
        """Upload the bytes of ``png`` with another content type."""
        return self.uploaded(
            f"png as {type_}", pictures.plain("PNG"), headers={"Content-Type": type_}
        )

    @property
    def fetch_response(self) -> requests.Response:
        """The response to an upload of ``photo`` by URL."""
        headers = {"Content-Type": None}
        return self.once(
            "fetch", lambda: self.post(headers=headers, params={"url": self.photo.url})
        )

    @property
    def wrong_token_response(self) -> requests.Response:
        """The response to an upload with a wrong token."""
        headers = {"X-Access-Token": "wrong"}
        return self.once("wrong token", lambda: self.post(pictures.plain(), headers=headers))

    @cached_property
    def missing(self) -> Picture:
        return Picture.parse(f"{self.client.cdn_url}48x32.jpeg.{'0' * 32}", self.client.cdn_url)


def _opened(response: requests.Response) -> Image.Image:
    assert response.status_code == 200, f"{response.status_code} {response.text[:80]}"
    return pictures.opened(response.content)


def _with_retry(send: Callable[[], requests.Response]) -> requests.Response:
    """Send a request, and retry it once after a delay if the service is rate limited."""
    response = send()
    if response.status_code not in (420, 429):
        return response
    time.sleep(5)
    return send()
