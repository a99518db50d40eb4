"""The field of a model serializer: its class, its model field, and its storage."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from django.utils.functional import Promise
from rest_framework import serializers

import django_groupme_images.rest_framework
from django_groupme_images.rest_framework import (
    GroupMeImageSerializerField,
    PictureServiceUnavailable,
)
from django_groupme_images.storage import groupme_storage
from tests.support.api import GallerySerializer, GroupSerializer, MemberSerializer
from tests.testapp.models import Album, Member, Photo, Plain

pytestmark = pytest.mark.urls("tests.support.api")


def test_model_serializer_for_groupme_field_uses_groupme_serializer_field():
    field = MemberSerializer().fields["photo"]
    assert type(field) is GroupMeImageSerializerField
    assert isinstance(field, serializers.ImageField)
    assert (field.required, field.allow_null, field.max_length) == (False, True, 100)
    field = GroupSerializer().fields["photo"]
    assert (field.required, field.allow_null) == (True, False)


def test_model_serializer_for_image_field_uses_drf_image_field():
    class PlainSerializer(serializers.ModelSerializer):
        class Meta:
            model = Plain
            fields = ["photo"]

    assert type(PlainSerializer().fields["photo"]) is serializers.ImageField


def test_django_setup_in_minimal_project_imports_no_optional_packages():
    code = """if True:
        import sys, django
        from django.conf import settings
        settings.configure(INSTALLED_APPS=["django_groupme_images"])
        django.setup()
        print({"rest_framework", "drf_spectacular", "PIL", "requests"} & set(sys.modules))
    """
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert process.stdout == "set()\n", process.stderr


def test_rest_framework_package_exports_public_names():
    module = django_groupme_images.rest_framework
    assert module.__all__ == [
        "GroupMeImageListField",
        "GroupMeImageSerializerField",
        "PictureServiceUnavailable",
        "register",
    ]
    assert all(hasattr(module, name) for name in module.__all__)


def test_field_storage_for_model_field_is_its_storage():
    class PlainSerializer(serializers.ModelSerializer):
        other = GroupMeImageSerializerField()
        renamed = GroupMeImageSerializerField(source="other")
        explicit = GroupMeImageSerializerField(source="photo", storage=groupme_storage)

        class Meta:
            model = Plain
            fields = ["other", "renamed", "explicit"]

    fields = PlainSerializer().fields
    own = Plain._meta.get_field("other").storage
    assert fields["other"].storage is fields["renamed"].storage is own
    assert fields["explicit"].storage not in (own, Plain._meta.get_field("photo").storage)


class PhotoPart(serializers.Serializer):
    picture = GroupMeImageSerializerField()
    caption = GroupMeImageSerializerField()
    missing = GroupMeImageSerializerField()
    title = GroupMeImageSerializerField(source="album.title")
    wrong = GroupMeImageSerializerField(source="caption.picture")
    itself = GroupMeImageSerializerField(source="*")


@pytest.mark.parametrize("position", ["nested", "dotted", "part"])
def test_model_field_of_nested_serializer_field_is_found(position):
    class Nested(serializers.ModelSerializer):
        nested = PhotoPart(many=True, source="photo_set")
        dotted = GroupMeImageSerializerField(source="photo_set.picture")

        class Meta:
            model = Album
            fields = ["nested", "dotted"]

    class Part(serializers.ModelSerializer):
        part = PhotoPart(source="*")

        class Meta:
            model = Photo
            fields = ["part"]

    field = {
        "nested": lambda: Nested().fields["nested"].child.fields["picture"],
        "dotted": lambda: Nested().fields["dotted"],
        "part": lambda: Part().fields["part"].fields["picture"],
    }[position]()
    assert field.model_field is Photo._meta.get_field("picture")


@pytest.mark.parametrize("name", ["caption", "missing", "title", "wrong", "itself"])
def test_field_storage_without_matching_model_field_is_groupme_storage(name):
    class Part(serializers.ModelSerializer):
        part = PhotoPart(source="*")

        class Meta:
            model = Photo
            fields = ["part"]

    field = Part().fields["part"].fields[name]
    assert field.model_field is None
    assert field.storage is groupme_storage


def test_field_storage_without_model_is_groupme_storage():
    serializer = GallerySerializer()
    assert serializer.fields["cover"].storage is groupme_storage
    assert serializer.fields["pictures"].child.storage is groupme_storage
    assert GroupMeImageSerializerField().storage is groupme_storage


def test_allow_null_in_extra_kwargs_overrides_default():
    def field(**kwargs: Any) -> Any:
        class Strict(serializers.ModelSerializer):
            class Meta:
                model = Member
                fields = ["photo"]
                extra_kwargs = {"photo": kwargs}

        return Strict().fields["photo"]

    assert not field(allow_null=False).allow_null
    assert not field(required=True).allow_null
    assert field(required=True, allow_null=True).allow_null


def test_picture_service_unavailable_with_fractional_wait_rounds_it_up():
    error = PictureServiceUnavailable()
    assert error.status_code == 503
    assert (error.detail.code, error.wait) == ("unavailable", None)
    assert PictureServiceUnavailable(wait=0.2).wait == 1


def test_default_error_messages_are_lazy_translations():
    messages = GroupMeImageSerializerField.default_error_messages.values()
    assert all(isinstance(message, Promise) for message in messages)
    assert isinstance(PictureServiceUnavailable.default_detail, Promise)
