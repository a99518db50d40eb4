"""The emulator, and moto's S3: what a test suite waits for when it asks the one or the other."""

from __future__ import annotations

import http.client
import io
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache, partial
from pathlib import Path
from urllib.parse import urlsplit

from .contest import OURS, Aim, Contest, Result, Way, is_installed
from .processes import elsewhere
from .sink import serve_s3

_MOTO = "moto, S3"
_SIZES = (1, 10, 100, 1_000)
_AIMS = (Aim(_MOTO, 100, 1), Aim(_MOTO, 1_000, 1))
_ROUNDS = 5

# How many thumbnails are drawn, at most, within the time that the clock needs.
_MOST_DRAWN = 100


def results(shorten: bool = False) -> Iterator[Result]:
    with ExitStack() as stack:
        emulator = Emulator(stack.enter_context(elsewhere(_emulate)))
        s3 = S3(stack.enter_context(elsewhere(serve_s3)) if is_installed("moto") else "")
        yield Contest(
            "Uploads to the emulator",
            "uploads",
            [Way(OURS, emulator.uploads), Way(_MOTO, s3.uploads, "moto")],
            _SIZES,
            _AIMS,
            _UPLOAD_NOTES,
            _ROUNDS,
        ).result(shorten)
        objects = Way(_MOTO, partial(s3.objects, emulator.thumbnail()), "moto")
        yield Contest(
            "Thumbnails from the emulator, which has drawn them",
            "thumbnails",
            [Way(OURS, emulator.thumbnails), objects],
            _SIZES,
            _AIMS,
            _THUMBNAIL_NOTES,
            _ROUNDS,
        ).result(shorten)
        yield Contest(
            "Thumbnails from the emulator, each for the first time",
            "thumbnails",
            [
                Way(OURS, emulator.new_thumbnails),
                objects,
                Way("Pillow alone, without a server", _drawn),
            ],
            _SIZES,
            _AIMS,
            [],
            _ROUNDS,
        ).result(shorten)


class Client:
    """The plainest there is, so that only the servers differ. It keeps its connection."""

    headers: dict[str, str]

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc)

    def ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        self._connection.request(method, path, body, self.headers)
        response = self._connection.getresponse()
        answer = response.read()
        assert response.status == 200, (method, path, response.status)
        return answer


class Emulator(Client):
    headers = {"X-Access-Token": "any", "Content-Type": "image/jpeg"}

    def uploads(self, size: int) -> Callable[[], None]:
        self.ask("POST", "/_emulator/reset")  # so that the disk holds those of one size alone

        def upload_all() -> None:
            for _ in range(size):
                self.ask("POST", "/pictures", _picture())

        return upload_all

    def thumbnail(self) -> bytes:
        return self.ask("GET", self._new_thumbnail())

    def thumbnails(self, size: int) -> Callable[[], None]:
        paths = [self._new_thumbnail() for _ in range(size)]

        def get_all() -> None:
            for path in paths:
                self.ask("GET", path)

        return get_all

    def new_thumbnails(self, size: int) -> Callable[[], None]:
        rounds = _ROUNDS + 2  # with those that warm up
        paths = iter([self._new_thumbnail() for _ in range(max(size, _MOST_DRAWN) * rounds)])

        def get_all() -> None:
            for _ in range(size):
                self.ask("GET", next(paths))

        return get_all

    def _new_thumbnail(self) -> str:
        """The path of a thumbnail that nobody has asked for yet."""
        url = json.loads(self.ask("POST", "/pictures", _picture()))["payload"]["url"]
        return f"{urlsplit(url).path}.preview"


class S3(Client):
    # So that nothing needs a signature, which would be work for the client.
    headers = {"x-amz-acl": "public-read", "Content-Type": "image/jpeg"}

    def uploads(self, size: int) -> Callable[[], None]:
        def upload_all() -> None:
            for number in range(size):
                self.ask("PUT", f"/bucket/{number}.jpg", _picture())

        return upload_all

    def objects(self, thumbnail: bytes, size: int) -> Callable[[], None]:
        for number in range(size):
            self.ask("PUT", f"/bucket/{number}.jpg", thumbnail)

        def get_all() -> None:
            for number in range(size):
                self.ask("GET", f"/bucket/{number}.jpg")

        return get_all


def _emulate(tell: Callable[[str], object]) -> None:
    """Run the command, which prints a line for each request, with nobody who reads them."""
    from django_groupme_images.emulator.command import run

    with Path(os.devnull).open("w") as nowhere:

        def write(line: str) -> None:
            if found := re.search(r"upload_url +(\S+)", line):
                tell(found[1])
            print(line, file=nowhere, flush=True)

        run(host="127.0.0.1", port=0, directory=None, token=None, write=write)


def _drawn(size: int) -> Callable[[], None]:
    from PIL import Image, ImageOps

    def draw_all() -> None:
        for _ in range(size):
            image = ImageOps.fit(Image.open(io.BytesIO(_picture())), (200, 200))
            image.save(io.BytesIO(), "jpeg")

    return draw_all


@cache
def _picture() -> bytes:
    """A JPEG with as much in it as a photo has."""
    from PIL import Image

    size = 480, 325
    noise = Image.merge("RGB", [Image.effect_noise(size, 50) for _ in "RGB"])
    light = Image.radial_gradient("L").resize(size).convert("RGB")
    file = io.BytesIO()
    Image.blend(light, noise, 0.3).save(file, "jpeg")
    return file.getvalue()


_UPLOAD_NOTES = [
    "A JPEG of 480 by 325 pixels, about 30 KB, sent one after the other on a connection that is "
    "kept. moto closes each, as its server does: to connect anew is part of what it takes. The "
    "emulator looks at every picture, as the service does, and keeps it on a disk; moto takes "
    "any bytes, and keeps them in memory.",
]

_THUMBNAIL_NOTES = [
    "moto has no thumbnails: it gives an object that is one. The emulator draws a thumbnail when "
    "it is first asked for, and keeps it.",
]
