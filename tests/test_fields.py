from __future__ import annotations

import copy
import io
import pickle

import pytest
from django.core import serializers
from django.core.cache import cache
from django.core.exceptions import FieldError, ValidationError
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage
from django.core.files.uploadedfile import (
    InMemoryUploadedFile,
    SimpleUploadedFile,
    TemporaryUploadedFile,
    UploadedFile,
)
from django.db import IntegrityError, connection, models, transaction
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.state import ProjectState
from django.db.migrations.writer import MigrationWriter
from django.forms import modelform_factory

from django_groupme_images.emulator.faults import Fault
from django_groupme_images.exceptions import InvalidPicture, ServiceUnavailable, UploadRejected
from django_groupme_images.fields import GroupMeImageField
from django_groupme_images.pictures import Picture
from django_groupme_images.storage import GroupMeStorage

from . import emulator_pictures as pictures
from .gallery.models import (
    Club,
    Group,
    Local,
    Measured,
    MeasuredChild,
    Member,
    Plain,
    Unique,
)
from .urls_of_pictures import JPEG, LARGE, LEGACY

pytestmark = pytest.mark.django_db

PHOTO = pictures.plain()


def photo(name="cat.jpg", data=PHOTO):
    return ContentFile(data, name=name)


def stored(row, field="photo"):
    """What the database holds."""
    return type(row).objects.values_list(field, flat=True).get(pk=row.pk)


@pytest.fixture
def on_the_cdn(settings):
    """The settings' CDN is the service's own, as the real URLs need."""
    return settings


# Values


def test_saving_a_file_uploads_it_once(emulator, arrived):
    row = Member.objects.create(name="Ada", photo=photo())
    assert arrived() == ["POST /pictures"]
    assert stored(row) == row.photo.name == row.photo.url
    assert Picture.parse(stored(row), emulator.cdn_url) == row.photo.picture
    with row.photo.open() as file:
        assert file.read() == PHOTO
    row.name = "Grace"
    row.save()
    assert len(arrived()) == 2


def test_what_a_value_says_without_asking(django_assert_num_queries):
    row = Member(photo=LARGE)
    with django_assert_num_queries(0):
        value = row.photo
        assert value.url == str(value) == LARGE
        assert value.preview_url == f"{LARGE}.preview"
        assert value.large_url == f"{LARGE}.large"
        assert value.avatar_url == f"{LARGE}.avatar"
        assert (value.width, value.height, value.format) == (4032, 3024, "jpeg")
        assert value.picture == Picture.parse(LARGE)
        assert value.attachment() == {"type": "image", "url": LARGE}


def test_a_url_that_says_less():
    value = Member(photo=LEGACY).photo
    assert (value.width, value.height, value.format) == (None, None, None)
    assert value.avatar_url == f"{LEGACY}.avatar"


@pytest.mark.parametrize("nothing", [None, "", Member().photo], ids=["None", "empty", "other row"])
def test_no_picture(nothing):
    value = Member(photo=nothing).photo
    assert not value
    assert value.picture is value.width is value.height is value.format is None
    for name in ("url", "preview_url", "large_url", "avatar_url", "size"):
        with pytest.raises(ValueError, match="has no file associated with it"):
            getattr(value, name)
    with pytest.raises(InvalidPicture, match=r"gallery\.Member\.photo has no picture to attach"):
        value.attachment()


def test_a_file_that_is_not_saved_yet():
    value = Member(photo=photo("cat.jpg", pictures.plain(size=(30, 20)))).photo
    assert value.picture is value.format is None
    assert (value.width, value.height) == (30, 20)
    for name in ("url", "avatar_url"):
        with pytest.raises(InvalidPicture, match=r"'cat\.jpg' is not the URL"):
            getattr(value, name)


@pytest.mark.parametrize(
    "given",
    [JPEG, f"{JPEG}.large", JPEG.replace("https", "http"), Picture.parse(JPEG), Member(photo=JPEG)],
    ids=["URL", "variant", "http", "Picture", "other row"],
)
def test_assigning_a_picture(given):
    row = Member(photo=given.photo if isinstance(given, Member) else given)
    row.full_clean(exclude=["name"])
    row.save()
    assert stored(row) == row.photo.name == JPEG
    row.refresh_from_db()
    assert row.photo.url == JPEG


def test_assigning_an_uploaded_file(emulator, arrived):
    row = Member(photo=SimpleUploadedFile("cat.jpg", PHOTO, "image/jpeg"))
    row.full_clean(exclude=["name"])
    row.save()
    assert arrived() == ["POST /pictures"]


def test_a_file_without_a_name_is_refused_as_django_does(emulator, arrived):
    with pytest.raises(FieldError, match="must have the name attribute"), transaction.atomic():
        Member.objects.create(photo=ContentFile(PHOTO))
    assert arrived() == []


def test_assigning_a_file_of_another_storage_uploads_it(emulator, arrived, settings, tmp_path):
    on_disk = "django.core.files.storage.FileSystemStorage"
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {"BACKEND": on_disk, "OPTIONS": {"location": tmp_path}},
    }
    local = Local.objects.create(photo=photo())
    local.photo.close()
    row = Member(photo=local.photo)
    borrowed = row.photo.file
    row.save()
    assert arrived() == ["POST /pictures"]
    assert borrowed.closed
    assert row.photo.read() == PHOTO
    row.photo.close()
    assert stored(local) == "local/cat.jpg"
    local.photo.delete()


def test_assigning_another_row_s_unsaved_file(emulator, arrived):
    first = Member(photo=photo())
    second = Member(photo=first.photo)
    second.save()
    first.save()
    assert arrived() == ["POST /pictures"] * 2
    assert stored(first) != stored(second)


def test_assigning_another_field_s_value(emulator, arrived):
    row = Group.objects.create(photo=photo())
    row.banner = row.photo
    row.save()
    assert stored(row, "banner") == stored(row, "photo")
    row.banner.save("other.jpg", photo())
    assert stored(row, "banner") != stored(row, "photo")
    assert len(arrived()) == 2


def test_a_copied_row_has_a_value_of_its_own(emulator):
    row = Member.objects.create(name="Ada", photo=photo())
    before = row.photo.name
    twin = copy.copy(row)
    twin.pk = None
    twin._state.adding = True
    twin.save()
    assert stored(twin) == before
    twin.photo.save("new.jpg", photo())
    assert row.photo.name == stored(row) == before != stored(twin)
    assert row.photo.instance is row
    assert twin.photo.instance is twin
    assert copy.deepcopy(row).photo.name == before


def test_saving_and_deleting_through_the_value(emulator, arrived):
    row = Member.objects.create(name="Ada")
    row.photo.save("cat.jpg", photo(), save=False)
    assert stored(row) == ""
    row.photo.save("cat.jpg", photo())
    assert stored(row) == row.photo.url
    first = row.photo.url
    row.photo.save_from_url(first)
    assert stored(row) == row.photo.url != first
    row.photo.save_from_url(first, save=False)
    assert stored(row) != row.photo.url
    row.photo.delete()
    assert stored(row) == ""
    assert [request.split()[0] for request in arrived()].count("POST") == 4


def test_a_failed_upload_leaves_everything_as_it_was(emulator):
    row = Member.objects.create(name="Ada", photo=photo())
    before = stored(row)
    content = photo("new.jpg")
    emulator.app.faults.add(Fault("status", status=503, times=3))
    row.photo = content
    row.name = "Grace"
    with pytest.raises(ServiceUnavailable), transaction.atomic():
        row.save()
    assert content.tell() == 0
    assert not content.closed
    assert (stored(row), stored(row, "name")) == (before, "Ada")
    with pytest.raises(ServiceUnavailable), transaction.atomic():
        row.photo.save_from_url("https://example.com/cat.jpg")
    with pytest.raises(ServiceUnavailable), transaction.atomic():
        row.photo.save("cat.jpg", content)
    row.save()
    assert stored(row) != before


def test_a_refused_file(emulator):
    with pytest.raises(UploadRejected, match="refused the picture: 400"), transaction.atomic():
        Member.objects.create(name="Ada", photo=photo("cat.png", b"this is a text"))
    assert not Member.objects.exists()


# Validation


@pytest.mark.parametrize(
    "value",
    ["photos/cat.png", "https://example.com/cat.png", "javascript:alert(1)", f"{JPEG}?x", 5],
)
def test_any_other_string_is_invalid(value):
    row = Member(name="Ada")
    vars(row)["photo"] = value
    with pytest.raises(ValidationError) as caught:
        row.full_clean()
    assert caught.value.message_dict == {
        "photo": [f"“{value}” is not the URL of a picture on https://i.groupme.com/."]
    }


def test_blank():
    Member(name="Ada").full_clean()
    with pytest.raises(ValidationError, match="This field cannot be blank"):
        Group().full_clean()


def test_an_upload_passes_constraints(emulator, arrived):
    Unique.objects.create(photo=JPEG)
    row = Unique(photo=photo())
    row.full_clean()
    assert arrived() == []
    row.save()
    with pytest.raises(ValidationError, match="already exists"):
        Unique(photo=row.photo).full_clean()
    form = modelform_factory(Unique, fields=["photo"])
    assert form({}, {"photo": SimpleUploadedFile("cat.jpg", PHOTO)}).is_valid()


def test_a_valid_row_causes_no_request(emulator, arrived):
    Member(name="Ada", photo=f"{emulator.cdn_url}123456789").full_clean()
    Member(name="Ada", photo=photo()).full_clean()
    assert arrived() == []


def test_other_storages_take_their_own_names(settings):
    settings.STORAGES = {**settings.STORAGES, "groupme": settings.STORAGES["default"]}
    row = Measured(photo=photo())
    row.full_clean()
    row.save()
    row.refresh_from_db()
    assert (row.photo.name, row.photo.picture) == ("cat.jpg", None)
    assert (row.width, row.height, row.photo.width) == (48, 32, 48)
    assert row.photo.avatar_url == row.photo.url == "/cat.jpg"
    row.photo.delete(save=False)


# NULL and ""


def test_none_is_null_where_the_column_takes_it():
    assert stored(Unique.objects.create(photo=None)) is None
    assert stored(Unique.objects.create()) is None
    for row in Unique.objects.filter(photo=None):
        row.full_clean()
        assert not row.photo
    assert Unique.objects.filter(photo=None).count() == 2
    assert stored(Unique.objects.create(photo="")) == ""
    with pytest.raises(IntegrityError), transaction.atomic():
        Unique.objects.create(photo="")


def test_clearing_a_picture_stores_null(on_the_cdn):
    rows = [Unique.objects.create(photo=url) for url in (JPEG, LARGE)]
    for row in rows:
        form = modelform_factory(Unique, fields=["photo"])({"photo-clear": "on"}, instance=row)
        assert form.is_valid()
        form.save()
        assert stored(row) is None
    rows[0].photo = JPEG
    rows[0].save()
    rows[0].photo.delete()
    assert stored(rows[0]) is None


def test_none_is_empty_where_the_column_takes_no_null():
    assert stored(Member.objects.create(photo=None)) == ""


# Queries


def test_lookups():
    row = Member.objects.create(photo=JPEG)
    Member.objects.create(photo=LARGE)
    for value in (
        JPEG,
        f"{JPEG}.avatar",
        JPEG.replace("https", "http"),
        Picture.parse(JPEG),
        row.photo,
    ):
        assert Member.objects.get(photo=value) == row
        assert Member.objects.get(photo__in=[value]) == row
    assert Member.objects.get(photo__contains="480x325") == row
    assert Member.objects.get(photo__startswith="https://i.groupme.com/480x325.jpeg") == row
    assert Member.objects.filter(photo="").count() == 0
    assert list(Member.objects.order_by("pk").values_list("photo", flat=True)) == [JPEG, LARGE]


def test_bulk_create_uploads(emulator, arrived):
    rows = Member.objects.bulk_create([Member(photo=photo(f"{n}.jpg")) for n in range(3)])
    assert arrived() == ["POST /pictures"] * 3
    assert len({row.photo.url for row in rows}) == 3


@pytest.mark.parametrize(
    "value",
    [
        photo(),
        SimpleUploadedFile("cat.jpg", PHOTO),
        File(photo(), "x"),
        ContentFile(PHOTO),
        io.BytesIO(PHOTO),
        PHOTO,
        5,
    ],
    ids=lambda value: type(value).__name__,
)
def test_update_with_an_unsaved_file(emulator, arrived, value):
    row = Member.objects.create(photo=JPEG)
    with (
        pytest.raises(ValueError, match=r"gallery\.Member\.photo was given a file .* upload"),
        transaction.atomic(),
    ):
        Member.objects.update(photo=value)
    row.photo = value
    with pytest.raises(ValueError, match="was given a file"), transaction.atomic():
        Member.objects.bulk_update([row], ["photo"])
    assert stored(row) == JPEG
    assert arrived() == []


def test_update_with_a_url():
    row, other = Member.objects.create(), Member.objects.create(photo=LARGE)
    for value in (f"{JPEG}.large", Picture.parse(JPEG), other.photo, "", models.F("name")):
        Member.objects.filter(pk=row.pk).update(photo=value)
        expected = {other.photo: LARGE, "": "", models.F("name"): ""}.get(value, JPEG)
        assert stored(row) == expected
    row.photo = JPEG
    Member.objects.bulk_update([row], ["photo"])
    assert stored(row) == JPEG


def test_deferred(django_assert_num_queries):
    pk = Member.objects.create(name="Ada", photo=JPEG).pk
    with django_assert_num_queries(2):
        assert Member.objects.defer("photo").get(pk=pk).photo.width == 480
    with django_assert_num_queries(1):
        assert Member.objects.only("photo").get(pk=pk).photo.width == 480
    row = Member.objects.get(pk=pk)
    Member.objects.update(photo=LARGE)
    assert row.photo.width == 480
    row.refresh_from_db()
    assert row.photo.width == 4032


# Moving rows


def test_pickling():
    row = Member.objects.create(name="Ada", photo=JPEG)
    assert row.photo.url == JPEG
    twin = pickle.loads(pickle.dumps(row))
    assert twin.photo.preview_url == f"{JPEG}.preview"
    assert pickle.loads(pickle.dumps(row.photo)).width == 480


# Copies of a file that is not saved yet


@pytest.fixture
def others_file(emulator, fallback):
    """Another row's pending file, which has the same name in the fallback storage."""
    name = fallback.save("cat.jpg", photo(data=pictures.plain(size=(11, 11))))
    Member.objects.create(name="Ada", photo=name)
    return name


def pickled(value):
    return pickle.loads(pickle.dumps(value))


def shallow(row):
    twin = copy.copy(row)
    twin._state = copy.copy(row._state)
    return twin


def reassigned(row):
    return Member(photo=row.photo)


def of_copied_file(row):
    return Member(photo=copy.copy(row.photo))


def of_deepcopied_file(row):
    return Member(photo=copy.deepcopy(row.photo))


def of_pickled_file(row):
    return Member(photo=pickled(row.photo))


def through_the_cache(row):
    cache.set("row", row)
    return cache.get("row")


COPIERS = [
    pickled,
    shallow,
    copy.deepcopy,
    reassigned,
    of_copied_file,
    of_deepcopied_file,
    of_pickled_file,
    through_the_cache,
]


def in_memory():
    return InMemoryUploadedFile(io.BytesIO(PHOTO), None, "cat.jpg", "image/jpeg", len(PHOTO), None)


def on_disk():
    file = TemporaryUploadedFile("cat.jpg", "image/jpeg", len(PHOTO), None)
    file.write(PHOTO)
    return file


@pytest.mark.parametrize("make", [photo, in_memory, on_disk])
@pytest.mark.parametrize("copied", COPIERS)
def test_copy_of_unsaved_file_uploads_its_own_content(others_file, copied, make):
    with make() as content:
        row = Member(name="Bob", photo=content)
        assert row.photo
        content.seek(5)
        twin = copied(row)
        assert content.tell() == 5
        twin.save()
        row.save()
    assert stored(twin) != stored(row)
    assert twin.photo.width == row.photo.width == 48
    with twin.photo.open() as file:
        assert file.read() == PHOTO


@pytest.mark.parametrize("copied", [pickled, of_pickled_file, through_the_cache])
def test_pickle_of_large_unsaved_file_raises_when_saved(others_file, copied, settings):
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = len(PHOTO) - 1
    row = Member(photo=photo())
    assert row.photo
    twin = copied(row)
    with (
        pytest.raises(ValueError, match=r"content of 'cat\.jpg' is not .* Assign the file"),
        transaction.atomic(),
    ):
        twin.save()
    for name in ("url", "size", "width", "file", "avatar_url"):
        with pytest.raises(ValueError, match="is not available"):
            getattr(pickled(row).photo, name)
    with pytest.raises(ValueError, match="is not available"):
        pickled(row).photo.open()
    with pytest.raises(ValueError, match="is not available"), transaction.atomic():
        Member.objects.bulk_create([copied(row)])
    with pytest.raises(ValueError, match="is not available"), transaction.atomic():
        Member(photo=twin.photo).save()
    assert Member.objects.count() == 1
    twin.photo = row.photo
    twin.save()
    assert twin.photo.width == 48


@pytest.mark.parametrize("copied", [lambda row: row, *COPIERS])
def test_closed_unsaved_file_raises_when_saved(others_file, copied):
    content = on_disk()
    row = Member(photo=content)
    assert row.photo
    content.close()
    with pytest.raises(ValueError, match="was closed, or it was lost"), transaction.atomic():
        copied(row).save()
    assert Member.objects.count() == 1


@pytest.mark.parametrize(
    "make",
    [
        lambda: File(io.BufferedReader(Unseekable()), "cat.jpg"),
        lambda: UploadedFile(io.BytesIO(PHOTO), "cat.jpg"),
    ],
    ids=["cannot seek", "unknown size"],
)
def test_pickle_of_file_that_cannot_be_kept_raises_when_saved(others_file, make):
    row = Member(photo=make())
    assert row.photo
    with pytest.raises(ValueError, match="is not available"), transaction.atomic():
        pickled(row).save()


class Unseekable(io.RawIOBase):
    def readable(self):
        return True


def test_copy_of_value_without_file_stays_empty():
    for copied in (copy.copy, copy.deepcopy, pickled):
        twin = copied(Member().photo)
        assert not twin
        assert stored(Member.objects.create(photo=twin)) == ""


def test_borrowed_file_assigned_to_two_rows_uploads_twice(emulator, fallback):
    local = Local.objects.create(photo=photo())
    first = Member(photo=local.photo)
    assert first.photo.width == 48
    first.photo.close()
    second = Member(photo=first.photo)
    first.save()
    second.save()
    assert stored(first) != stored(second)
    assert second.photo.width == 48


def test_deleting_unsaved_file_keeps_other_file_of_that_name(others_file, fallback):
    row = Member.objects.create(name="Bob", photo=JPEG)
    row.photo = photo()
    assert row.photo.width == 48
    row.photo.delete(save=False)
    assert not row.photo
    assert stored(row) == JPEG
    row.photo = photo()
    row.photo.delete()
    assert stored(row) == ""
    assert fallback.exists(others_file)
    Member.objects.get(name="Ada").photo.delete()
    assert not fallback.exists(others_file)


@pytest.mark.parametrize("format_", ["json", "xml", "python"])
def test_serializing_unsaved_file_raises(others_file, format_):
    row = Member(name="Bob", photo=photo())
    with pytest.raises(ValueError, match="has a file that is not saved yet"):
        serializers.serialize(format_, [row])
    row.save()
    assert stored(row) in str(serializers.serialize(format_, [row]))


@pytest.mark.parametrize("format_", ["json", "jsonl", "xml", "python"])
def test_dump_and_load(format_):
    rows = [Member.objects.create(name="Ada", photo=url) for url in (JPEG, LEGACY, "")]
    empty = [Unique.objects.create(), Unique.objects.create()]
    data = serializers.serialize(format_, [*rows, *empty])
    assert "None</field>" not in str(data)
    if format_ == "xml":  # which knows no NULL here, as with any file field of Django's
        data = serializers.serialize(format_, [*rows, empty[0]])
    Member.objects.all().delete()
    Unique.objects.all().delete()
    for item in serializers.deserialize(format_, data):
        item.save()
    assert set(Member.objects.values_list("photo", flat=True)) == {JPEG, LEGACY, ""}
    assert set(Unique.objects.values_list("photo", flat=True)) == {"" if format_ == "xml" else None}


# Dimensions in columns


def test_dimensions_come_from_the_url(emulator):
    row = Measured.objects.create(photo=photo(data=pictures.turned(6)))
    assert (row.width, row.height) == (32, 48)  # as displayed, which Pillow does not say
    row = Measured.objects.get()
    assert (row.width, row.height) == (32, 48)
    row.photo = f"{emulator.cdn_url}480x325.jpeg.123456789"
    assert (row.width, row.height) == (480, 325)
    row.photo = None
    assert (row.width, row.height) == (None, None)
    row.photo = f"{emulator.cdn_url}123456789"
    assert (row.width, row.height) == (None, None)
    row.photo.save("cat.jpg", photo())
    assert (row.width, row.height) == (48, 32)
    row.photo.save_from_url(row.photo.url)
    row.refresh_from_db()
    assert (row.width, row.height) == (48, 32)


@pytest.mark.parametrize("model", [Measured, MeasuredChild])
def test_dimensions_of_inherited_and_deferred_fields(model):
    row = model.objects.create(photo=JPEG)
    row.refresh_from_db()
    assert (row.width, row.height) == (480, 325)
    row = model.objects.defer("photo").get()
    row.photo = LARGE
    row.save()
    row.refresh_from_db()
    assert (row.width, row.height) == (4032, 3024)
    row.photo, row.width, row.height = LEGACY, 7, 8  # known from elsewhere, and kept
    row.save()
    row.refresh_from_db()
    assert (row.width, row.height) == (7, 8)


def test_loading_rows_reads_no_file(emulator, arrived):
    Measured.objects.bulk_create([Measured(photo=f"{emulator.cdn_url}{n}") for n in range(5)])
    for row in Measured.objects.all():
        assert row.width is None
    for row in Measured.objects.defer("photo"):
        assert row.width is None
    assert arrived() == []


# Models


def test_inheritance(emulator):
    club = Club.objects.create(photo=photo(), motto="Cats")
    assert stored(club) == Group.objects.get().photo.url == club.photo.url
    assert GroupMeImageField.__name__ not in {type(f).__name__ for f in Club._meta.local_fields}


def test_a_plain_image_field(emulator, arrived):
    row = Plain.objects.create(photo=photo(data=PHOTO + 1_000_000 * b"\0"), other="")
    assert stored(row) == row.photo.url
    assert (row.photo.width, row.photo.height) == (48, 32)
    row.photo.close()
    row = Plain.objects.get()
    assert row.photo.size == len(PHOTO) + 1_000_000
    assert row.photo.width == 48
    assert arrived()[0] == "POST /pictures"


def test_the_column():
    assert Member.photo.field is Member._meta.get_field("photo")
    field = Member._meta.get_field("photo")
    assert field.max_length == 100
    assert field.db_type(connection) == models.ImageField(max_length=100).db_type(connection)
    assert field.get_internal_type() == "FileField"
    assert field.formfield().max_length is None


def test_form(emulator, arrived):
    form_class = modelform_factory(Member, fields=["name", "photo"])
    name = "a very long name " * 20 + ".jpg"
    form = form_class({"name": "Ada"}, {"photo": SimpleUploadedFile(name, PHOTO)})
    assert form.is_valid(), form.errors
    row = form.save()
    assert stored(row) == row.photo.url
    form = form_class({"name": "Grace"}, instance=row)
    assert form.is_valid()
    assert form.save().photo.url == stored(row)
    assert arrived() == ["POST /pictures"]


# Migrations


class OtherStorage(GroupMeStorage):
    pass


@pytest.mark.parametrize(
    ("field", "kwargs"),
    [
        (GroupMeImageField(), {}),
        (GroupMeImageField(upload_to="photos"), {"upload_to": "photos"}),
        (
            GroupMeImageField(blank=True, max_length=200, width_field="w", height_field="h"),
            {
                "blank": True,
                "max_length": 200,
                "width_field": "w",
                "height_field": "h",
            },
        ),
    ],
)
def test_deconstruct(field, kwargs):
    assert field.deconstruct() == (
        None,
        "django_groupme_images.fields.GroupMeImageField",
        [],
        kwargs,
    )
    assert field.clone().deconstruct() == field.deconstruct()


def test_no_token_in_a_migration():
    field = GroupMeImageField(
        storage=OtherStorage(access_token="marked-t0ken", cdn_url="https://cdn.example.com/")
    )
    written, imports = MigrationWriter.serialize(field)
    assert "marked" not in written
    assert "tests.test_fields.OtherStorage(cdn_url='https://cdn.example.com/')" in written
    assert "import tests.test_fields" in imports


def test_the_models_cause_no_migration_twice():
    from django.apps import apps

    changes = MigrationAutodetector(
        ProjectState.from_apps(apps), ProjectState.from_apps(apps)
    )._detect_changes()
    assert changes == {}
    code = MigrationWriter.serialize(
        ProjectState.from_apps(apps).models["gallery", "plain"].fields["other"]
    )[0]
    assert "GroupMeStorage()" in code
    assert "marked" not in code


def test_the_size_of_a_picture_in_another_storage():
    """Of the URL that it has there, whatever that storage can do with it."""
    field = GroupMeImageField(storage=InMemoryStorage(), name="photo")
    file = field.attr_class(Member(), field, JPEG)
    assert (file.width, file.height) == (480, 325)
