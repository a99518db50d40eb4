"""A picture of another site, which the service fetches itself (documented)."""

from __future__ import annotations

import time
from contextlib import suppress
from queue import Empty, Queue
from threading import Event, Thread
from typing import TYPE_CHECKING

import requests
from urllib3.exceptions import HTTPError

from .messages import BLOCK, ConnectionDropped, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["fetched"]

# The real service's limits are unknown. These keep a fetch from running for ever.
_TIMEOUT = 10  # seconds to connect, and between bytes
_DEADLINE = 30  # seconds in all
_LIMIT = 64 * 1024 * 1024  # bytes

# How long, in seconds, the emulator's end may go unnoticed.
_PATIENCE = 0.1


def fetched(url: str, stopping: Event) -> Iterator[bytes]:
    """
    The bytes behind a URL, a block at a time, until ``stopping`` is set.

    Raises ``Refused`` if they cannot be had, and ``ConnectionDropped`` if ``stopping`` is set.
    """
    if not url.lower().startswith(("http://", "https://")):
        raise Refused(400, "the url is not one of http or https")
    fetch = _Fetch(url)
    Thread(target=fetch.run, name="groupme-emulator-fetch", daemon=True).start()
    size = 0
    try:
        for block in fetch.blocks(time.monotonic() + _DEADLINE, stopping):
            size += len(block)
            if size > _LIMIT:
                raise Refused(400, "the url's image is too large")
            yield block
    finally:
        fetch.give_up()


class _Fetch:
    """
    A request in a thread of its own, which hands over one block after the other.

    A remote that sends a byte now and then, or nothing, holds up that thread alone.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        # One block waits at most, so that a large picture is never in memory.
        self._found: Queue[bytes | Exception] = Queue(1)
        self._given_up = Event()

    def run(self) -> None:
        """Fetch, in the thread; the last that is handed over is empty, or an error."""
        try:
            with requests.get(self._url, stream=True, timeout=_TIMEOUT) as answer:
                answer.raise_for_status()
                # What is there, be it a byte: a whole block may be long in coming.
                while block := answer.raw.read1(BLOCK, True):
                    self._found.put(block)
                    if self._given_up.is_set():
                        return
            self._found.put(b"")
        except (OSError, HTTPError, ValueError) as error:
            self._found.put(error)

    def blocks(self, deadline: float, stopping: Event) -> Iterator[bytes]:
        """What the thread hands over, until a time of the monotonic clock."""
        while time.monotonic() < deadline:
            if stopping.is_set():
                raise ConnectionDropped("the emulator stops")
            with suppress(Empty):
                found = self._found.get(timeout=_PATIENCE)
                if isinstance(found, Exception):
                    name = type(found).__name__
                    raise Refused(400, f"the url cannot be fetched: {name}") from found
                if not found:
                    return
                yield found
        raise Refused(400, "the url's image is too slow")

    def give_up(self) -> None:
        """Let the thread end, at the latest when the remote's next bytes do not come in time."""
        self._given_up.set()
        # The thread may wait to hand over what nobody takes any more. It hands over one more
        # at most before it ends.
        with suppress(Empty):
            self._found.get_nowait()
