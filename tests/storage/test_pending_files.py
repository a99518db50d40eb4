"""Tests of pending files in model instances, templates, forms, and serializers."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.forms import modelform_factory
from django.template import Context, Template

from django_groupme_images.exceptions import (
    InvalidPicture,
)
from django_groupme_images.forms import GroupMeImageFormField
from django_groupme_images.forms.signing import get_signer, sign
from django_groupme_images.forms.uploads import pending_file
from django_groupme_images.storage import GroupMeStorage
from tests.support import emulator_pictures as pictures
from tests.support.outages import fail_uploads
from tests.support.urls_of_pictures import JPEG
from tests.testapp.models import Measured, Member, Plain

PHOTO = pictures.plain()
# The names of files that were uploaded in a form.
FOLDER = "groupme-forms/"
UNIQUE = r"\w{7}_cat\.jpg"

pytestmark = pytest.mark.usefixtures("fallback")


# Model instances


@pytest.fixture
def outage(emulator):
    fail_uploads(emulator, times=100)
    return emulator


@pytest.mark.django_db
@pytest.mark.parametrize("model", [Member, Plain])
def test_create_in_outage_stores_pending_file(outage, fallback, model):
    row = model.objects.create(photo=ContentFile(PHOTO, "cat.jpg"))
    row.refresh_from_db()
    assert row.photo.name == "cat.jpg"
    assert row.photo.url == "/media/cat.jpg"
    assert row.photo.size == len(PHOTO)
    assert row.photo.read() == PHOTO
    row.full_clean(exclude=["name", "other"])
    row.photo.close()
    row.photo.delete()
    assert fallback.listdir("") == ([], [])


@pytest.mark.django_db
def test_field_file_of_pending_file_has_no_picture(outage, django_assert_num_queries):
    row = Member.objects.create(photo=ContentFile(PHOTO, "cat.jpg"))
    with django_assert_num_queries(0):
        assert row.photo.picture is None
        assert row.photo.preview_url == row.photo.avatar_url == "/media/cat.jpg"
        assert row.photo.format is None
        assert (row.photo.width, row.photo.height) == (48, 32)
    with pytest.raises(InvalidPicture):
        row.photo.attachment()


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["https://example.com/cat.jpg", "http://x", "https:/i.groupme"])
def test_full_clean_with_url_of_another_site_raises(name):
    with pytest.raises(ValidationError):
        Member(name="Ada", photo=name).full_clean()


@pytest.mark.django_db
def test_dimension_fields_in_outage_are_filled(outage, emulator):
    row = Measured.objects.create(photo=ContentFile(PHOTO, "cat.jpg"))
    row = Measured.objects.get(pk=row.pk)
    assert (row.width, row.height) == (48, 32)
    row.photo.save("dog.png", ContentFile(pictures.plain(size=(20, 10))))
    row = Measured.objects.get(pk=row.pk)
    assert row.photo.name == "dog.png"
    assert (row.width, row.height) == (20, 10)


@pytest.mark.django_db
def test_dimension_fields_of_unchanged_file_are_kept(outage, forbid_io, fallback):
    row = Measured.objects.create(photo=ContentFile(PHOTO, "cat.jpg"))
    form_class = modelform_factory(Measured, fields=["photo"])
    form = form_class({}, {}, instance=Measured.objects.get(pk=row.pk))
    assert form.is_valid(), form.errors
    saved = form.save()
    saved.photo = saved.photo
    saved.photo = "cat.jpg"
    saved.save()
    saved.refresh_from_db()
    assert (saved.photo.name, saved.width, saved.height) == ("cat.jpg", 48, 32)


@pytest.mark.django_db
def test_dimension_fields_of_replaced_file_are_updated(outage, fallback):
    row = Measured.objects.create(photo=ContentFile(PHOTO, "cat.jpg"))
    name = fallback.save("dog.png", ContentFile(pictures.plain(size=(20, 10))))
    row.photo = name
    assert (row.width, row.height) == (20, 10)
    form_class = modelform_factory(Measured, fields=["photo"])
    form = form_class({}, {"photo": SimpleUploadedFile("cat.jpg", PHOTO)}, instance=row)
    saved = form.save()
    assert (saved.width, saved.height) == (48, 32)
    created = Measured.objects.create(photo=pending_file(name, GroupMeStorage()))
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
def test_template_tags_with_pending_file_render_fallback_url(
    outage, forbid_io, django_assert_num_queries, fallback
):
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
def test_groupme_image_of_pending_file_has_size_of_variant(settings, variant, size):
    photo = Measured(photo="photos/cat.jpg", width=4000, height=3000).photo
    html = rendered("{% groupme_image photo variant %}", photo=photo, variant=variant)
    assert 'src="/media/photos/cat.jpg" width="{}" height="{}"'.format(*size) in html


# Forms


MemberForm = modelform_factory(Member, fields=["name", "photo"])


def test_form_in_outage_saves_pending_file(db, outage, list_requests):
    form = MemberForm({"name": "Ada"}, {"photo": SimpleUploadedFile("cat.jpg", PHOTO)})
    assert form.is_valid(), form.errors
    member = form.save()
    member.refresh_from_db()
    assert re.fullmatch(FOLDER + UNIQUE, member.photo.name)
    assert len(list_requests()) == 1


def kept_upload(form: Any) -> str:
    return str(form["photo"]).partition('name="photo-uploaded" value="')[2].partition('"')[0]


def test_form_with_errors_keeps_pending_upload(db, outage, fallback, list_requests):
    form = MemberForm({"name": ""}, {"photo": SimpleUploadedFile("cat.jpg", PHOTO)})
    assert not form.is_valid()
    html = str(form["photo"])
    assert "not saved yet" in html
    ((name,),) = [fallback.listdir(FOLDER)[1]]
    assert re.fullmatch(UNIQUE, name)
    assert f'<a href="/media/{FOLDER}{name}">{FOLDER}{name}</a>' in html
    second = MemberForm({"name": "", "photo-uploaded": kept_upload(form)})
    assert not second.is_valid()
    third = MemberForm({"name": "Ada", "photo-uploaded": kept_upload(second)})
    assert third.is_valid(), third.errors
    assert third.save().photo.name == FOLDER + name
    assert len(list_requests()) == 1
    assert fallback.listdir(FOLDER) == ([], [name])


def test_form_with_missing_pending_file_shows_error(db, emulator, fallback):
    name = fallback.save("cat.jpg", ContentFile(PHOTO))
    token = sign(pending_file(name, GroupMeStorage()), GroupMeStorage())
    fallback.delete(name)
    form = MemberForm({"name": "Ada", "photo-uploaded": token})
    assert form.errors["photo"] == ["Your upload has expired. Please choose the image again."]


@pytest.mark.parametrize("name", ["other:cat.jpg", "cat.jpg", "default:", f"default:{JPEG}"])
def test_form_with_token_of_another_storage_shows_error(db, emulator, fallback, name):
    fallback.save("cat.jpg", ContentFile(PHOTO))
    form = MemberForm({"name": "Ada", "photo-uploaded": get_signer().sign(name)})
    assert form.errors["photo"] == [
        "Your earlier upload could not be verified. Please choose the image again."
    ]


def test_form_field_in_outage_uses_upload_to_of_model_field(outage, fallback):
    storage = GroupMeStorage()
    for upload_to, folder in [("photos/", "photos/"), (lambda row, name: "x", "")]:
        model_field = Member._meta.get_field("photo").clone()
        model_field.upload_to = upload_to
        form_field = GroupMeImageFormField(storage=storage, model_field=model_field)
        value = form_field.clean(SimpleUploadedFile("cat.jpg", PHOTO))
        assert (value.name, value.picture) == ("cat.jpg", None)
        assert re.fullmatch(f"/media/{FOLDER}{folder}{UNIQUE}", value.url)
        assert fallback.exists(value.url.removeprefix("/media/"))


@pytest.mark.parametrize(
    "given", ["evil.html", "evil.svg", "x" * 110 + ".gif", "evil." + "x" * 120, ".gif"]
)
def test_form_in_outage_replaces_extension_by_image_format(db, outage, fallback, given):
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


def test_form_upload_sends_original_name_to_receivers(db, emulator, settings, sent):
    settings.GROUPME_FALLBACK = None
    form = MemberForm({"name": "Ada"}, {"photo": SimpleUploadedFile("cat.jpg", PHOTO)})
    assert form.is_valid(), form.errors
    assert [arguments["name"] for _, arguments in sent] == ["cat.jpg"]


def test_serializer_in_outage_saves_pending_file(db, outage, list_requests):
    from tests.support.api import MemberSerializer

    serializer = MemberSerializer(
        data={"name": "Ada", "photo": SimpleUploadedFile("cat.jpg", PHOTO)}
    )
    assert serializer.is_valid(), serializer.errors
    member = serializer.save()
    member.refresh_from_db()
    assert re.fullmatch(FOLDER + UNIQUE, member.photo.name)
    assert MemberSerializer(member).data["photo"] == f"/media/{member.photo.name}"
    assert len(list_requests()) == 1
