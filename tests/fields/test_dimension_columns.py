"""The columns of ``width_field`` and ``height_field``."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.base import ContentFile, File
from django.core.files.storage import FileSystemStorage
from django.core.files.uploadedfile import SimpleUploadedFile, TemporaryUploadedFile
from django.db import connection, models
from django.forms import modelform_factory
from django.test.utils import CaptureQueriesContext, isolate_apps
from rest_framework import serializers

from django_groupme_images.exceptions import UploadRejected
from django_groupme_images.fields import GroupMeImageField
from django_groupme_images.pictures import Picture
from tests.support import emulator_pictures as pictures
from tests.support.field_data import PHOTO, content_file, stored_dimensions
from tests.support.html_forms import submitted
from tests.support.urls_of_pictures import JPEG, LARGE, LEGACY
from tests.testapp.models import Measured, MeasuredChild, Member, Sized

pytestmark = pytest.mark.django_db


# Assigning the same image


@pytest.mark.parametrize(
    "same",
    [
        lambda row: row.photo,
        lambda row: row.photo.name,
        lambda row: f"{row.photo.name}.large",
        lambda row: row.photo.name.replace("https", "http"),
        lambda row: Picture.parse(row.photo.name),
        lambda row: Sized.objects.get().photo,
        lambda row: copy.copy(row).photo,
    ],
    ids=["own value", "URL", "variant", "http", "Picture", "other row", "copied row"],
)
def test_assigning_the_same_image_keeps_the_columns(same: Callable[[Sized], Any]) -> None:
    Sized.objects.bulk_create([Sized(photo=LEGACY, width=640, height=480)])
    row = Sized.objects.get()
    row.photo = same(row)
    row.save()
    assert stored_dimensions(row) == (640, 480)
    row.refresh_from_db()
    assert row.photo.url == LEGACY


def test_assigning_another_rows_image_copies_its_dimensions() -> None:
    row = Measured.objects.create(photo=LEGACY)
    Measured.objects.update(width=7, height=8)
    row = Measured.objects.get()
    twin = Measured(photo=row.photo)
    assert (twin.width, twin.height) == (7, 8)
    twin.photo = JPEG
    twin.photo = row.photo
    twin.save()
    assert stored_dimensions(twin) == (7, 8)
    member = Member(photo=row.photo)
    assert (member.photo.width, member.photo.height) == (7, 8)


def test_assigning_another_image_clears_the_columns() -> None:
    row = Measured(photo=LEGACY, width=640, height=480)
    row.photo = LEGACY.replace("a", "b")
    assert (row.width, row.height) == (None, None)
    row.photo = None
    assert (row.width, row.height) == (None, None)


@pytest.mark.parametrize("model", [Measured, Sized])
def test_form_that_keeps_the_image_keeps_the_columns(model: Any) -> None:
    model.objects.bulk_create([model(photo=LEGACY, width=640, height=480)])
    fields = ["photo"] if model is Measured else ["title", "photo"]
    form = modelform_factory(model, fields=fields)({"title": "new"}, instance=model.objects.get())
    assert stored_dimensions(form.save()) == (640, 480)


def test_form_that_submits_the_same_url_keeps_the_columns() -> None:
    Sized.objects.bulk_create([Sized(photo=LEGACY, width=640, height=480)])
    form_class = modelform_factory(Sized, fields=["title", "photo"])
    form = form_class({"title": "new", "photo-url": LEGACY}, instance=Sized.objects.get())
    assert stored_dimensions(form.save()) == (640, 480)


def test_form_that_keeps_a_pending_file_keeps_the_columns(outage: FileSystemStorage) -> None:
    row = Sized.objects.create(photo=content_file())
    outage.delete(row.photo.name)
    form_class = modelform_factory(Sized, fields=["title", "photo"])
    form = form_class({"title": "new"}, instance=Sized.objects.get())
    assert stored_dimensions(form.save()) == (48, 32)


# Uploads whose URL has no dimensions


@pytest.mark.parametrize("model", [Measured, MeasuredChild, Sized])
def test_upload_without_dimensions_stores_those_of_the_file(
    emulator_without_dimensions: Any, model: Any
) -> None:
    row = model.objects.create(photo=content_file())
    assert row.photo.picture.width is None
    assert stored_dimensions(row) == (row.width, row.height) == (48, 32)
    assert (row.photo.width, row.photo.height) == (48, 32)
    row.photo = content_file(data=pictures.plain(size=(20, 10)))
    row.save()
    assert stored_dimensions(row) == (20, 10)
    row.photo.save("dog.jpg", content_file())
    assert stored_dimensions(row) == (48, 32)
    row.photo.save("dog.txt", File(content_file(data=pictures.plain(size=(20, 10)))), save=False)
    assert (row.width, row.height) == (20, 10)


def test_form_upload_without_dimensions_stores_those_of_the_file(
    emulator_without_dimensions: Any, settings: Any
) -> None:
    form_class = modelform_factory(Sized, fields=["title", "photo"])
    for early in (True, False):
        settings.GROUPME_UPLOAD_EARLY = early
        form = form_class({"title": ""}, {"photo": SimpleUploadedFile("cat.jpg", PHOTO)})
        assert form.is_valid(), form.errors
        assert stored_dimensions(form.save()) == (48, 32)


def test_kept_upload_without_dimensions_stores_those_of_the_file(
    emulator_without_dimensions: Any,
) -> None:
    form_class = modelform_factory(Sized, fields=["title", "photo"])
    form = form_class({"title": "x" * 99}, {"photo": SimpleUploadedFile("cat.jpg", PHOTO)})
    assert not form.is_valid()
    token = submitted(str(form["photo"]))["photo-uploaded"]
    form = form_class({"title": "", "photo-uploaded": token})
    assert form.is_valid(), form.errors
    picture = form.cleaned_data["photo"]
    for same in (picture, pickle.loads(pickle.dumps(picture)), copy.deepcopy(picture)):
        assert same == Picture.parse(picture.url, picture._base_url)
        assert (same.width, same.height, same.variant_size("large")) == (48, 32, (48, 32))
        assert stored_dimensions(Sized.objects.create(photo=same)) == (48, 32)
    assert stored_dimensions(form.save()) == (48, 32)


def test_serializer_upload_without_dimensions_stores_those_of_the_file(
    emulator_without_dimensions: Any, settings: Any
) -> None:
    class Serializer(serializers.ModelSerializer):  # type: ignore[misc]
        class Meta:
            model = Sized
            fields = ["title", "photo"]

    for early in (True, False):
        settings.GROUPME_UPLOAD_EARLY = early
        for row in (None, Sized(photo=JPEG)):
            data = {"title": "new", "photo": SimpleUploadedFile("cat.jpg", PHOTO)}
            serializer = Serializer(row, data=data)
            assert serializer.is_valid(), serializer.errors
            assert stored_dimensions(serializer.save()) == (48, 32)


def test_serializer_with_unchanged_url_keeps_the_columns() -> None:
    class Serializer(serializers.ModelSerializer):  # type: ignore[misc]
        class Meta:
            model = Sized
            fields = ["title", "photo"]

    Sized.objects.bulk_create([Sized(photo=LEGACY, width=640, height=480)])
    row = Sized.objects.get()
    serializer = Serializer(row, data=Serializer(row).data)
    assert serializer.is_valid(), serializer.errors
    assert stored_dimensions(serializer.save()) == (640, 480)


def test_bulk_create_without_dimensions_stores_those_of_the_file(
    emulator_without_dimensions: Any,
) -> None:
    Sized.objects.bulk_create([Sized(photo=content_file()), Sized(photo=content_file("dog.jpg"))])
    assert list(Sized.objects.values_list("width", "height")) == 2 * [(48, 32)]


def test_save_from_url_without_dimensions_clears_the_columns(
    emulator_without_dimensions: Any,
) -> None:
    row = Measured.objects.create(photo=content_file())
    row.photo.save_from_url(row.photo.url)
    assert stored_dimensions(row) == (None, None)


def test_saving_a_file_that_is_not_an_image_clears_the_columns(
    fallback: FileSystemStorage, settings: Any
) -> None:
    settings.GROUPME_DEFERRED = True
    row = Measured.objects.create(photo=JPEG)
    row.photo.save("cat.txt", ContentFile(b"not an image"))
    assert stored_dimensions(row) == (None, None)


def test_failed_save_keeps_the_dimensions(emulator: Any) -> None:
    row = Measured.objects.create(photo=JPEG)
    with pytest.raises(UploadRejected):
        row.photo.save("cat.jpg", content_file(data=b"not an image"))
    assert (row.width, row.height) == stored_dimensions(row) == (480, 325)
    assert row.photo.url == JPEG


def test_saving_a_stream_stores_the_dimensions_of_the_url(emulator: Any) -> None:
    class Stream(File):  # type: ignore[type-arg]
        def seek(self, *args: Any) -> Any:
            raise OSError("a stream")

    row = Measured()
    row.photo.save("cat.jpg", Stream(content_file()))
    assert stored_dimensions(row) == (48, 32)


def test_saving_a_file_of_another_storage_measures_it(
    emulator_without_dimensions: Any, settings: Any, tmp_path: Any
) -> None:
    settings.MEDIA_ROOT = tmp_path
    from tests.testapp.models import Local

    local = Local.objects.create(photo=content_file())
    local.photo.close()
    row = Measured.objects.create(photo=local.photo)
    assert stored_dimensions(row) == (48, 32)
    row.photo.save("cat.jpg", Local.objects.get().photo)
    assert stored_dimensions(row) == (48, 32)


def test_saving_a_row_keeps_columns_that_the_project_has_set(state: str) -> None:
    row = Measured.objects.create(photo=content_file())
    row.width, row.height = 7, 8
    row.save()
    assert stored_dimensions(row) == (7, 8)


def test_new_row_with_a_file_that_is_not_an_image_clears_the_columns() -> None:
    row = Sized(title="Ada", photo=content_file(data=b"text"), width=0, height=0)
    assert (row.width, row.height) == (None, None)


def test_new_row_with_false_as_image_has_no_width() -> None:
    assert Measured(photo=False).width is None


def test_saving_the_value_of_another_row_does_not_close_it(
    state: str, settings: Any, tmp_path: Any
) -> None:
    settings.MEDIA_ROOT = tmp_path
    from tests.testapp.models import Local

    Local.objects.create(photo=content_file())
    for make in (lambda file: file, File):
        value = Local.objects.get().photo
        row = Measured()
        row.photo.save("dog.jpg", make(value))
        assert stored_dimensions(row) == (48, 32)
        assert not value.closed
        value.close()


def test_saving_a_closed_file_opens_no_local_file(
    state: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (tmp_path / "secret.jpg").write_bytes(PHOTO)
    monkeypatch.chdir(tmp_path)
    closed = TemporaryUploadedFile("secret.jpg", "image/jpeg", len(PHOTO), None)
    closed.close()
    with pytest.raises((ValueError, FileNotFoundError)):  # Django moves a temporary file.
        Measured().photo.save("secret.jpg", closed)
    assert not Measured.objects.exists()


# Queries


@pytest.mark.parametrize("value", [JPEG, LEGACY, "photos/cat.jpg"])
@pytest.mark.parametrize("loaded", [["photo"], ["photo", "width"], ["width"]])
def test_only_does_not_load_the_columns(value: str, loaded: list[str]) -> None:
    Measured.objects.bulk_create([Measured(photo=value) for _ in range(3)])
    with CaptureQueriesContext(connection) as queries:
        rows = list(Measured.objects.only(*loaded))
    assert len(queries) == 1
    assert "height" in rows[0].get_deferred_fields()


@isolate_apps("tests.testapp")
def test_only_does_not_load_columns_that_properties_read() -> None:
    class Delegating(models.Model):
        photo = GroupMeImageField(width_field="across")
        width = models.IntegerField(null=True)

        class Meta:
            app_label = "gallery"
            db_table = Measured._meta.db_table

        @property
        def across(self) -> int | None:
            return self.width

        @across.setter
        def across(self, width: int | None) -> None:
            self.width = width

    assert Delegating(photo=JPEG).width == 480
    Measured.objects.bulk_create([Measured(photo=LEGACY)])
    with CaptureQueriesContext(connection) as queries:
        row = Delegating.objects.only("photo").get()
    assert len(queries) == 1
    row.photo = JPEG
    assert row.width == 480
    assert Delegating.objects.get().width is None


@pytest.mark.django_db(databases=["default", "other"])
def test_only_does_not_read_another_database() -> None:
    for value in (LEGACY, JPEG):
        row = Measured.objects.using("other").create(photo=value)
        with CaptureQueriesContext(connection) as queries:
            loaded = Measured.objects.using("other").only("photo").get(pk=row.pk)
        assert not queries
        assert loaded.width == row.width


def test_row_with_deferred_columns_saves_those_of_a_new_image() -> None:
    Measured.objects.create(photo=JPEG)
    row = Measured.objects.only("photo").get()
    row.photo = LARGE
    row.save()
    assert stored_dimensions(row) == (4032, 3024)


def test_row_loaded_without_dimensions_gets_those_of_the_url() -> None:
    Measured.objects.create(photo=JPEG)
    Measured.objects.update(width=None)
    assert Measured.objects.get().width == 480


@isolate_apps("tests.testapp")
def test_image_with_only_a_width_column_fills_it() -> None:
    class Half(models.Model):
        photo = GroupMeImageField(width_field="width")
        width = models.IntegerField(null=True)

        class Meta:
            app_label = "gallery"

    row = Half(photo=JPEG)
    assert row.width == 480
    row.photo = LARGE
    assert row.width == 4032
    row = Half(photo=LEGACY, width=7)
    assert (row.photo.width, row.photo.height) == (7, None)
