"""One upload: how long it takes, and how much memory it needs at its most."""

from __future__ import annotations

import http.client
import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any
from urllib.parse import urlsplit

from django.core.files import File

from . import project
from .contest import OURS, Aim, Contest, Result, Verdict, Way, is_installed
from .processes import apart, elsewhere, peak
from .sink import serve_s3, sink

SMALL, MEDIUM, LARGE = 100_000, 5_000_000, 200_000_000  # bytes
_MOST_ADDED = 4  # MB

_HEADERS = {"X-Access-Token": "any", "Content-Type": "image/jpeg"}

#: Uploads the file of so many bytes, and gives the URL it has then.
Upload = Callable[[int], str]


@dataclass(frozen=True)
class Place:
    """Where the files are, and the services: for each size a sink that gives so many bytes."""

    folder: Path
    sinks: dict[int, str]
    s3: str

    @property
    def url(self) -> str:
        """Of any sink."""
        return next(iter(self.sinks.values()))

    def file(self, size: int) -> Path:
        return self.folder / f"{size}.jpg"


def results(shorten: bool = False) -> Iterator[Result]:
    project.set_up()
    sizes = (SMALL, MEDIUM, 1_000_000 if shorten else LARGE)
    with _place(sizes) as place:
        ways = [Way(name, partial(_prepared, name, place), _NEEDS.get(name, "")) for name in _WAYS]
        assert all("://" in way.prepare(SMALL)() for way in ways if way.takes_part(SMALL))
        aims = [Aim("requests", SMALL, 1.1), Aim(_LIMIT, LARGE, 1.05)]
        first = [way for way in ways if way.name not in _NEEDS]
        yield Contest("One upload", "bytes", first, sizes, aims, _NOTES).result(shorten)
        others = [ways[0], *(way for way in ways if way.name in _NEEDS)]
        yield Contest(
            "One upload, with other libraries", "bytes", others, sizes, notes=_OTHER_NOTES
        ).result(shorten)
        yield _memory(place, sizes[-1])


@contextmanager
def _place(sizes: tuple[int, ...]) -> Iterator[Place]:
    noise = os.urandom(SMALL)
    with ExitStack() as stack:
        sinks = {size: stack.enter_context(sink(picture=bytes(size))) for size in sizes}
        s3 = stack.enter_context(elsewhere(serve_s3)) if is_installed("moto") else ""
        place = Place(project.FOLDER, sinks, s3)
        for size in sizes:
            with place.file(size).open("wb") as file:
                file.writelines(noise for _ in range(size // SMALL))
        yield place


def _prepared(name: str, place: Place, size: int) -> Callable[[], str]:
    return partial(_WAYS[name](place), size)


def _memory(place: Place, size: int) -> Result:
    """What one upload of this size adds to the memory of a process that has made a small one."""
    added = {}
    for name in _WAYS:
        if name not in _NEEDS or is_installed(_NEEDS[name]):
            added[name] = apart(_added, name, place, size)
    return Result(
        f"The memory that one upload of {size:,} bytes adds",
        ["", "MB"],
        [[name, f"{count / 1e6:,.1f}"] for name, count in added.items()],
        [{"way": name, "bytes": size, "added": count} for name, count in added.items()],
        [_verdict(added[OURS], size)],
        [_MEMORY_NOTE],
    )


def _verdict(added: int, size: int) -> Verdict:
    aim = f"{size:,} bytes: at most {_MOST_ADDED} MB more"
    return Verdict(aim, f"{added / 1e6:.1f} MB", added <= _MOST_ADDED * 1e6)


def _added(name: str, place: Place, size: int) -> int:
    project.set_up()
    upload = _WAYS[name](place)
    upload(SMALL)
    before = peak()
    upload(size)
    return peak() - before


def _of_file(place: Place, send: Callable[[IO[bytes]], str]) -> Upload:
    def upload(size: int) -> str:
        with place.file(size).open("rb") as file:
            return send(file)

    return upload


def _our_client(place: Place) -> Upload:
    from django_groupme_images.client import GroupMeClient

    client = GroupMeClient("any", upload_url=f"{place.url}pictures")
    return _of_file(place, lambda file: client.upload(file).url)


def _our_storage(place: Place) -> Upload:
    from django_groupme_images.storage import GroupMeStorage

    storage = GroupMeStorage(access_token="any", upload_url=f"{place.url}pictures")
    return _of_file(place, partial(_saved, storage))


def _saved(storage: Any, file: IO[bytes]) -> str:
    return storage.url(storage.save("photo.jpg", File(file)))


def _http_client(place: Place, block: int) -> Upload:
    connection = http.client.HTTPConnection(urlsplit(place.url).netloc, blocksize=block)

    def send(file: IO[bytes]) -> str:
        headers = {**_HEADERS, "Content-Length": str(os.fstat(file.fileno()).st_size)}
        connection.request("POST", "/pictures", file, headers)
        return json.loads(connection.getresponse().read())["payload"]["url"]

    return _of_file(place, send)


def _requests(place: Place) -> Upload:
    import requests

    session = requests.Session()

    def send(file: IO[bytes]) -> str:
        response = session.post(f"{place.url}pictures", data=file, headers=_HEADERS)
        return response.json()["payload"]["url"]

    return _of_file(place, send)


def _groupy(place: Place) -> Upload:
    from groupy.client import Client

    images = Client.from_token("any").images
    images.url = place.url
    return _of_file(place, lambda file: images.upload(file)["url"])


def _groupme_bot(place: Place) -> Upload:
    import httpx
    from groupme_bot import groupme

    class ToSink(httpx.HTTPTransport):
        def handle_request(self, request: Any) -> Any:
            request.url = request.url.copy_with(
                scheme="http", host="127.0.0.1", port=urlsplit(place.url).port
            )
            return super().handle_request(request)

    # The host is written into it; what goes to any other is sent as it is.
    mounts = {"all://image.groupme.com": ToSink()}
    groupme.httpx = SimpleNamespace(Client=partial(httpx.Client, mounts=mounts))
    bot = groupme.GroupMe("any")
    return lambda size: bot.image_url_to_groupme_image_url(f"{place.sinks[size]}picture")


def _s3(place: Place) -> Upload:
    from storages.backends.s3 import S3Storage

    storage = S3Storage(
        access_key="any",
        secret_key="any",
        bucket_name="bucket",
        region_name="us-east-1",
        endpoint_url=place.s3,
        file_overwrite=True,
        querystring_auth=False,
    )
    return _of_file(place, partial(_saved, storage))


_LIMIT = "http.client, 512 KiB at a time"

_WAYS: dict[str, Callable[[Place], Upload]] = {
    OURS: _our_storage,
    f"{OURS}, its client alone": _our_client,
    "http.client, 8 KiB at a time": partial(_http_client, block=8 * 1024),
    "http.client, 64 KiB at a time": partial(_http_client, block=64 * 1024),
    _LIMIT: partial(_http_client, block=512 * 1024),
    "requests": _requests,
    "GroupyAPI": _groupy,
    "groupme_bot": _groupme_bot,
    "django-storages, S3": _s3,
}

_NEEDS = {"GroupyAPI": "groupy", "groupme_bot": "groupme_bot", "django-storages, S3": "moto"}

_NOTES = [
    "The service is a process on the same machine that takes what it is sent and keeps nothing, so "
    "that no network hides what the client does. Ours is `GroupMeStorage.save()`, which sends 512 "
    "KiB at a time; http.client sends 8 KiB, unless it is told otherwise.",
]

_OTHER_NOTES = [
    "groupme_bot makes a new client for each upload, and downloads the picture before it sends it. "
    "S3 is moto, which closes every connection, keeps what it is sent, and works on it itself.",
]

_MEMORY_NOTE = (
    "By how much the peak of a process grows that has uploaded 100,000 bytes before. What moto "
    "holds of it is not counted."
)
