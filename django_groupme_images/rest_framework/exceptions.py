"""Convert errors of uploads into exceptions of Django REST framework."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.exceptions import ValidationError as DjangoValidationError
from django.utils.translation import gettext_lazy as _
from rest_framework import status
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.fields import get_error_detail

from django_groupme_images.exceptions import RateLimited, ServiceError, UploadRejected
from django_groupme_images.forms.uploads import to_validation_error

__all__ = ["PictureServiceUnavailable", "convert_upload_errors"]


class PictureServiceUnavailable(APIException):  # type: ignore[misc]  # DRF is untyped.
    """
    Error 503: the image service failed, for a reason outside of the request.

    ``wait`` is the number of seconds after which the client may retry. The response contains it as
    ``Retry-After``. It is ``None`` if the image service did not send one.
    """

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = _("The image service is not responding. Please try again in a few minutes.")
    default_code = "unavailable"

    def __init__(
        self, detail: Any = None, code: str | None = None, wait: float | None = None
    ) -> None:
        super().__init__(detail, code)
        self.wait = None if wait is None else math.ceil(wait)


@contextmanager
def convert_upload_errors(submitted: Any) -> Iterator[None]:
    """
    Convert exceptions in a ``with`` block to those for which DRF sends a response.

    ``submitted`` is a file, or the URL of an image. Raise DRF's ``ValidationError`` if the image is
    invalid or rejected, and ``PictureServiceUnavailable`` if the service fails.
    """
    try:
        yield
    except DjangoValidationError as error:
        raise ValidationError(get_error_detail(error)) from error
    except ServiceError as error:
        (detail,) = get_error_detail(to_validation_error(error, submitted))
        if isinstance(error, UploadRejected):
            raise ValidationError([detail]) from error
        wait = error.retry_after if isinstance(error, RateLimited) else None
        raise PictureServiceUnavailable(detail, detail.code, wait) from error
