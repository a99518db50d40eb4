"""How much memory the emulator takes, whatever it is sent."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from PIL import Image, ImageChops, ImageStat

from django_groupme_images.emulator import EmulatorServer, PictureStore, images, record
from django_groupme_images.emulator.messages import ConnectionDropped, Request

from . import emulator_pictures as pictures

pytestmark = pytest.mark.any_django

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
MEGABYTE = 1024 * 1024


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
def test_record_of_huge_requests_is_bounded(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "_MOST_BYTES", MEGABYTE)
    log = record.Record()
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


def test_record_of_many_requests_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "_MOST_ENTRIES", 3)
    log = record.Record()
    for number in range(5):
        log.add(request(PATH_INFO=f"/{number}"))
    assert [entry["path"] for entry in log.as_list()] == ["/2", "/3", "/4"]
    log.clear()
    assert (log.as_list(), log._size) == ([], 0)
    log.add(request())
    assert log._size == log._entries[0][1]


def test_request_over_the_whole_limit_is_not_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "_MOST_BYTES", 10_000)
    log = record.Record()
    log.add(request())
    entry = log.add(request(QUERY_STRING="x" * 20_000))
    entry.status = 403
    assert (log.as_list(), log._size) == ([], 0)


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[PictureStore]:
    shared = PictureStore(tmp_path)
    yield shared
    shared.close()


def add(shared: PictureStore, data: bytes) -> Path:
    with shared.incoming() as path:
        path.write_bytes(data)
        found = shared.find(shared.add(path))
    assert found
    return found


def test_same_thumbnail_for_several_requests_is_drawn_once(
    shared: PictureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = add(shared, pictures.plain("PNG", (900, 900)))
    saved: list[object] = []
    save = Image.Image.save

    def counting(image: Image.Image, *args: Any, **options: Any) -> None:
        saved.append(args)
        save(image, *args, **options)

    monkeypatch.setattr(Image.Image, "save", counting)
    barrier = threading.Barrier(8)

    def thumbnail(_: int) -> Path:
        barrier.wait()
        return shared.thumbnail(picture, "large")

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(thumbnail, range(8)))) == 1
    assert len(saved) == 1


def test_only_one_image_is_decoded_at_a_time(
    shared: PictureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = pictures.plain("PNG", (600, 600))
    picture = add(shared, data)
    load, running, most = Image.Image.load, [0], [0]

    def loading(image: Image.Image) -> Any:
        running[0] += 1
        most[0] = max(most[0], running[0])
        try:
            return load(image)
        finally:
            running[0] -= 1

    monkeypatch.setattr(Image.Image, "load", loading)

    def work(number: int) -> None:
        variants = ("preview", "large", "avatar")
        add(shared, data) if number % 2 else shared.thumbnail(picture, variants[number % 3])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(24)))
    # An image that is loaded may load another within it, in the same thread.
    assert most[0] <= 2


def test_waiting_for_a_thumbnail_ends_with_the_store(tmp_path: Path) -> None:
    shared = PictureStore(tmp_path)
    picture = add(shared, pictures.plain())
    started, go_on = threading.Event(), threading.Event()

    def block() -> None:
        started.set()
        go_on.wait(20)

    shared._decoder.submit(block)
    assert started.wait(10)
    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(shared.thumbnail, picture, "avatar")
        while not shared._decoder._work_queue.qsize():
            pass
        closing = pool.submit(shared.close)
        with pytest.raises(ConnectionDropped):
            waiting.result(10)
        assert not closing.done()
        go_on.set()
        closing.result(10)
    with pytest.raises(ConnectionDropped):
        shared.thumbnail(picture, "avatar")


def test_picture_that_is_deleted_while_it_waits_is_missing() -> None:
    with EmulatorServer() as server, ThreadPoolExecutor(1) as pool:
        answer = requests.post(f"{server.upload_url}?token=t", pictures.plain(), timeout=10)
        url = answer.json()["payload"]["url"]
        go_on = threading.Event()
        server.store._decoder.submit(go_on.wait, 20)
        waiting = pool.submit(requests.get, f"{url}.avatar", timeout=20)
        while not server.store._decoder._work_queue.qsize():
            pass
        server.store.clear()
        go_on.set()
        assert waiting.result().status_code == 403


def test_thumbnail_in_a_broken_directory_is_an_error(caplog: Any) -> None:
    with EmulatorServer() as server:
        answer = requests.post(f"{server.upload_url}?token=t", pictures.plain(), timeout=10)
        (server.store.directory / ".incoming").rmdir()
        url = f"{answer.json()['payload']['url']}.avatar"
        assert requests.get(url, timeout=10).status_code == 500
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
def test_thumbnail_in_bands_is_as_one_of_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], format_: str, mode: str
) -> None:
    path = tmp_path / "image"
    gradient(mode, size).save(path, format_)
    for variant in ("preview", "large", "avatar"):
        whole = pictures.opened(images.draw(path, variant, "png"))
        with monkeypatch.context() as patch:
            patch.setattr(images, "_BAND", 10_000)
            banded = pictures.opened(images.draw(path, variant, "png"))
        assert banded.tobytes() == whole.tobytes()
        with monkeypatch.context() as patch:  # Neither reduced nor drafted.
            patch.setattr(images, "_GAP", 100_000)
            exact = pictures.opened(images.draw(path, variant, "png"))
        assert (exact.mode, exact.size) == (whole.mode, whole.size)
        # The eye sees no difference, except between the single dots of a dithered image.
        assert difference(exact, whole) < (8 if mode == "1" else 4)


def difference(one: Image.Image, other: Image.Image) -> float:
    """The mean difference of two images, from 0 to 255."""
    means = ImageStat.Stat(ImageChops.difference(one, other)).mean
    return sum(means) / len(means)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("format_", ["JPEG", "PNG"])
def test_large_images_take_the_memory_of_one(format_: str) -> None:
    data = pictures.plain(format_, (5000, 5000))  # 100 MB, once it is decoded
    command = [sys.executable, "-m", "django_groupme_images.emulator", "--port=0"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        upload_url = [process.stdout.readline() for _ in range(5)][1].split()[1]
        small = upload(upload_url, pictures.plain())
        assert requests.get(f"{small}.large", timeout=60).ok
        before = peak(process.pid)
        with ThreadPoolExecutor(6) as pool:
            urls = list(pool.map(lambda _: upload(upload_url, data), range(6)))
            for variant in ("large", "preview"):
                answers = pool.map(
                    lambda url: requests.get(url, timeout=60), [f"{url}.{variant}" for url in urls]
                )
                assert all(answer.ok for answer in answers)
        grown = peak(process.pid) - before
        process.terminate()
        process.communicate(timeout=20)
    assert grown < (90 if format_ == "JPEG" else 160) * MEGABYTE


def upload(upload_url: str, data: bytes) -> str:
    answer = requests.post(f"{upload_url}?token=t", io.BytesIO(data), timeout=60)
    return str(answer.json()["payload"]["url"])


def peak(pid: int) -> int:
    """The most memory that a process has had, in bytes."""
    match = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert match
    return int(match[1]) * 1024
