"""The emulator's control URLs, which the real service lacks: requests, reset, and faults."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .faults import Fault, FaultQueue
from .http import HTTPError, Request, Response, dispatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from .request_log import RequestLog

__all__ = ["CONTROL_PREFIX", "Control"]

#: The prefix of the control URLs.
CONTROL_PREFIX = "/_emulator/"

_MAX_FAULT_BYTES = 1024 * 1024


class Control:
    """
    Handler of requests for the control URLs.

    These requests are not recorded, and faults do not apply to them.
    """

    def __init__(self, record: RequestLog, faults: FaultQueue, reset: Callable[[], None]) -> None:
        self._record = record
        self._faults = faults
        self._reset = reset

    def __call__(self, request: Request) -> Response:
        name = request.path.removeprefix(CONTROL_PREFIX)
        if name == "requests":
            return dispatch(request, {"GET": self._requests})
        if name == "reset":
            return dispatch(request, {"POST": self._reset_all})
        if name == "faults":
            return dispatch(request, {"POST": self._add_fault, "DELETE": self._clear_faults})
        raise HTTPError(404, "unknown endpoint; use requests, reset, or faults")

    def _requests(self, _: Request) -> Response:
        return Response.json(self._record.as_list())

    def _reset_all(self, _: Request) -> Response:
        self._reset()
        return Response.json({})

    def _add_fault(self, request: Request) -> Response:
        self._faults.add(Fault.from_json(request.read_body(_MAX_FAULT_BYTES)))
        return Response.json({})

    def _clear_faults(self, _: Request) -> Response:
        self._faults.clear()
        return Response.json({})
