"""A service to ask, the emulator or the real one, and what was uploaded there already."""

from __future__ import annotations

import io
from functools import cached_property
from typing import Any

import requests
from PIL import Image

from django_groupme_images.client import GroupMeClient
from django_groupme_images.pictures import Picture

from .. import emulator_pictures as pictures

#: Red, green and blue, from left to right, each as wide as the other.
THIRDS = (1200, 600)

SECONDS = 60  # for an answer


def thirds() -> bytes:
    image = Image.new("RGB", THIRDS, "red")
    image.paste("green", (400, 0, 800, 600))
    image.paste("blue", (800, 0, 1200, 600))
    return pictures.encoded(image, "JPEG", quality=95)


class Service:
    """
    Asks as plainly as curl does, so that what is found is not the doing of our client.

    Each of its pictures is uploaded once: they stay on the real service for ever.
    """

    def __init__(self, token: str, **options: Any) -> None:
        self.token = token
        self.client = GroupMeClient(token, **options)
        self.wrong = GroupMeClient(f"{token}-wrong", **options)

    def post(self, data: Any = None, **options: Any) -> requests.Response:
        """Upload without a word about the type, with the token in its header unless told."""
        headers = {"X-Access-Token": self.token} | options.pop("headers", {})
        headers = {name: value for name, value in headers.items() if value is not None}
        url = self.client.upload_url
        return requests.post(url, data, headers=headers, timeout=SECONDS, **options)

    def posted(self, data: Any = None, **options: Any) -> Picture:
        """What an upload became; its answer has to be the documented one."""
        answer = self.post(data, **options)
        answer.raise_for_status()
        return Picture.parse(answer.json()["payload"]["url"], self.client.cdn_url)

    def get(self, url: str, method: str = "GET", **headers: str) -> requests.Response:
        """Ask the CDN, without a token."""
        return requests.request(
            method, url, headers=headers, timeout=SECONDS, allow_redirects=False
        )

    def image(self, url: str) -> Image.Image:
        """The image at a URL of the CDN."""
        answer = self.get(url)
        assert answer.status_code == 200, answer.status_code
        return pictures.opened(answer.content)

    @cached_property
    def photo(self) -> Picture:
        return self.posted(thirds())

    @cached_property
    def png(self) -> Picture:
        return self.posted(pictures.plain("PNG"))

    @cached_property
    def moving(self) -> Picture:
        return self.posted(pictures.moving_gif())

    @cached_property
    def turned(self) -> Picture:
        """Stored as 48x32, and displayed as 32x48."""
        return self.posted(pictures.turned(6))

    @cached_property
    def missing(self) -> Picture:
        return Picture.parse(f"{self.client.cdn_url}48x32.jpeg.{'0' * 32}", self.client.cdn_url)


def chunked(data: bytes) -> Any:
    """The same bytes, of a length that nobody knows beforehand."""
    return iter(io.BytesIO(data).readline, b"")
