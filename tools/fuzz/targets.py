"""Targets of the fuzzer, which check the properties in ``tests/properties`` for arbitrary bytes."""

from __future__ import annotations

import atexit
import re
from collections.abc import Callable
from functools import cache

from tests.properties.picture import check_url
from tests.properties.request import Emulator
from tests.properties.response import check_cdn, check_response
from tests.properties.signed_token import check_signed, check_unsigned


def picture(data: bytes) -> None:
    """Check a URL with the default CDN and with that of an emulator."""
    url = data.decode("utf-8", "surrogateescape")  # Lone surrogates may occur.
    check_url(url)
    check_url(url, "http://127.0.0.1:8001/")


def response(data: bytes) -> None:
    """Check a response of the image service, and the same response of the CDN."""
    check_response(data)
    check_cdn(data)


def signed(data: bytes) -> None:
    """Check the value of the hidden input, and a file name that a form would sign."""
    text = data.decode("utf-8", "replace")
    check_unsigned(text)
    if text and not re.match("https?:/", text, re.IGNORECASE):
        check_signed(text[:20])


def request(data: bytes) -> None:
    """Check the responses of the emulator to the bytes of a connection."""
    _emulator().check(data)


@cache
def _emulator() -> Emulator:
    emulator = Emulator()
    atexit.register(emulator.app.store.close)
    return emulator


TARGETS: dict[str, Callable[[bytes], None]] = {
    "picture": picture,
    "response": response,
    "signed": signed,
    "request": request,
}
