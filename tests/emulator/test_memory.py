"""Tests of the memory that the request log, uploads, and thumbnails need."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from PIL import Image, ImageChops, ImageStat

from django_groupme_images.emulator import EmulatorServer, PictureStore, request_log, thumbnails
from django_groupme_images.emulator.http import ConnectionDropped, Request
from tests import ROOT
from tests.support import emulator_pictures as pictures
from tests.support.deadlines import DEADLINE, wait_until
from tests.support.emulator_requests import MEGABYTE, peak_memory

pytestmark = pytest.mark.any_django

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def request(**environ: str) -> Request:
    return Request({"REQUEST_METHOD": "GET", "SERVER_NAME": "x", "PATH_INFO": "/cat"} | environ)


HUGE = {
    "path": lambda n: {"PATH_INFO": f"/{n}{'x' * 60_000}"},
    "wide path": lambda n: {
        "PATH_INFO": f"/{n}" + "\U0001f600".encode().decode("latin-1") * 15_000
    },
    "query": lambda n: {"QUERY_STRING": f"a={n}{'x' * 60_000}"},
    "parameters": lambda n: {"QUERY_STRING": "&".join(f"{i}={n}" for i in range(1_000))},
    "headers": lambda n: {f"HTTP_X_{i}": f"{n}{'y' * 60_000}" for i in range(10)},
    "small headers": lambda n: {f"HTTP_X_{i}": str(n) for i in range(100)},
}


@pytest.mark.parametrize("kind", HUGE)
def test_request_log_of_huge_requests_is_bounded(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_log, "_MAX_BYTES", MEGABYTE)
    log = request_log.RequestLog()
    log.add(request())
    tracemalloc.start()
    try:
        for number in range(100):
            log.add(request(**HUGE[kind](number)))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 2 * MEGABYTE
    entries = log.as_list()
    assert 0 < len(entries) < 100
    assert str(99) in str(entries[-1])


def test_request_log_of_many_requests_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_log, "_MAX_ENTRIES", 3)
    log = request_log.RequestLog()
    for number in range(5):
        log.add(request(PATH_INFO=f"/{number}"))
    assert [entry["path"] for entry in log.as_list()] == ["/2", "/3", "/4"]
    log.clear()
    assert (log.as_list(), log._size) == ([], 0)
    log.add(request())
    assert log._size == log._entries[0][1]


def test_request_larger_than_limit_is_not_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_log, "_MAX_BYTES", 10_000)
    log = request_log.RequestLog()
    log.add(request())
    entry = log.add(request(QUERY_STRING="x" * 20_000))
    entry.status = 403
    assert (log.as_list(), log._size) == ([], 0)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[PictureStore]:
    store = PictureStore(tmp_path)
    yield store
    store.close()


def add(store: PictureStore, data: bytes) -> Path:
    with store.incoming() as path:
        path.write_bytes(data)
        found = store.find(store.add(path))
    assert found
    return found


@contextmanager
def blocked_decoder(store: PictureStore) -> Iterator[Callable[[int], None]]:
    """Block the decoder's thread, and yield a function that waits for a number of pending calls."""
    started, resume = threading.Event(), threading.Event()

    def block() -> None:
        started.set()
        resume.wait(DEADLINE)

    def wait_for_calls(number: int) -> None:
        wait_until(lambda: store._decoder._work_queue.qsize() >= number)

    store._decoder.submit(block)
    assert started.wait(DEADLINE)
    try:
        yield wait_for_calls
    finally:
        resume.set()


def test_thumbnail_for_concurrent_requests_is_made_once(
    store: PictureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = add(store, pictures.plain("PNG", (900, 900)))
    saved: list[object] = []
    save = Image.Image.save

    def counting_save(image: Image.Image, *args: Any, **options: Any) -> None:
        saved.append(args)
        save(image, *args, **options)

    monkeypatch.setattr(Image.Image, "save", counting_save)
    with ThreadPoolExecutor(8) as pool:
        with blocked_decoder(store) as wait_for_calls:
            pending = [pool.submit(store.thumbnail, picture, "large") for _ in range(8)]
            wait_for_calls(8)  # All threads have found that there is no thumbnail yet.
        assert len({call.result() for call in pending}) == 1
    assert len(saved) == 1


def test_images_from_concurrent_requests_are_decoded_one_at_a_time(
    store: PictureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = pictures.plain("PNG", (600, 600))
    picture = add(store, data)
    load, running, peak = Image.Image.load, [0], [0]

    def counting_load(image: Image.Image) -> Any:
        running[0] += 1
        peak[0] = max(peak[0], running[0])
        try:
            return load(image)
        finally:
            running[0] -= 1

    monkeypatch.setattr(Image.Image, "load", counting_load)

    def work(number: int) -> None:
        variants = ("preview", "large", "avatar")
        add(store, data) if number % 2 else store.thumbnail(picture, variants[number % 3])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(24)))
    # Loading an image may load a second one in the same thread.
    assert peak[0] <= 2


def test_thumbnail_request_when_store_closes_is_dropped(tmp_path: Path) -> None:
    store = PictureStore(tmp_path)
    picture = add(store, pictures.plain())
    with ThreadPoolExecutor(2) as pool:
        with blocked_decoder(store) as wait_for_calls:
            pending = pool.submit(store.thumbnail, picture, "avatar")
            wait_for_calls(1)
            closing = pool.submit(store.close)
            with pytest.raises(ConnectionDropped):
                pending.result(DEADLINE)
            assert not closing.done()
        closing.result(DEADLINE)
    with pytest.raises(ConnectionDropped):
        store.thumbnail(picture, "avatar")


def test_thumbnail_of_image_deleted_while_pending_is_missing() -> None:
    with EmulatorServer() as server, ThreadPoolExecutor(1) as pool:
        response = requests.post(f"{server.upload_url}?token=t", pictures.plain(), timeout=DEADLINE)
        url = response.json()["payload"]["url"]
        with blocked_decoder(server.store) as wait_for_calls:
            pending = pool.submit(requests.get, f"{url}.avatar", timeout=DEADLINE)
            wait_for_calls(1)  # The server has found the image.
            server.store.clear()
        assert pending.result().status_code == 403


def test_thumbnail_without_working_directory_returns_500(caplog: Any) -> None:
    with EmulatorServer() as server:
        response = requests.post(f"{server.upload_url}?token=t", pictures.plain(), timeout=DEADLINE)
        (server.store.directory / ".incoming").rmdir()
        url = f"{response.json()['payload']['url']}.avatar"
        assert requests.get(url, timeout=DEADLINE).status_code == 500
    assert "FileNotFoundError" in caplog.text


def gradient(mode: str, size: tuple[int, int]) -> Image.Image:
    red = Image.linear_gradient("L").resize(size)
    image = Image.merge("RGB", [red, red.transpose(Image.Transpose.ROTATE_180), red])
    if mode == "I;16":
        return red.point(lambda value: value * 256, "I").convert("I;16")
    image = image.convert(mode)
    if mode == "RGBA":
        image.putalpha(red)
    return image


@pytest.mark.parametrize("size", [(2000, 2000), (2501, 499), (397, 2003), (5000, 30), (700, 699)])
@pytest.mark.parametrize(
    ("format_", "mode"),
    [
        ("JPEG", "RGB"),
        ("JPEG", "L"),
        ("JPEG", "CMYK"),
        ("PNG", "RGB"),
        ("PNG", "RGBA"),
        ("PNG", "P"),
        ("PNG", "1"),
        ("PNG", "I;16"),
        ("GIF", "P"),
    ],
)
def test_thumbnail_made_in_bands_equals_one_of_complete_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], format_: str, mode: str
) -> None:
    path = tmp_path / "image"
    gradient(mode, size).save(path, format_)
    for variant in ("preview", "large", "avatar"):
        complete = pictures.opened(thumbnails.make_thumbnail(path, variant, "png"))
        with monkeypatch.context() as patch:
            patch.setattr(thumbnails, "_BAND_PIXELS", 10_000)
            banded = pictures.opened(thumbnails.make_thumbnail(path, variant, "png"))
        assert banded.tobytes() == complete.tobytes()
        with monkeypatch.context() as patch:  # Without reducing or draft mode.
            patch.setattr(thumbnails, "_REDUCING_GAP", 100_000)
            exact = pictures.opened(thumbnails.make_thumbnail(path, variant, "png"))
        assert (exact.mode, exact.size) == (complete.mode, complete.size)
        # The difference is invisible, apart from the dots of a dithered image.
        assert difference(exact, complete) < (8 if mode == "1" else 4)


def difference(one: Image.Image, other: Image.Image) -> float:
    """Return the mean difference of two images, from 0 to 255."""
    means = ImageStat.Stat(ImageChops.difference(one, other)).mean
    return sum(means) / len(means)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="requires /proc")
@pytest.mark.parametrize("format_", ["JPEG", "PNG"])
def test_concurrent_large_images_need_memory_of_one(format_: str) -> None:
    data = pictures.plain(format_, (5000, 5000))  # The decoded image has 100 MB.
    command = [sys.executable, "-m", "django_groupme_images.emulator", "--port=0"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        startup_output = [process.stdout.readline() for _ in range(10)]
        upload_url = startup_output[5].split('"')[1]
        small = upload_image(upload_url, pictures.plain())
        assert requests.get(f"{small}.large", timeout=DEADLINE).ok
        before = peak_memory(process.pid)
        with ThreadPoolExecutor(6) as pool:
            urls = list(pool.map(lambda _: upload_image(upload_url, data), range(6)))
            for variant in ("large", "preview"):
                responses = pool.map(
                    lambda url: requests.get(url, timeout=DEADLINE),
                    [f"{url}.{variant}" for url in urls],
                )
                assert all(response.ok for response in responses)
        grown = peak_memory(process.pid) - before
        process.terminate()
        process.communicate(timeout=DEADLINE)
    assert grown < (90 if format_ == "JPEG" else 160) * MEGABYTE


def upload_image(upload_url: str, data: bytes) -> str:
    response = requests.post(f"{upload_url}?token=t", io.BytesIO(data), timeout=DEADLINE)
    return str(response.json()["payload"]["url"])
