"""The part of ``GroupMeStorage`` that sends signals about the results of uploads."""

from __future__ import annotations

import logging
from collections.abc import Callable
from copy import copy
from typing import ParamSpec, TypeVar

from django_groupme_images.conf import ConfiguredStorage
from django_groupme_images.exceptions import ServiceError
from django_groupme_images.measurement import Measurement
from django_groupme_images.pictures import Picture
from django_groupme_images.signals import (
    picture_uploaded,
    send,
    upload_failed,
    upload_postponed,
)

__all__ = ["ReportingStorage"]

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


class ReportingStorage(ConfiguredStorage):
    """Base class of ``GroupMeStorage`` with the signals about the results of uploads."""

    def report_uploaded(self, name: str, picture: Picture, measurement: Measurement) -> None:
        """Send ``picture_uploaded`` for an image whose former name is ``name``."""
        send(
            picture_uploaded,
            type(self),
            storage=self,
            picture=picture,
            name=name,
            duration=measurement.duration,
            size=measurement.size,
        )

    def report_postponed(self, name: str, saved_name: str, error: ServiceError) -> None:
        """Log that a file was saved to the fallback storage, and send ``upload_postponed``."""
        logger.warning(
            "Postponed the upload of %.200r, and saved it to the fallback storage as %r: %s",
            name,
            saved_name,
            error,
        )
        send(upload_postponed, type(self), storage=self, name=saved_name, error=error)

    def report_failed(self, name: str, error: ServiceError) -> None:
        """Send ``upload_failed`` for a file that was neither uploaded nor postponed."""
        # The traceback would keep a socket open for as long as a receiver, or the frame of a
        # receiver that failed, refers to the error. The copy has none.
        error = copy(error)
        send(upload_failed, type(self), storage=self, name=name, error=error)

    def with_failure_reported(
        self, name: str, upload: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call ``upload`` with the arguments. If it raises ``ServiceError``, report the failure."""
        try:
            return upload(*args, **kwargs)
        except ServiceError as error:
            failure = error
        # In the except block, the error would be the context of a receiver's exception.
        self.report_failed(name, failure)
        try:
            raise failure
        finally:
            del failure  # The traceback refers to this frame.
