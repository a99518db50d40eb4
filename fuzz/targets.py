"""What is fuzzed: from the fuzzer's bytes to the properties that the tests know, too."""

from __future__ import annotations

import atexit
import re
from collections.abc import Callable
from functools import cache

from tests.properties.answer import check_answer, check_cdn
from tests.properties.carried import check_signed, check_unsigned
from tests.properties.picture import check_url
from tests.properties.request import Emulator


def picture(data: bytes) -> None:
    """A URL, on the service's CDN and on an emulator's."""
    url = data.decode("utf-8", "surrogateescape")  # half characters, too
    check_url(url)
    check_url(url, "http://127.0.0.1:8001/")


def answer(data: bytes) -> None:
    """All that the service sends after an upload, or the CDN."""
    check_answer(data)
    check_cdn(data)


def carried(data: bytes) -> None:
    """The text of a hidden input; and what a form would sign, if it is a file's name."""
    text = data.decode("utf-8", "replace")
    check_unsigned(text)
    if text and not re.match("https?:/", text, re.IGNORECASE):
        check_signed(text[:20])


def request(data: bytes) -> None:
    """All that a client sends on a connection to the emulator."""
    _emulator().check(data)


@cache
def _emulator() -> Emulator:
    emulator = Emulator()
    atexit.register(emulator.app.store.close)
    return emulator


TARGETS: dict[str, Callable[[bytes], None]] = {
    "picture": picture,
    "answer": answer,
    "carried": carried,
    "request": request,
}
