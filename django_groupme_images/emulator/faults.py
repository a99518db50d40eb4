"""Faults: failures that are injected into the next matching requests."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any

from .http import HTTPError, Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Fault"]


@dataclass
class Fault:
    """
    A failure that is injected into the next ``times`` matching requests.

    ``kind`` is ``"status"`` (respond with ``status``, ``headers``, and ``body``), ``"delay"``
    (wait for ``seconds`` first), ``"drop"`` (close the connection, with ``before_body`` before the
    body is read), ``"half"`` (close it after half of the response), ``"garbage"`` (respond with
    HTML), or ``"redirect"`` (to ``location``). An empty ``method`` or ``path`` matches any.
    """

    kind: str
    times: int = 1
    method: str = ""
    path: str = ""
    status: int = 503
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None
    seconds: float = 0
    location: str = ""
    before_body: bool = False

    def __post_init__(self) -> None:
        self.method = self.method.upper()

    @classmethod
    def from_json(cls, content: bytes) -> Fault:
        """Create a fault from a JSON object. Raise ``HTTPError`` if it is invalid."""
        try:
            values = json.loads(content)
        except (ValueError, RecursionError):
            values = None
        if not isinstance(values, dict):
            raise HTTPError(400, f"the body is not a JSON object; {_KINDS}")
        return cls.from_values(values)

    @classmethod
    def from_values(cls, values: dict[str, Any]) -> Fault:
        """Create a fault from a dictionary of options. Raise ``HTTPError`` if one is invalid."""
        kind = values.get("kind")
        if not isinstance(kind, str) or kind not in _OPTIONS:
            raise HTTPError(400, _KINDS)
        for name, value in values.items():
            _validate(name, value, {*_COMMON, *_OPTIONS[kind]})
        for name in _REQUIRED.intersection(_OPTIONS[kind]).difference(values):
            raise HTTPError(400, f"the kind {kind} requires {name}")
        return cls(**values)

    def matches(self, request: Request) -> bool:
        """
        Return whether the fault applies to a request.

        A fault without a method does not apply to ``OPTIONS``, because browsers send such requests
        on their own.
        """
        if not self.method and request.method == "OPTIONS":
            return False
        return self.method in {"", request.method} and self.path in {"", request.path}

    def response(self) -> Response:
        """Return the response that replaces the service's own."""
        if self.kind == "redirect":
            return Response(302, headers={"Location": self.location})
        if self.kind == "garbage":
            return Response(200, b"<p>This is not JSON</p>", {"Content-Type": "text/html"})
        if self.body is None:
            response = Response.error(self.status, "injected fault")
        else:
            response = Response(self.status, self.body.encode(), {"Content-Type": "text/plain"})
        response.headers |= {name.title(): value for name, value in self.headers.items()}
        return response


class FaultQueue:
    """A queue of faults. The oldest fault that matches a request applies to it."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = Lock()

    def add(self, fault: Fault) -> None:
        """Append a fault to the queue."""
        with self._lock:
            self._faults.append(fault)

    def consume(self, request: Request) -> Fault | None:
        """Return the first matching fault, if any, and count down its ``times``."""
        with self._lock:
            fault = next((fault for fault in self._faults if fault.matches(request)), None)
            if fault:
                fault.times -= 1
                if not fault.times:
                    self._faults.remove(fault)
            return fault

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._faults.clear()


# The options of each kind, in addition to the common ones.
_OPTIONS = {
    "status": ("status", "headers", "body"),
    "delay": ("seconds",),
    "drop": ("before_body",),
    "half": (),
    "garbage": (),
    "redirect": ("location",),
}

_KINDS = f"kind must be one of {', '.join(_OPTIONS)}"

_COMMON = ("kind", "times", "method", "path")

_REQUIRED = {"seconds", "location"}

# A fault must not change the headers that determine the end of the response, because the client
# would wait for more.
_FRAMING_HEADERS = ("content-length", "transfer-encoding")


def _is_header_value(value: object) -> bool:
    return isinstance(value, str) and value.isprintable() and value.isascii()


def _is_header_dict(value: object) -> bool:
    return isinstance(value, dict) and all(
        _is_header_value(header_value)
        and re.fullmatch("[A-Za-z0-9-]+", name)
        and name.lower() not in _FRAMING_HEADERS
        for name, header_value in value.items()
    )


# For each option, a check of its value and a description. Numbers are checked with type(),
# because isinstance() accepts booleans as integers.
_VALIDATORS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "kind": (lambda value: isinstance(value, str), "a string"),
    "times": (lambda value: type(value) is int and value > 0, "an integer of 1 or more"),
    "method": (lambda value: isinstance(value, str), "a string"),
    "path": (
        lambda value: isinstance(value, str) and value[:1] in {"", "/"},
        "a string that starts with /",
    ),
    "status": (
        lambda value: type(value) is int and 200 <= value < 600,
        "an integer from 200 to 599",
    ),
    "headers": (
        _is_header_dict,
        f"an object of one-line ASCII strings, without {' and '.join(_FRAMING_HEADERS)}",
    ),
    "body": (lambda value: isinstance(value, str), "a string"),
    "seconds": (
        lambda value: type(value) in {int, float} and 0 <= value <= 3600,
        "a number from 0 to 3600",
    ),
    "location": (_is_header_value, "a one-line ASCII string"),
    "before_body": (lambda value: isinstance(value, bool), "true or false"),
}


def _validate(name: str, value: object, allowed: set[str]) -> None:
    if name not in allowed:
        raise HTTPError(
            400, f"unknown option {name!r}; valid options: {', '.join(sorted(allowed))}"
        )
    is_valid, description = _VALIDATORS[name]
    if not is_valid(value):
        raise HTTPError(400, f"{name} must be {description}")
