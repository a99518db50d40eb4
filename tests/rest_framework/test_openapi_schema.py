"""The OpenAPI schema that drf-spectacular generates for the serializer field."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from drf_spectacular.settings import patched_settings
from rest_framework import serializers

from django_groupme_images.rest_framework import GroupMeImageSerializerField
from django_groupme_images.rest_framework.openapi import GroupMeImageSchema
from tests.support.api import UniqueSerializer
from tests.support.serializers import VARIANTS
from tests.testapp.models import Unique

pytestmark = pytest.mark.urls("tests.support.api")

URI = {"type": "string", "format": "uri"}
URI_OR_FILE = {"type": "string", "anyOf": [{"format": "uri"}, {"format": "binary"}]}
together = {"COMPONENT_SPLIT_REQUEST": False}
split = {"COMPONENT_SPLIT_REQUEST": True}
together_31 = {"COMPONENT_SPLIT_REQUEST": False, "OAS_VERSION": "3.1.1"}
split_31 = {"COMPONENT_SPLIT_REQUEST": True, "OAS_VERSION": "3.1.1"}


def schemas(name: str) -> Any:
    output = StringIO()
    call_command(
        "spectacular",
        urlconf="tests.support.api",
        format="openapi-json",
        validate=True,
        fail_on_warn=True,
        custom_settings=f"{__name__}.{name}",
        stdout=output,
    )
    return json.loads(output.getvalue())["components"]["schemas"]


@pytest.mark.parametrize("name", ["together", "split"])
def test_response_schema_of_image_field_is_uri(name):
    components = schemas(name)
    assert components["Member"]["properties"]["photo"] == URI | {"nullable": True}
    assert components["Group"]["properties"]["photo"] == URI
    assert components["Group"]["properties"]["top"] == URI | {"nullable": True}
    assert components["Photo"]["properties"]["picture"] == URI
    assert components["Gallery"]["properties"]["pictures"]["items"] == URI
    reference = {"$ref": "#/components/schemas/GroupMeImageVariants"}
    for owner, field in [("Card", "photo"), ("Gallery", "cover")]:
        expected = {"allOf": [reference], "nullable": True}
        assert components[owner]["properties"][field] == expected


def test_response_schema_of_variants_contains_all_properties():
    variants = schemas("split")["GroupMeImageVariants"]
    unknown = {"nullable": True, "readOnly": True}
    assert variants["properties"] == {
        "url": URI,
        "width": {"type": "integer"} | unknown,
        "height": {"type": "integer"} | unknown,
        "format": {"type": "string"} | unknown,
        "preview": URI | {"readOnly": True},
        "large": URI | {"readOnly": True},
        "avatar": URI | {"readOnly": True},
    }
    assert set(variants["required"]) == set(VARIANTS)


def test_request_schema_of_image_field_is_uri_or_file():
    components = schemas("split")
    for owner in ("MemberRequest", "CardRequest", "PatchedCardRequest"):
        photo = components[owner]["properties"]["photo"]
        assert photo == URI_OR_FILE | {"nullable": True}
    assert components["GroupRequest"]["properties"]["photo"] == URI_OR_FILE
    assert components["GalleryRequest"]["properties"]["pictures"]["items"] == URI_OR_FILE


def test_schema_of_image_list_is_array_with_limit():
    components = schemas("split")
    photos = {"type": "array", "maxItems": 3}
    assert components["Gallery"]["properties"]["photos"] == photos | {"items": URI}
    assert components["GalleryRequest"]["properties"]["photos"] == photos | {"items": URI_OR_FILE}


def test_schema_in_openapi_3_1_uses_null_type():
    null = {"type": "null"}
    components = schemas("split_31")
    photo = components["MemberRequest"]["properties"]["photo"]
    assert photo == URI_OR_FILE | {"type": ["string", "null"]}
    assert components["Card"]["properties"]["photo"]["oneOf"][1] == null
    width = components["GroupMeImageVariants"]["properties"]["width"]
    assert width == {"type": ["integer", "null"], "readOnly": True}
    assert schemas("together_31")["Group"]["properties"]["photo"] == URI


@pytest.mark.parametrize("split", [False, True])
def test_schema_without_use_url_is_string(split):
    field = GroupMeImageSerializerField(use_url=False)
    schema = GroupMeImageSchema(field)
    assert schema.map_serializer_field(None, "response") == {"type": "string"}
    with patched_settings({"COMPONENT_SPLIT_REQUEST": split}):
        written = {"type": "string", "anyOf": [{"type": "string"}, {"format": "binary"}]}
        expected = written if split else {"type": "string"}
        assert schema.map_serializer_field(None, "request") == expected


def test_response_schema_of_nullable_column_ignores_allow_null():

    class Strict(serializers.ModelSerializer):
        class Meta:
            model = Unique
            fields = ["photo"]
            extra_kwargs = {"photo": {"required": True, "allow_null": False}}

    strict = Strict().fields["photo"]
    assert GroupMeImageSchema(strict).map_serializer_field(None, "response")["nullable"]
    assert UniqueSerializer().fields["photo"].allow_null
