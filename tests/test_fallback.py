"""The fallback storage: what is not on the service (yet) is there, and nothing is lost."""

from __future__ import annotations

import errno
import io
import itertools
import logging
import os
import re
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured, SuspiciousFileOperation, ValidationError
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, InMemoryStorage, storages
from django.core.files.uploadedfile import SimpleUploadedFile, TemporaryUploadedFile
from django.forms import modelform_factory
from django.template import Context, Template

from django_groupme_images.carrying import signed, signer
from django_groupme_images.emulator.faults import Fault
from django_groupme_images.exceptions import (
    AuthenticationFailed,
    FallbackFailed,
    InvalidPicture,
    RateLimited,
    ServiceUnavailable,
    UploadRejected,
)
from django_groupme_images.forms import GroupMeImageFormField
from django_groupme_images.intake import waiting_file
from django_groupme_images.names import is_file_name
from django_groupme_images.signals import picture_uploaded, upload_postponed
from django_groupme_images.storage import GroupMeStorage

from . import emulator_pictures as pictures
from .gallery.models import Measured, Member, Plain
from .test_storage import Trickle
from .urls_of_pictures import JPEG

PHOTO = pictures.plain()
# What a file is called that was handed in by a form.
FOLDER = "groupme-forms/"
UNIQUE = r"\w{7}_cat\.jpeg"


@pytest.fixture(autouse=True)
def files(fallback: FileSystemStorage) -> FileSystemStorage:
    return fallback


def content_of(storage: Any, name: str) -> bytes:
    with storage.open(name) as file:
        return file.read()


@pytest.fixture
def storage(emulator: Any) -> GroupMeStorage:
    return GroupMeStorage()


@pytest.fixture
def sent() -> Any:
    """What the signals told."""
    told: list[tuple[str, dict[str, Any]]] = []

    def uploaded(**kwargs: Any) -> None:
        told.append(("uploaded", kwargs))

    def postponed(**kwargs: Any) -> None:
        told.append(("postponed", kwargs))

    picture_uploaded.connect(uploaded)
    upload_postponed.connect(postponed)
    yield told
    picture_uploaded.disconnect(uploaded)
    upload_postponed.disconnect(postponed)


def fail(emulator: Any, status: int = 503, times: int = 1) -> None:
    emulator.app.faults.add(Fault("status", status=status, method="POST", times=times))


# Saving


def test_an_upload_that_works_touches_no_fallback(storage, files, sent, arrived):
    name = storage.save("photos/cat.jpg", ContentFile(PHOTO))
    assert storage.picture(name).width == 48
    assert files.listdir("") == ([], [])
    assert arrived() == ["POST /pictures"]
    ((what, told),) = sent
    assert what == "uploaded"
    assert told["sender"] is GroupMeStorage
    assert told["storage"] is storage
    assert told["picture"].url == name
    assert told["name"] == "photos/cat.jpg"


@pytest.mark.parametrize(
    ("status", "error"), [(503, ServiceUnavailable), (429, RateLimited), (420, RateLimited)]
)
def test_a_failure_that_may_pass_saves_to_the_fallback(
    storage, files, sent, emulator, caplog, status, error
):
    fail(emulator, status)
    name = storage.save("photos/cat.jpg", ContentFile(PHOTO))
    assert name == "photos/cat.jpg"
    assert content_of(files, name) == PHOTO
    ((what, told),) = sent
    assert what == "postponed"
    assert told["sender"] is GroupMeStorage
    assert (told["storage"], told["name"]) == (storage, name)
    assert type(told["error"]) is error
    (record,) = [record for record in caplog.records if record.name.startswith("django_groupme")]
    assert record.levelno == logging.WARNING
    assert "photos/cat.jpg" in record.getMessage()
    assert str(status) in record.getMessage()


def test_nothing_listens(files, settings, free_port):
    settings.GROUPME_UPLOAD_URL = f"http://127.0.0.1:{free_port}/pictures"
    assert GroupMeStorage().save("cat.jpg", ContentFile(PHOTO)) == "cat.jpg"
    assert files.size("cat.jpg") == len(PHOTO)


@pytest.mark.parametrize(
    ("status", "error"), [(401, AuthenticationFailed), (400, UploadRejected), (413, UploadRejected)]
)
def test_a_refusal_raises(storage, files, sent, emulator, status, error):
    fail(emulator, status)
    content = ContentFile(PHOTO)
    with pytest.raises(error):
        storage.save("cat.jpg", content)
    assert files.listdir("") == ([], [])
    assert content.tell() == 0
    assert sent == []


@pytest.mark.parametrize("make", [io.BytesIO, Trickle, ContentFile])
def test_content_of_every_kind_is_kept_whole(storage, files, emulator, make):
    fail(emulator)
    assert content_of(files, storage.save("cat.jpg", make(PHOTO))) == PHOTO


def test_a_large_uploaded_file_is_kept_whole(storage, files, emulator):
    fail(emulator)
    upload = TemporaryUploadedFile("cat.jpg", "image/jpeg", 0, None)
    upload.write(PHOTO * 100)
    upload.seek(0)
    name = storage.save(None, upload)
    assert files.size(name) == len(PHOTO) * 100
    upload.close()


def test_with_metadata_to_remove_the_file_is_kept_as_it_was(storage, files, emulator, settings):
    settings.GROUPME_STRIP_METADATA = True
    fail(emulator)
    assert content_of(files, storage.save("cat.jpg", ContentFile(PHOTO))) == PHOTO


def test_the_fallback_names_its_files(storage, files, emulator):
    fail(emulator, times=2)
    first, second = (storage.save("a b.jpg", ContentFile(PHOTO), max_length=20) for _ in range(2))
    assert first == "a_b.jpg"
    assert first != second
    assert len(second) <= 20


@pytest.mark.parametrize(
    "name", [JPEG, "https:/i.groupme.com/1x1.png.123456789", "HTTP://i.groupme.com/123456789"]
)
def test_no_file_is_named_like_an_address(storage, files, emulator, name):
    fail(emulator)
    saved = storage.save(name, ContentFile(PHOTO))
    assert is_file_name(saved)
    assert saved == name.rpartition("/")[2]
    assert files.exists(saved)


class NamesByUrl(InMemoryStorage):
    def _save(self, name: str, content: Any) -> str:
        return f"https://files.example.com/{super()._save(name, content)}"


def test_a_fallback_that_names_its_files_by_addresses(storage, emulator, settings):
    settings.STORAGES = settings.STORAGES | {"urls": {"BACKEND": f"{__name__}.NamesByUrl"}}
    settings.GROUPME_FALLBACK = "urls"
    fail(emulator)
    with pytest.raises(ImproperlyConfigured, match="cannot be told from a picture"):
        storage.save("cat.jpg", ContentFile(PHOTO))


@pytest.mark.parametrize("name", ["../cat.jpg", "a/../../cat.jpg", "/etc/cat.jpg"])
@pytest.mark.parametrize("deferred", [True, False])
def test_a_suspicious_name(storage, files, emulator, settings, name, deferred):
    settings.GROUPME_DEFERRED = deferred
    fail(emulator)
    with pytest.raises(SuspiciousFileOperation):
        storage.save(name, ContentFile(PHOTO))
    assert files.listdir("") == ([], [])


class Full(InMemoryStorage):
    def _save(self, name: str, content: Any) -> str:
        raise OSError("no space left on device")


@pytest.mark.parametrize("deferred", [False, True])
def test_save_to_a_full_fallback_raises_both_causes(storage, emulator, settings, deferred):
    settings.STORAGES = settings.STORAGES | {"full": {"BACKEND": f"{__name__}.Full"}}
    settings.GROUPME_FALLBACK, settings.GROUPME_DEFERRED = "full", deferred
    fail(emulator)
    content = ContentFile(PHOTO)
    with pytest.raises(FallbackFailed, match="could not save the file: no space left") as caught:
        storage.save("cat.jpg", content)
    assert content.tell() == 0
    assert isinstance(caught.value, OSError)
    assert ("503" in str(caught.value)) is not deferred
    assert caught.value.status == (None if deferred else 503)


class Overflowing(ContentFile):
    """A file of which only the first block fits on the disk."""

    def chunks(self, chunk_size: int | None = None) -> Any:
        yield from itertools.islice(super().chunks(100), 1)
        raise OSError(errno.ENOSPC, "no space left on device")


@pytest.mark.parametrize("deferred", [False, True])
def test_save_to_a_disk_that_is_full_leaves_no_partial_file(
    storage, emulator, settings, files, deferred
):
    settings.GROUPME_DEFERRED = deferred
    fail(emulator)
    files.save("cat.jpg", ContentFile(b"another cat"))
    with pytest.raises(FallbackFailed, match="no space left"):
        storage.save("cat.jpg", Overflowing(PHOTO))
    assert files.listdir("") == ([], ["cat.jpg"])
    assert content_of(files, "cat.jpg") == b"another cat"


class Raced(FileSystemStorage):
    """Another process saves a file of the same name first, and then the disk is full."""

    other = b"another cat"

    def _save(self, name: str, content: Any) -> str:
        super()._save(name, ContentFile(self.other))
        raise OSError(errno.ENOSPC, "no space left on device")


class RacedBySame(Raced):
    other = PHOTO


@pytest.mark.parametrize("raced", [Raced, RacedBySame])
def test_save_to_a_disk_that_is_full_keeps_a_file_of_another_process(
    storage, emulator, settings, tmp_path, raced
):
    backend = {"BACKEND": f"{__name__}.{raced.__name__}", "OPTIONS": {"location": tmp_path}}
    settings.STORAGES = settings.STORAGES | {"raced": backend}
    settings.GROUPME_FALLBACK = "raced"
    fail(emulator)
    with pytest.raises(FallbackFailed):
        storage.save("cat.jpg", ContentFile(PHOTO))
    assert (tmp_path / "cat.jpg").read_bytes() == raced.other


def test_a_receiver_cannot_undo_an_upload(storage, emulator, sent, caplog):
    def broken(**kwargs: Any) -> None:
        raise RuntimeError("a receiver of this project")

    picture_uploaded.connect(broken)
    try:
        assert storage.exists(storage.save("cat.jpg", ContentFile(PHOTO)))
    finally:
        picture_uploaded.disconnect(broken)
    assert "a receiver of this project" in caplog.text
    assert [what for what, _ in sent] == ["uploaded"]


@pytest.mark.parametrize(("size", "reason"), [(0, "is empty"), (11, "has 11 bytes, more than")])
def test_deferred_refuses_what_could_not_be_uploaded(storage, files, settings, size, reason):
    settings.GROUPME_DEFERRED = True
    settings.GROUPME_MAX_UPLOAD_SIZE = 10
    with pytest.raises(UploadRejected, match=reason):
        storage.save("cat.jpg", ContentFile(bytes(size)))
    assert files.listdir("") == ([], [])


def test_deferred_saves_to_the_fallback_first(storage, files, sent, settings, arrived):
    settings.GROUPME_DEFERRED = True
    name = storage.save("cat.jpg", ContentFile(PHOTO))
    assert name == "cat.jpg"
    assert files.exists(name)
    assert arrived() == sent == []
    assert storage.exists(storage.upload(ContentFile(PHOTO)).url)


def test_a_remote_image_cannot_be_postponed(storage, emulator, sent):
    fail(emulator)
    with pytest.raises(ServiceUnavailable):
        storage.save_from_url("https://example.com/cat.jpg")
    assert sent == []


def test_a_remote_image_is_told_of(storage, sent, emulator):
    name = storage.save("cat.jpg", ContentFile(PHOTO))
    again = storage.save_from_url(name)
    assert [told["name"] for _, told in sent] == ["cat.jpg", name]
    assert sent[1][1]["picture"].url == again


# Both kinds of name


def test_every_method_works_on_a_file(storage, files, arrived, emulator):
    name = files.save("photos/cat.jpg", ContentFile(PHOTO))
    assert storage.exists(name)
    assert storage.size(name) == len(PHOTO)
    assert storage.url(name) == "/media/photos/cat.jpg"
    assert storage.path(name) == files.path(name)
    for method in ("get_modified_time", "get_created_time", "get_accessed_time"):
        assert getattr(storage, method)(name) == getattr(files, method)(name)
    assert content_of(storage, name) == PHOTO
    with storage.open(name, "ab") as file:
        file.write(b"!")
    assert files.size(name=name) == len(PHOTO) + 1
    storage.delete(name)
    assert not files.exists(name)
    assert not storage.exists(name)
    with pytest.raises(FileNotFoundError):
        storage.size(name)
    assert arrived() == []


def test_only_a_file_that_is_there_has_a_path(storage, files):
    """Else easy-thumbnails, which asks for the path of "test", takes this for a local storage."""
    (Path(files.location) / "test").mkdir()
    for name in ("gone.png", "test", JPEG):
        with pytest.raises(NotImplementedError, match="no local path"):
            storage.path(name)


def test_both_times_of_a_file_are_those_of_the_fallback(storage, files):
    name = files.save("cat.jpg", ContentFile(PHOTO))
    os.utime(files.path(name), (0, 0))
    assert storage.get_modified_time(name) == files.get_modified_time(name)
    assert storage.get_created_time(name) == files.get_created_time(name)
    assert storage.get_created_time(name) != storage.get_modified_time(name)


def test_every_method_works_on_a_picture(storage, files, arrived):
    name = storage.save("cat.jpg", ContentFile(PHOTO))
    assert storage.exists(name)
    assert storage.size(name) > 0
    assert storage.url(name) == name
    assert storage.open(name).read()
    storage.delete(name)
    assert storage.exists(name=name)
    assert files.listdir("") == ([], [])


@pytest.mark.parametrize(
    "name", ["", None, "https://example.com/cat.jpg", "http://127.0.0.1/cat.jpg", "https:/a/b"]
)
def test_what_is_neither(storage, arrived, name):
    for method in ("url", "open", "size", "get_modified_time"):
        with pytest.raises(InvalidPicture):
            getattr(storage, method)(name)
    assert not storage.exists(name)
    if name:
        storage.delete(name)
    assert arrived() == []


def test_a_path_is_a_name_too(storage, files):
    name = files.save("photos/cat.jpg", ContentFile(PHOTO))
    assert storage.size(Path(name)) == len(PHOTO)


def test_without_a_fallback_a_file_name_is_no_picture(settings):
    settings.GROUPME_FALLBACK = None
    with pytest.raises(InvalidPicture):
        GroupMeStorage().url("photos/cat.jpg")


@pytest.mark.parametrize(
    ("alias", "reason"),
    [
        ("nowhere", "Could not find config for 'nowhere'"),
        ("groupme", "on GroupMe, too"),
        (5, "must be the alias of another storage, or None, not 5"),
        ("", "must be the alias of another storage"),
    ],
)
def test_a_fallback_that_makes_no_sense(settings, alias, reason):
    settings.GROUPME_FALLBACK = alias
    with pytest.raises(ImproperlyConfigured, match=reason):
        GroupMeStorage().save("cat.jpg", ContentFile(PHOTO))


def test_its_own_fallback(settings):
    settings.GROUPME_FALLBACK = "groupme"
    with pytest.raises(ImproperlyConfigured, match="the storage itself"):
        storages["groupme"].url("cat.jpg")


def test_deferred_without_a_fallback(settings):
    settings.GROUPME_FALLBACK = None
    settings.GROUPME_DEFERRED = True
    with pytest.raises(ImproperlyConfigured, match="'fallback' names, and it names none"):
        GroupMeStorage().save("cat.jpg", ContentFile(PHOTO))


# Rows


@pytest.fixture
def outage(emulator):
    fail(emulator, times=100)
    return emulator


@pytest.mark.django_db
@pytest.mark.parametrize("model", [Member, Plain])
def test_a_row_survives_an_outage(outage, files, model):
    row = model.objects.create(photo=ContentFile(PHOTO, "cat.jpg"))
    row.refresh_from_db()
    assert row.photo.name == "cat.jpg"
    assert row.photo.url == "/media/cat.jpg"
    assert row.photo.size == len(PHOTO)
    assert row.photo.read() == PHOTO
    row.full_clean(exclude=["name", "other"])
    row.photo.close()
    row.photo.delete()
    assert files.listdir("") == ([], [])


@pytest.mark.django_db
def test_the_value_of_a_row_in_the_fallback(outage, django_assert_num_queries):
    row = Member.objects.create(photo=ContentFile(PHOTO, "cat.jpg"))
    with django_assert_num_queries(0):
        assert row.photo.picture is None
        assert row.photo.preview_url == row.photo.avatar_url == "/media/cat.jpg"
        assert row.photo.width is row.photo.format is None
    with pytest.raises(InvalidPicture):
        row.photo.attachment()


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["https://example.com/cat.jpg", "http://x", "https:/i.groupme"])
def test_an_address_is_never_a_file(name):
    with pytest.raises(ValidationError):
        Member(name="Ada", photo=name).full_clean()


@pytest.mark.django_db
def test_the_columns_of_the_dimensions_are_filled_and_kept(outage, emulator):
    row = Measured.objects.create(photo=ContentFile(PHOTO, "cat.jpg"))
    row = Measured.objects.get(pk=row.pk)
    assert (row.width, row.height) == (48, 32)
    row.photo.save("dog.png", ContentFile(pictures.plain(size=(20, 10))))
    row = Measured.objects.get(pk=row.pk)
    assert row.photo.name == "dog.png"
    assert (row.width, row.height) == (20, 10)


@pytest.mark.django_db
def test_the_dimensions_stay_what_they_are(outage, forbid_io, files):
    row = Measured.objects.create(photo=ContentFile(PHOTO, "cat.jpg"))
    form_class = modelform_factory(Measured, fields=["photo"])
    form = form_class({}, {}, instance=Measured.objects.get(pk=row.pk))
    assert form.is_valid(), form.errors
    same = form.save()
    same.photo = same.photo
    same.photo = "cat.jpg"
    same.save()
    same.refresh_from_db()
    assert (same.photo.name, same.width, same.height) == ("cat.jpg", 48, 32)


@pytest.mark.django_db
def test_the_dimensions_of_another_file_are_its_own(outage, files):
    row = Measured.objects.create(photo=ContentFile(PHOTO, "cat.jpg"))
    name = files.save("dog.png", ContentFile(pictures.plain(size=(20, 10))))
    row.photo = name
    assert (row.width, row.height) == (20, 10)
    form_class = modelform_factory(Measured, fields=["photo"])
    form = form_class({}, {"photo": SimpleUploadedFile("cat.jpg", PHOTO)}, instance=row)
    saved = form.save()
    assert (saved.width, saved.height) == (48, 32)
    created = Measured.objects.create(photo=waiting_file(name, GroupMeStorage()))
    assert (created.width, created.height) == (20, 10)
    created.photo = SimpleUploadedFile(created.photo.name, pictures.plain(size=(8, 8)))
    created.photo = Measured.objects.get(pk=created.pk).photo
    assert (created.width, created.height) == (20, 10)
    Measured.objects.update(height=None)
    assert Measured.objects.get(pk=created.pk).width == 20
    created.photo = "gone.png"
    assert (created.width, created.height) == (None, None)


# Rendering


def rendered(source: str, **context: Any) -> str:
    return Template("{% load groupme_images %}" + source).render(Context(context))


@pytest.mark.django_db
def test_rendering_a_file_of_the_fallback(outage, forbid_io, django_assert_num_queries, files):
    member = Member.objects.create(photo=ContentFile(PHOTO, "cat.jpg"))
    measured = Measured.objects.create(photo=ContentFile(PHOTO, "dog.jpg"))
    unmeasured = Measured(photo=measured.photo.name, height=10)
    tag = '{% groupme_image photo alt="A cat" loading=None decoding=None %}'
    with django_assert_num_queries(0):
        assert rendered(tag, photo=member.photo) == '<img src="/media/cat.jpg" alt="A cat">'
        assert rendered(tag, photo=unmeasured.photo) == '<img src="/media/dog.jpg" alt="A cat">'
        assert (
            rendered(tag, photo=measured.photo)
            == '<img src="/media/dog.jpg" width="48" height="32" alt="A cat">'
        )
        assert rendered("{{ photo|groupme_avatar }}", photo=member.photo) == "/media/cat.jpg"
        assert rendered('{% groupme_url photo "large" %}', photo=member.photo) == "/media/cat.jpg"


@pytest.mark.parametrize(
    ("variant", "size"), [("avatar", (60, 45)), ("preview", (200, 150)), ("large", (960, 720))]
)
def test_a_file_is_shown_as_large_as_the_variant(settings, variant, size):
    photo = Measured(photo="photos/cat.jpg", width=4000, height=3000).photo
    html = rendered("{% groupme_image photo variant %}", photo=photo, variant=variant)
    assert 'src="/media/photos/cat.jpg" width="{}" height="{}"'.format(*size) in html


# Forms


MemberForm = modelform_factory(Member, fields=["name", "photo"])


def test_a_form_survives_an_outage(db, outage, arrived):
    form = MemberForm({"name": "Ada"}, {"photo": SimpleUploadedFile("cat.jpg", PHOTO)})
    assert form.is_valid(), form.errors
    member = form.save()
    member.refresh_from_db()
    assert re.fullmatch(FOLDER + UNIQUE, member.photo.name)
    assert len(arrived()) == 1


def hidden(form: Any) -> str:
    return str(form["photo"]).partition('name="photo-uploaded" value="')[2].partition('"')[0]


def test_a_file_in_the_fallback_is_carried_along(db, outage, files, arrived):
    form = MemberForm({"name": ""}, {"photo": SimpleUploadedFile("cat.jpg", PHOTO)})
    assert not form.is_valid()
    html = str(form["photo"])
    assert "not saved yet" in html
    ((name,),) = [files.listdir(FOLDER)[1]]
    assert re.fullmatch(UNIQUE, name)
    assert f'<a href="/media/{FOLDER}{name}">{FOLDER}{name}</a>' in html
    second = MemberForm({"name": "", "photo-uploaded": hidden(form)})
    assert not second.is_valid()
    third = MemberForm({"name": "Ada", "photo-uploaded": hidden(second)})
    assert third.is_valid(), third.errors
    assert third.save().photo.name == FOLDER + name
    assert len(arrived()) == 1
    assert files.listdir(FOLDER) == ([], [name])


def test_a_carried_file_that_is_gone_has_to_be_chosen_again(db, emulator, files):
    name = files.save("cat.jpg", ContentFile(PHOTO))
    carried = signed(waiting_file(name, GroupMeStorage()), GroupMeStorage())
    files.delete(name)
    form = MemberForm({"name": "Ada", "photo-uploaded": carried})
    assert form.errors["photo"] == ["The picture was uploaded too long ago. Choose it again."]


@pytest.mark.parametrize("name", ["other:cat.jpg", "cat.jpg", "default:", f"default:{JPEG}"])
def test_what_was_signed_for_another_storage_is_refused(db, emulator, files, name):
    files.save("cat.jpg", ContentFile(PHOTO))
    form = MemberForm({"name": "Ada", "photo-uploaded": signer().sign(name)})
    assert form.errors["photo"] == [
        "The picture uploaded before was not recognised. Choose it again."
    ]


def test_the_file_is_named_as_the_model_field_says(outage, files):
    storage = GroupMeStorage()
    for upload_to, folder in [("photos/", "photos/"), (lambda row, name: "x", "")]:
        model_field = Member._meta.get_field("photo").clone()
        model_field.upload_to = upload_to
        form_field = GroupMeImageFormField(storage=storage, model_field=model_field)
        value = form_field.clean(SimpleUploadedFile("cat.jpg", PHOTO))
        assert (value.name, value.picture) == ("cat.jpg", None)
        assert re.fullmatch(f"/media/{FOLDER}{folder}{UNIQUE}", value.url)
        assert files.exists(value.url.removeprefix("/media/"))


@pytest.mark.parametrize(
    "given", ["evil.html", "evil.svg", "x" * 110 + ".gif", "evil." + "x" * 120, ".gif"]
)
def test_a_file_is_named_after_its_image(db, outage, files, given):
    for _ in range(2):
        form = MemberForm(
            {"name": "Ada"}, {"photo": SimpleUploadedFile(given, pictures.plain("GIF"))}
        )
        assert form.is_valid(), form.errors
        form.save()
    names = Member.objects.values_list("photo", flat=True)
    assert len({name[len(FOLDER) :][:7] for name in names}) == 2
    assert all(name.startswith(FOLDER) for name in names)
    assert all(len(name) <= 100 and name.endswith(".gif") for name in names)


def test_the_name_of_a_form_s_file_is_told_as_it_is(db, emulator, settings, sent):
    settings.GROUPME_FALLBACK = None
    form = MemberForm({"name": "Ada"}, {"photo": SimpleUploadedFile("cat.jpg", PHOTO)})
    assert form.is_valid(), form.errors
    assert [told["name"] for _, told in sent] == ["cat.jpg"]


def test_a_serializer_survives_an_outage(db, outage, arrived):
    from .api import MemberSerializer

    serializer = MemberSerializer(
        data={"name": "Ada", "photo": SimpleUploadedFile("cat.jpg", PHOTO)}
    )
    assert serializer.is_valid(), serializer.errors
    member = serializer.save()
    member.refresh_from_db()
    assert re.fullmatch(FOLDER + UNIQUE, member.photo.name)
    assert MemberSerializer(member).data["photo"] == f"/media/{member.photo.name}"
    assert len(arrived()) == 1
