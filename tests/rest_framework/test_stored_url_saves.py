"""Rows saved from the unchanged URL of a stored file keep the file or a copy of it."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework import serializers

from django_groupme_images.rest_framework import GroupMeImageSerializerField
from tests.support.api import AlbumSerializer
from tests.support.field_data import PHOTO
from tests.support.serializers import HOST, as_json, context, save_pending, stored_names, validated
from tests.support.urls_of_pictures import JPEG, LEGACY, PNG
from tests.testapp.models import Album, Measured, Photo, Plain

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("allowed_hosts", "fallback")]


class WritingSerializer(AlbumSerializer):
    """A serializer that saves the nested rows with the method that ``strategy`` names."""

    strategy = ""

    def update(self, album: Album, values: Any) -> Album:
        photos = values["photo_set"]
        return getattr(self, self.strategy)(album, photos)

    def update_rows(self, album: Album, photos: Any) -> Album:
        for row, values in zip(album.photo_set.order_by("pk"), photos, strict=True):
            row.picture = values["picture"]
            row.save()
        return album

    def delete_and_create(self, album: Album, photos: Any) -> Album:
        album.photo_set.all().delete()
        return self.create_rows(album, photos)

    def create_and_delete(self, album: Album, photos: Any) -> Album:
        old = list(album.photo_set.all())
        self.create_rows(album, photos)
        for row in old:
            row.delete()
        return album

    def create_rows(self, album: Album, photos: Any) -> Album:
        for values in photos:
            Photo.objects.create(album=album, **values)
        return album


@pytest.mark.parametrize("strategy", ["update_rows", "delete_and_create"])
def test_nested_update_of_same_files_keeps_their_names(album, fallback, list_requests, strategy):
    before = stored_names(album)
    serializer = WritingSerializer(album, data=as_json(AlbumSerializer(album).data))
    serializer.strategy = strategy
    validated(serializer)
    serializer.save()
    assert stored_names(album) == before
    assert len(fallback.listdir("photos")[1]) == 2
    assert list_requests() == []


@pytest.mark.parametrize("strategy", ["create_rows", "create_and_delete"])
def test_nested_update_with_file_of_existing_row_copies_it(album, fallback, settings, strategy):
    settings.GROUPME_DEFERRED = True
    before = stored_names(album)
    serializer = WritingSerializer(album, data=as_json(AlbumSerializer(album).data))
    serializer.strategy = strategy
    validated(serializer)
    serializer.save()
    after = stored_names(album)[-3:]
    assert after[1] == JPEG
    assert not {after[0], after[2]} & set(before)
    for name in (after[0], after[2]):
        with fallback.open(name) as file:
            assert file.read() == PHOTO


def test_nested_update_with_one_file_for_two_rows_copies_it(album, fallback, settings):
    settings.GROUPME_DEFERRED = True
    (name, _, _), data = stored_names(album), as_json(AlbumSerializer(album).data)
    data["photos"] = [data["photos"][0]] * 2
    serializer = WritingSerializer(album, data=data)
    serializer.strategy = "delete_and_create"
    validated(serializer)
    serializer.save()
    first, second = stored_names(album)
    assert first == name
    assert first != second
    assert all(map(fallback.exists, [first, second]))


@pytest.mark.parametrize("photo", ["pending", JPEG, PNG, LEGACY])
def test_update_with_unchanged_data_keeps_dimension_columns(
    fallback, list_requests, photo, django_assert_num_queries
):
    class MeasuredSerializer(serializers.ModelSerializer):
        class Meta:
            model = Measured
            fields = ["photo"]

    name = save_pending(fallback) if photo == "pending" else photo
    pk = Measured.objects.create(photo=name).pk
    if photo in ("pending", LEGACY):
        Measured.objects.update(width=7, height=8)
    row = Measured.objects.get(pk=pk)
    before = (row.photo.name, row.width, row.height)
    data = as_json(MeasuredSerializer(row, context=context(HOST)).data)
    serializer = MeasuredSerializer(row, data=data)
    assert serializer.is_valid()
    with django_assert_num_queries(1):
        serializer.save()
    row.refresh_from_db()
    assert (row.photo.name, row.width, row.height) == before
    assert row.width
    assert list_requests() == []


def test_serializer_field_for_image_field_keeps_unchanged_file(fallback, list_requests):
    class PlainSerializer(serializers.ModelSerializer):
        photo = GroupMeImageSerializerField()

        class Meta:
            model = Plain
            fields = ["photo"]

    row = Plain.objects.create(photo=save_pending(fallback))
    data = as_json(PlainSerializer([row], many=True).data)
    (values,) = validated(PlainSerializer([row], data=data, many=True))
    row.photo = values["photo"]
    row.save()
    before = row.photo.name
    row.refresh_from_db()
    assert row.photo.name == before
    assert list_requests() == []
