"""The emulator, compared with the S3 server of moto."""

from __future__ import annotations

import http.client
import io
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache, partial
from urllib.parse import urlsplit

from .measure import OURS, Result, Way, compare, is_installed
from .processes import run_server

MOTO = "moto (S3)"
PILLOW = "Pillow without a server"
SIZES = (1, 10, 100)
ROUNDS = 9
MAX_PER_ROUND = 100  # thumbnails; creating more of them takes longer than MIN_ROUND

# Requests for public objects need no signature, which would take time in the client.
HEADERS = {"X-Access-Token": "any", "x-amz-acl": "public-read", "Content-Type": "image/jpeg"}
NOTES = """\
The image is a JPEG of 480×325 pixels and about 30 KB. The emulator keeps the connection open. moto
closes it after each response, so its times include reconnecting. The emulator parses each image and
writes it to disk; moto keeps the bytes in memory. The emulator creates a thumbnail for the first
request, and writes it to disk; moto returns an object that contains a thumbnail. Pillow creates the
thumbnail with the same filter, from bytes to bytes in memory."""


def results(quick: bool) -> Iterator[Result]:
    with ExitStack() as stack:
        emulator = Client(stack.enter_context(run_server("django_groupme_images.emulator")))
        uploads: dict[str, Way] = {OURS: partial(_upload, emulator, "POST", "/pictures")}
        existing: dict[str, Way] = {OURS: partial(_get_existing, emulator)}
        new: dict[str, Way] = {OURS: partial(_get_new, emulator), PILLOW: _draw}
        if is_installed("moto"):
            s3 = Client(stack.enter_context(run_server("moto.server")))
            s3.request("PUT", "/bucket")
            uploads[MOTO] = partial(_upload, s3, "PUT", "/bucket/image.jpg")
            thumbnail = emulator.request("GET", emulator.new_thumbnail())
            s3.request("PUT", "/bucket/thumbnail.jpg", thumbnail)
            existing[MOTO] = new[MOTO] = lambda size: partial(
                s3.get_all, ["/bucket/thumbnail.jpg"] * size
            )
        as_fast, as_pillow = {"targets": [(MOTO, 100, 1)]}, {"added": [(PILLOW, 100, 100)]}
        for title, unit, ways, targets in (
            ("Uploads to the emulator", "uploads", uploads, as_fast),
            ("Existing thumbnails from the emulator", "thumbnails", existing, as_fast),
            ("New thumbnails from the emulator", "thumbnails", new, as_pillow),
        ):
            notes = NOTES if ways is uploads else ""
            yield compare(
                title, unit, ways, sizes=SIZES, rounds=ROUNDS, notes=notes, quick=quick, **targets
            )


class Client:
    """A client with little overhead."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc)

    def request(self, method: str, path: str, body: bytes | None = None) -> bytes:
        self._connection.request(method, path, body, HEADERS)
        response = self._connection.getresponse()
        content = response.read()
        assert response.status == 200, (method, path, response.status)
        return content

    def get_all(self, paths: list[str]) -> None:
        for path in paths:
            self.request("GET", path)

    def new_thumbnail(self) -> str:
        url = json.loads(self.request("POST", "/pictures", _image()))["payload"]["url"]
        return f"{urlsplit(url).path}.preview"


def _upload(client: Client, method: str, path: str, size: int) -> Callable[[], object]:
    return lambda: [client.request(method, path, _image()) for _ in range(size)]


def _get_existing(emulator: Client, size: int) -> Callable[[], object]:
    return partial(emulator.get_all, [emulator.new_thumbnail() for _ in range(size)])


def _get_new(emulator: Client, size: int) -> Callable[[], object]:
    number = max(size, MAX_PER_ROUND) * (ROUNDS + 2)
    paths = iter([emulator.new_thumbnail() for _ in range(number)])
    return lambda: emulator.get_all([next(paths) for _ in range(size)])


def _draw(size: int) -> Callable[[], object]:
    from PIL import Image, ImageOps

    def draw() -> None:
        size, resampling = (200, 200), Image.Resampling.LANCZOS
        image = ImageOps.fit(Image.open(io.BytesIO(_image())), size, resampling)
        image.save(io.BytesIO(), "jpeg")

    return lambda: [draw() for _ in range(size)]


@cache
def _image() -> bytes:
    """Return a JPEG with as much detail as a photograph."""
    from PIL import Image

    size = 480, 325
    noise = Image.merge("RGB", [Image.effect_noise(size, 50) for _ in "RGB"])
    light = Image.radial_gradient("L").resize(size).convert("RGB")
    file = io.BytesIO()
    Image.blend(light, noise, 0.3).save(file, "jpeg")
    return file.getvalue()
