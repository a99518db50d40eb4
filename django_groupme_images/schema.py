"""The serializer field in OpenAPI. drf-spectacular finds what is imported."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from drf_spectacular.plumbing import (
    ResolvedComponent,
    append_meta,
    build_basic_type,
    build_object_type,
)
from drf_spectacular.settings import spectacular_settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import Direction

from .pictures import VARIANTS

__all__ = ["GroupMeImageSchema"]


class GroupMeImageSchema(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    """
    What the field takes and gives.

    One component serves JSON and multipart alike, so that where requests have components
    of their own (``COMPONENT_SPLIT_REQUEST``), one is an address or a file. Elsewhere, as
    with drf-spectacular's own file fields, the component is that of the answer.
    """

    target_class = "django_groupme_images.rest_framework.GroupMeImageSerializerField"
    match_subclasses = True

    def map_serializer_field(self, auto_schema: Any, direction: Direction) -> dict[str, Any]:
        """A file or an address, where only requests are meant; else what is read."""
        if direction == "request" and spectacular_settings.COMPONENT_SPLIT_REQUEST:
            # The type stands outside, because null is added to it; and not oneOf, because to
            # whoever ignores formats a text is both.
            return {"type": "string", "anyOf": [{"format": "uri"}, {"format": "binary"}]}
        read = _variants(auto_schema) if self.target.variants else _basic(OpenApiTypes.URI)
        return {**read, "nullable": True} if self._can_be_none() else read

    def _can_be_none(self) -> bool:
        if (field := self.target.model_field) is not None:
            return bool(field.blank or field.null)
        return self.target.allow_null or not self.target.required


def _variants(auto_schema: Any) -> dict[str, Any]:
    """A reference to the object, which gives it a name in what is generated from the schema."""
    component = ResolvedComponent(  # type: ignore[no-untyped-call]
        "GroupMeImageVariants",
        ResolvedComponent.SCHEMA,
        schema=_object(),
        object=GroupMeImageSchema,
    )
    auto_schema.registry.register_on_missing(component)
    return component.ref


def _object() -> dict[str, Any]:
    unknown = {"nullable": True, "readOnly": True}
    properties = {
        "url": _basic(OpenApiTypes.URI),  # all that counts where the object is written
        "width": append_meta(_basic(OpenApiTypes.INT), unknown),
        "height": append_meta(_basic(OpenApiTypes.INT), unknown),
        "format": append_meta(_basic(OpenApiTypes.STR), unknown),
        **{name: append_meta(_basic(OpenApiTypes.URI), {"readOnly": True}) for name in VARIANTS},
    }
    return build_object_type(properties, required=list(properties))


def _basic(kind: OpenApiTypes) -> dict[str, Any]:
    return dict(build_basic_type(kind) or {})
