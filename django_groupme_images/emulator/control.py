"""The emulator's own URLs, which the service does not have: requests, reset, and faults."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .faults import Fault, Faults
from .messages import Answer, Refused, Request, dispatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from .record import Record

__all__ = ["CONTROL", "Control"]

#: The path that the URLs begin with.
CONTROL = "/_emulator/"

_LONGEST_FAULT = 1024 * 1024  # bytes


class Control:
    """Answer requests for the emulator's own URLs, which are neither logged nor made to fail."""

    def __init__(self, record: Record, faults: Faults, reset: Callable[[], None]) -> None:
        self._record = record
        self._faults = faults
        self._reset = reset

    def __call__(self, request: Request) -> Answer:
        name = request.path.removeprefix(CONTROL)
        if name == "requests":
            return dispatch(request, {"GET": self._requests})
        if name == "reset":
            return dispatch(request, {"POST": self._reset_all})
        if name == "faults":
            return dispatch(request, {"POST": self._add_fault, "DELETE": self._clear_faults})
        raise Refused(404, "there are requests, reset and faults")

    def _requests(self, _: Request) -> Answer:
        return Answer.json(self._record.as_list())

    def _reset_all(self, _: Request) -> Answer:
        self._reset()
        return Answer.json({})

    def _add_fault(self, request: Request) -> Answer:
        self._faults.add(Fault.from_json(request.body(_LONGEST_FAULT)))
        return Answer.json({})

    def _clear_faults(self, _: Request) -> Answer:
        self._faults.clear()
        return Answer.json({})
