"""Health check for the package django-health-check."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from health_check.base import HealthCheck
from health_check.exceptions import (
    HealthCheckException,
    ServiceReturnedUnexpectedResult,
    ServiceUnavailable,
)

from .client import GroupMeClient
from .client.responses import require_image
from .conf import validated_option
from .exceptions import InvalidPicture, PictureNotFound, ServiceError, UnexpectedResponse
from .pictures import Picture
from .storage.backend import groupme_storage

__all__ = ["GroupMeImageCheck"]


@dataclass
class GroupMeImageCheck(HealthCheck):  # type: ignore[misc]  # django-health-check is untyped.
    """
    Health check that requests an image from GroupMe's CDN.

    ``url`` is the URL of an image that your site has uploaded. The check sends one ``HEAD`` request
    for it, without an access token, and uploads nothing. It fails if the CDN does not have the
    image, or does not respond. The request is not retried.

    ``timeout`` is the time limit to connect, and between two bytes.
    """

    url: str
    timeout: timedelta = field(default=timedelta(seconds=5), repr=False)

    def run(self) -> None:
        """Raise an exception of django-health-check if the image cannot be requested."""
        if failure := self._request_image():
            raise failure

    def _request_image(self) -> HealthCheckException | None:
        """Request the image, and return the reason if that fails."""
        # The exceptions are not chained, because their tracebacks would keep a socket open.
        client = GroupMeClient(
            cdn_url=validated_option(groupme_storage, "cdn_url"),
            timeout=self.timeout.total_seconds(),
            max_retries=0,
        )
        try:
            picture = Picture.parse(self.url, client.cdn_url)
            require_image(client.head(picture), picture)
        except (InvalidPicture, PictureNotFound, UnexpectedResponse) as error:
            return ServiceReturnedUnexpectedResult(str(error))
        except ServiceError as error:
            return ServiceUnavailable(str(error))
        return None
