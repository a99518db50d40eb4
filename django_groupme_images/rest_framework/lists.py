"""The serializer field for several images: validate all of them, and then upload them."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from django_groupme_images.storage.backend import MAX_CONCURRENT_UPLOADS

from .fields import GroupMeImageSerializerField

__all__ = ["GroupMeImageListField"]


class GroupMeImageListField(serializers.ListField):  # type: ignore[misc]  # DRF is untyped.
    """
    A serializer field for a list of images. It accepts files or URLs, and represents URLs.

    The validated value is a list of the validated values of a :class:`GroupMeImageSerializerField`,
    in the same order. To change the options of the items, for example ``variants`` or ``storage``,
    pass a :class:`GroupMeImageSerializerField` as ``child``. A list of more than ``max_files``
    items is invalid, as with ``max_length`` of DRF's ``ListField``.

    Nothing is uploaded unless all items are valid, and the validators of the list have accepted it.
    Then ``max_concurrent_uploads`` images are uploaded at a time, as described at
    ``GroupMeStorage.concurrent_uploads()``. The errors of invalid and rejected images have the
    indexes of the items as keys. After the first failed upload, no other upload is started, because
    a response with errors cannot keep the images.

    As for a single image, the field uploads when it is validated if the option ``upload_early`` is
    true. If it is false, the outermost serializer uploads as the last step of its validation.
    """

    child = GroupMeImageSerializerField()
    #: The number of images that are prepared and uploaded at the same time.
    max_concurrent_uploads = MAX_CONCURRENT_UPLOADS
    # The child leaves uploads to the list.
    uploads_items = True

    def __init__(self, *, max_files: int | None = None, **kwargs: Any) -> None:
        super().__init__(**{"max_length": max_files, **kwargs})

    def run_child_validation(self, data: Iterable[Any]) -> list[Any]:
        items = list(data)
        # DRF checks the length after it has validated the items.
        if self.max_length is not None and len(items) > self.max_length:
            self.fail("max_length", max_length=self.max_length)
        values: list[Any] = super().run_child_validation(items)
        return values

    def run_validators(self, value: list[Any]) -> None:
        """Run the validators of the list. Then upload the images, unless that happens later."""
        super().run_validators(value)
        if self.child.uploads_early:
            with self.concurrent_uploads(value):
                value[:] = [self._upload(index, item) for index, item in enumerate(value)]

    def concurrent_uploads(self, values: Iterable[Any]) -> AbstractContextManager[None]:
        """Upload several of the values at the same time, while the block uploads one by one."""
        files = [value for value in values if self.child.is_uploaded(value)]
        if not files:
            return nullcontext()
        storage: Any = self.child.storage
        uploads: AbstractContextManager[None] = storage.concurrent_uploads(
            files, self.max_concurrent_uploads
        )
        return uploads

    def _upload(self, index: int, value: Any) -> Any:
        try:
            return self.child.upload_validated(value) if self.child.is_uploaded(value) else value
        except ValidationError as error:
            raise ValidationError({index: error.detail}) from error
