"""Failures that a test asks for: which, for which requests, and how often."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any

from .messages import Answer, Refused, Request

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Fault", "Faults"]


@dataclass
class Fault:
    """The next ``times`` requests that match fail in the way that ``kind`` says."""

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
    def from_json(cls, text: bytes) -> Fault:
        """Read a fault. Raises ``Refused`` with what is allowed."""
        try:
            values = json.loads(text)
        except (ValueError, RecursionError):
            values = None
        if not isinstance(values, dict):
            raise Refused(400, f"not a JSON object; kind is one of {', '.join(_OPTIONS)}")
        return cls.from_values(values)

    @classmethod
    def from_values(cls, values: dict[str, Any]) -> Fault:
        """A fault of these values. Raises ``Refused`` with what is allowed."""
        kind = values.get("kind")
        if not isinstance(kind, str) or kind not in _OPTIONS:
            raise Refused(400, f"kind is one of {', '.join(_OPTIONS)}")
        for name, value in values.items():
            _check(name, value, {*_COMMON, *_OPTIONS[kind]})
        for name in _REQUIRED.intersection(_OPTIONS[kind]).difference(values):
            raise Refused(400, f"{kind} needs {name}")
        return cls(**values)

    def matches(self, request: Request) -> bool:
        """
        Whether the fault is for a request like this; no method or path means any.

        ``OPTIONS`` has to be named, because browsers send such requests on their own.
        """
        if not self.method and request.method == "OPTIONS":
            return False
        return self.method in {"", request.method} and self.path in {"", request.path}

    def answer(self) -> Answer:
        """The answer that is given in place of the service's own."""
        if self.kind == "redirect":
            return Answer(302, headers={"Location": self.location})
        if self.kind == "garbage":
            return Answer(200, b"<p>This is not JSON</p>", {"Content-Type": "text/html"})
        if self.body is None:
            answer = Answer.error(self.status, "a fault that was asked for")
        else:
            answer = Answer(self.status, self.body.encode(), {"Content-Type": "text/plain"})
        answer.headers |= {name.title(): value for name, value in self.headers.items()}
        return answer


class Faults:
    """The faults that are still to come, used up in the order in which they were added."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = Lock()

    def add(self, fault: Fault) -> None:
        """Make ``fault.times`` of the next requests fail."""
        with self._lock:
            self._faults.append(fault)

    def take(self, request: Request) -> Fault | None:
        """Use up one time of the first fault that matches, if any does."""
        with self._lock:
            fault = next((fault for fault in self._faults if fault.matches(request)), None)
            if fault:
                fault.times -= 1
                if not fault.times:
                    self._faults.remove(fault)
            return fault

    def clear(self) -> None:
        """Forget every fault."""
        with self._lock:
            self._faults.clear()


# The options of each kind, beside those that all have.
_OPTIONS = {
    "status": ("status", "headers", "body"),
    "delay": ("seconds",),
    "drop": ("before_body",),
    "half": (),
    "garbage": (),
    "redirect": ("location",),
}

_COMMON = ("kind", "times", "method", "path")

_REQUIRED = {"seconds", "location"}

# Headers that say where the answer ends; a wrong one would only make the client hang.
_OURS = ("content-length", "transfer-encoding")


def _is_header_text(value: object) -> bool:
    return isinstance(value, str) and value.isprintable() and value.isascii()


def _are_headers(value: object) -> bool:
    return isinstance(value, dict) and all(
        _is_header_text(text) and re.fullmatch("[A-Za-z0-9-]+", name) and name.lower() not in _OURS
        for name, text in value.items()
    )


# Booleans are integers to Python, hence type() where a number is meant.
_VALUES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "kind": (lambda value: isinstance(value, str), "text"),
    "times": (lambda value: type(value) is int and value > 0, "a whole number from 1 up"),
    "method": (lambda value: isinstance(value, str), "text"),
    "path": (
        lambda value: isinstance(value, str) and value[:1] in {"", "/"},
        "text that begins with /",
    ),
    "status": (lambda value: type(value) is int and 200 <= value < 600, "200 to 599"),
    "headers": (_are_headers, f"an object of one-line texts, without {' and '.join(_OURS)}"),
    "body": (lambda value: isinstance(value, str), "text"),
    "seconds": (lambda value: type(value) in {int, float} and 0 <= value <= 3600, "0 to 3600"),
    "location": (_is_header_text, "one line of text"),
    "before_body": (lambda value: isinstance(value, bool), "true or false"),
}


def _check(name: str, value: object, allowed: set[str]) -> None:
    if name not in allowed:
        raise Refused(400, f"the options are {', '.join(sorted(allowed))}")
    is_right, what = _VALUES[name]
    if not is_right(value):
        raise Refused(400, f"{name} is {what}")
