"""Requests to Django's ASGI handler as a server makes them, and tests in an event loop."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from asgiref.sync import async_to_sync
from django.core.handlers.asgi import ASGIHandler
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart


def in_event_loop(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run an asynchronous test as Django's test cases do: with the database of this thread."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        async_to_sync(test)(*args, **kwargs)

    return run


@dataclass
class Sent:
    """The response of the handler, which is empty if the client disconnected first."""

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


async def request(
    handler: ASGIHandler,
    path: str,
    data: dict[str, Any] | None = None,
    is_left: Callable[[Sent], bool] = lambda sent: False,
) -> Sent:
    """GET a path, or POST a form. The client disconnects as soon as ``is_left`` returns true."""
    body = b"" if data is None else encode_multipart(BOUNDARY, data)
    scope = {
        "type": "http",
        "method": "GET" if data is None else "POST",
        "path": path,
        "headers": [
            (b"host", b"testserver"),
            (b"content-type", MULTIPART_CONTENT.encode()),
            (b"content-length", str(len(body)).encode()),
        ],
        "query_string": b"",
    }
    messages = [{"type": "http.request", "body": body}]
    sent = Sent()

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop()
        while not is_left(sent):
            await asyncio.sleep(0.001)
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            sent.status = message["status"]
            sent.headers = {key.decode(): value.decode() for key, value in message["headers"]}
        sent.body += message.get("body", b"")

    await handler(scope, receive, send)
    return sent
