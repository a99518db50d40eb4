"""A service to ask, the emulator or the real one, and what was uploaded there already."""

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

from .. import emulator_pictures as pictures

SECONDS = 20  # for an answer


def thirds() -> bytes:
    """Red, green and blue, from left to right, each as wide as the other."""
    image = Image.new("RGB", (1200, 600), "red")
    image.paste("green", (400, 0, 800, 600))
    image.paste("blue", (800, 0, 1200, 600))
    return pictures.encoded(image, "JPEG", quality=95)


def chunked(data: bytes) -> Iterator[bytes]:
    """The same bytes, of a length that nobody knows beforehand."""
    return iter(io.BytesIO(data).readline, b"")


class Service:
    """
    Asks as plainly as curl does, so that what is found is not the doing of our client.

    Each of its pictures is uploaded once, and a failure is not tried again: what is uploaded
    stays on the real service for ever. No redirect is followed with the token.
    """

    def __init__(self, token: str, **options: Any) -> None:
        self.token = token
        self.client = GroupMeClient(token, **options)
        self.wrong = GroupMeClient("wrong", **options)
        self._kept: dict[str, Any] = {}

    def once(self, what: str, ask: Callable[[], Any]) -> Any:
        """What came of asking this, the first time."""
        if what not in self._kept:
            try:
                self._kept[what] = ask()
            except Exception as error:  # noqa: BLE001  # raised each time
                self._kept[what] = error
        if isinstance(self._kept[what], Exception):
            raise self._kept[what]
        return self._kept[what]

    def post(self, data: Any = None, **options: Any) -> requests.Response:
        """Upload, as documented but for what is told; a header that is ``None`` is not sent."""
        headers = {"X-Access-Token": self.token, "Content-Type": "image/jpeg"}
        headers |= options.pop("headers", {})
        return _patiently(
            lambda: requests.post(
                self.client.upload_url,
                data,
                headers={name: value for name, value in headers.items() if value is not None},
                timeout=SECONDS,
                allow_redirects=False,
                **options,
            )
        )

    def get(self, url: str, method: str = "GET", **headers: str) -> requests.Response:
        """Ask the CDN, without a token."""
        headers = {"Accept-Encoding": "identity"} | headers
        return _patiently(lambda: requests.request(method, url, headers=headers, timeout=SECONDS))

    def picture(self, answer: requests.Response) -> Picture:
        """What an upload became."""
        assert answer.status_code == 200, f"{answer.status_code} {answer.text[:80]}"
        return Picture.parse(answer.json()["payload"]["url"], self.client.cdn_url)

    def image(self, picture: Picture | str) -> Image.Image:
        """The image at a URL of the CDN."""
        answer = self.get(str(picture))
        assert answer.status_code == 200, f"{answer.status_code} {answer.text[:80]}"
        return pictures.opened(answer.content)

    def uploaded(self, what: str, data: Any, **options: Any) -> Picture:
        """A picture that is uploaded once."""
        return self.picture(self.once(what, lambda: self.post(data, **options)))

    @property
    def answer(self) -> requests.Response:
        """The answer to the upload of ``photo``."""
        return self.once("photo", lambda: self.post(thirds()))

    @property
    def photo(self) -> Picture:
        return self.picture(self.answer)

    @property
    def png(self) -> Picture:
        return self.uploaded("png", pictures.plain("PNG"))

    @property
    def moving(self) -> Picture:
        return self.uploaded("moving", pictures.moving_gif())

    @property
    def turned(self) -> Picture:
        """Stored as 48x32, and displayed as 32x48."""
        return self.uploaded("turned", pictures.turned(6))

    def typed(self, type_: str | None) -> Picture:
        """The bytes of ``png``, handed in as of another type."""
        return self.uploaded(
            f"of the type {type_}", pictures.plain("PNG"), headers={"Content-Type": type_}
        )

    @property
    def fetched(self) -> requests.Response:
        """The answer to ``?url=``, for ``photo``."""
        headers = {"Content-Type": None}
        return self.once(
            "fetched", lambda: self.post(headers=headers, params={"url": self.photo.url})
        )

    @property
    def refusal(self) -> requests.Response:
        """The answer to an upload with a wrong token."""
        headers = {"X-Access-Token": "wrong"}
        return self.once("refusal", lambda: self.post(pictures.plain(), headers=headers))

    @cached_property
    def missing(self) -> Picture:
        return Picture.parse(f"{self.client.cdn_url}48x32.jpeg.{'0' * 32}", self.client.cdn_url)


def _patiently(ask: Callable[[], requests.Response]) -> requests.Response:
    """The answer; once more after a wait, if there were too many requests."""
    answer = ask()
    if answer.status_code not in (420, 429):
        return answer
    time.sleep(5)
    return ask()
