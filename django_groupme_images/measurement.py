"""Measurement of uploads, which the client records, and the storage reports in a signal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import ParamSpec, TypeVar

__all__ = ["Measurement", "measured", "record_upload"]

P = ParamSpec("P")
T = TypeVar("T")


class Measurement:
    """
    The ``duration`` of an upload in seconds, and the ``size`` of the uploaded file in bytes.

    The size is ``None`` if the image service fetched the image from a URL.
    """

    def __init__(self) -> None:
        self.duration: float = 0
        self.size: int | None = None


_current: ContextVar[Measurement | None] = ContextVar("measurement", default=None)


def measured(upload: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> tuple[T, Measurement]:
    """
    Call ``upload`` with the arguments, and return its result and the measurement of the upload.

    The function may also start the upload in a thread with a copy of the current context. The
    measurement is complete when the upload has succeeded.
    """
    measurement = Measurement()
    token = _current.set(measurement)
    try:
        return upload(*args, **kwargs), measurement
    finally:
        _current.reset(token)


@contextmanager
def record_upload(size: int | None) -> Iterator[None]:
    """Record the size and the duration of the block, which sends a file, for :func:`measured`."""
    started = time.perf_counter()
    yield
    if measurement := _current.get():
        measurement.duration = time.perf_counter() - started
        measurement.size = size
