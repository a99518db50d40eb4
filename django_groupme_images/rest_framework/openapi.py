"""OpenAPI schema of the serializer field. drf-spectacular uses it if this module is imported."""

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

from django_groupme_images.pictures import VARIANTS

__all__ = ["GroupMeImageSchema"]


class GroupMeImageSchema(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    """
    Schema of ``GroupMeImageSerializerField`` in requests and responses.

    JSON and multipart requests share a component. With ``COMPONENT_SPLIT_REQUEST``, it accepts a
    URL or a file. Without that setting, it is the component of the response, as for the file fields
    of drf-spectacular itself.
    """

    target_class = "django_groupme_images.rest_framework.GroupMeImageSerializerField"
    match_subclasses = True

    def map_serializer_field(self, auto_schema: Any, direction: Direction) -> dict[str, Any]:
        """Return the schema of a string or a file for requests, else that of a representation."""
        # Without use_url, files that are not on GroupMe are represented by names.
        has_urls = self.target.use_url
        if direction == "request" and spectacular_settings.COMPONENT_SPLIT_REQUEST:
            string = {"format": "uri"} if has_urls else {"type": "string"}
            # "type" is outside of "anyOf", because drf-spectacular adds null to it. "oneOf" would
            # be wrong, because a client that ignores "format" finds that a string matches both.
            return {"type": "string", "anyOf": [string, {"format": "binary"}]}
        string = _basic_schema(OpenApiTypes.URI if has_urls else OpenApiTypes.STR)
        schema = _variants_reference(auto_schema) if self.target.variants else string
        return {**schema, "nullable": True} if self._is_nullable() else schema

    def _is_nullable(self) -> bool:
        """Return whether the representation may be ``None``."""
        if (field := self.target.model_field) is not None:
            return bool(field.blank or field.null)
        return self.target.allow_null or not self.target.required


def _variants_reference(auto_schema: Any) -> dict[str, Any]:
    """
    Return a reference to the component of an image with its variants.

    It is a component so that generated clients have a named type for it.
    """
    component = ResolvedComponent(  # type: ignore[no-untyped-call]
        "GroupMeImageVariants",
        ResolvedComponent.SCHEMA,
        schema=_variants_schema(),
        object=GroupMeImageSchema,
    )
    auto_schema.registry.register_on_missing(component)
    return component.ref


def _variants_schema() -> dict[str, Any]:
    read_only = {"readOnly": True}
    may_be_unknown = {"nullable": True, "readOnly": True}
    properties = {
        "url": _basic_schema(OpenApiTypes.URI),  # Requests need only this property.
        "width": append_meta(_basic_schema(OpenApiTypes.INT), may_be_unknown),
        "height": append_meta(_basic_schema(OpenApiTypes.INT), may_be_unknown),
        "format": append_meta(_basic_schema(OpenApiTypes.STR), may_be_unknown),
        **{name: append_meta(_basic_schema(OpenApiTypes.URI), read_only) for name in VARIANTS},
    }
    return build_object_type(properties, required=list(properties))


def _basic_schema(openapi_type: OpenApiTypes) -> dict[str, Any]:
    return dict(build_basic_type(openapi_type) or {})
