"""Time and memory for an upload."""

from __future__ import annotations

import http.client
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any, NamedTuple
from urllib.parse import urlsplit

from django.core.files import File

from .measure import OURS, Result, Target, compare, is_installed
from .processes import peak_memory, run_in_process, run_server
from .project import FOLDER, set_up

SMALL, MEDIUM, LARGE = 100_000, 5_000_000, 200_000_000  # bytes
MAX_ADDED = 4  # MB
HTTP_CLIENT = "http.client, 512 KiB chunks"
HEADERS = {"X-Access-Token": "any", "Content-Type": "image/jpeg"}

# Uploads a file, and returns its URL.
Send = Callable[[IO[bytes]], str]


class Servers(NamedTuple):
    url: str
    s3_url: str


def results(quick: bool) -> Iterator[Result]:
    set_up()
    sizes = (SMALL, MEDIUM, 1_000_000 if quick else LARGE)
    for size in sizes:
        (FOLDER / str(size)).write_bytes(os.urandom(SMALL) * (size // SMALL))
    with ExitStack() as stack:
        url = stack.enter_context(run_server("tools.benchmarks.image_service"))
        s3_url = stack.enter_context(run_server("moto.server")) if is_installed("moto") else ""
        servers = Servers(url, s3_url)
        ways = {
            name: partial(_prepare, name, servers)
            for name in SENDERS
            if name not in PACKAGES or is_installed(PACKAGES[name])
        }
        yield compare(
            "Upload one file",
            "bytes",
            ways,
            sizes=sizes,
            targets=[("requests", SMALL, 1.1), (HTTP_CLIENT, LARGE, 1.05)],
            notes=NOTES,
            quick=quick,
        )
        yield _measure_memory(ways, servers, sizes[-1])


def _measure_memory(names: Iterable[str], servers: Servers, size: int) -> Result:
    added = {
        name: run_in_process(_added_memory, name, servers, FOLDER, size) / 1e6 for name in names
    }
    ours = added[OURS]
    return Result(
        f"Additional memory for an upload of {size:,} bytes",
        ["", "MB"],
        [[name, f"{megabytes:,.1f}"] for name, megabytes in added.items()],
        [Target(f"at most {MAX_ADDED} MB", f"{ours:.1f} MB", ours <= MAX_ADDED)],
        "The increase of the peak memory of a process that has already uploaded 100,000 bytes. The "
        "memory of moto is not included.",
    )


def _prepare(name: str, servers: Servers, size: int) -> Callable[[], str]:
    return partial(_upload, SENDERS[name](servers), FOLDER / str(size))


def _upload(send: Send, path: Path) -> str:
    with path.open("rb") as file:
        url = send(file)
    assert "://" in url
    return url


def _added_memory(name: str, servers: Servers, folder: Path, size: int) -> int:
    set_up()
    send = SENDERS[name](servers)
    _upload(send, folder / str(SMALL))
    before = peak_memory()
    _upload(send, folder / str(size))
    return peak_memory() - before


def _save(storage: Any) -> Send:
    return lambda file: storage.url(storage.save("photo.jpg", File(file)))


def _storage(servers: Servers) -> Send:
    from django_groupme_images.storage import GroupMeStorage

    return _save(GroupMeStorage(access_token="any", upload_url=f"{servers.url}pictures"))


def _http_client(servers: Servers) -> Send:
    connection = http.client.HTTPConnection(urlsplit(servers.url).netloc, blocksize=512 * 1024)

    def send(file: IO[bytes]) -> str:
        headers = {**HEADERS, "Content-Length": str(os.fstat(file.fileno()).st_size)}
        connection.request("POST", "/pictures", file, headers)
        return json.loads(connection.getresponse().read())["payload"]["url"]

    return send


def _requests(servers: Servers) -> Send:
    import requests

    post = partial(requests.Session().post, f"{servers.url}pictures", headers=HEADERS)
    return lambda file: post(data=file).json()["payload"]["url"]


def _groupy(servers: Servers) -> Send:
    from groupy.client import Client

    images = Client.from_token("any").images
    images.url = servers.url
    return lambda file: images.upload(file)["url"]


def _groupme_bot(servers: Servers) -> Send:
    import httpx
    from groupme_bot import groupme

    class LocalTransport(httpx.HTTPTransport):
        def handle_request(self, request: Any) -> Any:
            port = urlsplit(servers.url).port
            request.url = request.url.copy_with(scheme="http", host="127.0.0.1", port=port)
            return super().handle_request(request)

    # The library has no option for the host of the image service.
    mounts = {"all://image.groupme.com": LocalTransport()}
    groupme.httpx = SimpleNamespace(Client=partial(httpx.Client, mounts=mounts))
    upload = groupme.GroupMe("any").image_url_to_groupme_image_url
    return lambda file: upload(f"{servers.url}{os.fstat(file.fileno()).st_size}")


def _s3(servers: Servers) -> Send:
    from storages.backends.s3 import S3Storage

    storage = S3Storage(
        access_key="any",
        secret_key="any",
        bucket_name="bucket",
        region_name="us-east-1",
        endpoint_url=servers.s3_url,
        file_overwrite=True,
        querystring_auth=False,
    )
    storage.bucket.create()
    return _save(storage)


SENDERS: dict[str, Callable[[Servers], Send]] = {
    OURS: _storage,
    HTTP_CLIENT: _http_client,
    "requests": _requests,
    "GroupyAPI": _groupy,
    "groupme_bot": _groupme_bot,
    "django-storages (S3)": _s3,
}
PACKAGES = {"GroupyAPI": "groupy", "groupme_bot": "groupme_bot", "django-storages (S3)": "moto"}
NOTES = (
    "The image service is a process on the same machine that reads uploads and discards them. "
    "django-groupme-images uses `GroupMeStorage.save()`, which sends chunks of 512 KiB. "
    "groupme_bot creates a client for each upload, and downloads the image first. S3 is the server "
    "of moto, which closes each connection, and keeps uploads in memory."
)
