"""Validators of file extensions, on Django's fields and on ``GroupMeImageField``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.validators import (
    FileExtensionValidator,
    MaxLengthValidator,
    validate_image_file_extension,
)
from django.db import models
from django.forms import modelform_factory
from django.test.utils import isolate_apps

from django_groupme_images.checks import check_fields
from django_groupme_images.fields import GroupMeImageField
from django_groupme_images.storage import GroupMeStorage
from django_groupme_images.storage.names import is_file_name
from django_groupme_images.testing import image_file
from tests.testapp.models import make_storage

VALIDATORS = [FileExtensionValidator(["png", "jpg"]), validate_image_file_extension]


def image_field(**options: Any) -> models.FileField:
    return models.ImageField(storage=make_storage, **options)


def file_field(**options: Any) -> models.FileField:
    return models.FileField(storage=GroupMeStorage(), **options)


class TableOfLocal:
    """Options of a model that uses the table of another one, so that none has to be created."""

    app_label = "gallery"
    managed = False
    db_table = "gallery_local"


@pytest.fixture
def define() -> Iterator[Callable[..., Any]]:
    """Return a function that defines a model with one field in an isolated app registry."""
    with isolate_apps("tests.testapp") as registry:

        def define(field: models.FileField, *bases: type, **meta: Any) -> Any:
            attributes = {
                "photo": field,
                "Meta": type("Meta", (TableOfLocal,), meta),
                "__module__": "tests.testapp.models",
            }
            return type("Defined", (*bases, models.Model), attributes)

        define.config = registry.get_app_config("gallery")  # type: ignore[attr-defined]
        yield define


def bound_form(model: Any, instance: Any = None, **files: Any) -> Any:
    return modelform_factory(model, fields=["photo"])({}, files, instance=instance)


def create(model: Any) -> Any:
    """Create an instance with a form, and load it from the database."""
    form = bound_form(model, photo=image_file("ada.png"))
    assert form.is_valid(), form.errors
    return model.objects.get(pk=form.save().pk)


# Forms with Django's fields


@pytest.mark.django_db
@pytest.mark.parametrize("validator", VALIDATORS)
@pytest.mark.parametrize("field", [image_field, file_field])
def test_form_with_django_field_rejects_uploaded_image(groupme_service, define, field, validator):
    instance = create(define(field(validators=[validator])))
    form = bound_form(type(instance), instance)
    assert form.errors.as_data()["photo"][0].code == "invalid_extension"
    assert bound_form(type(instance), instance, photo=image_file("bob.png")).is_valid()


@pytest.mark.django_db
def test_form_with_django_field_rejects_pending_file_after_upload(
    groupme_service, settings, define
):
    settings.GROUPME_FALLBACK = "default"
    groupme_service.fail(times=9)
    instance = create(define(image_field(validators=VALIDATORS)))
    assert is_file_name(instance.photo.name)
    assert bound_form(type(instance), instance).is_valid()
    instance.photo = groupme_service.add(image_file("ada.png").read()).url
    assert "photo" in bound_form(type(instance), instance).errors


# Forms with GroupMeImageField, or with a validator of the form field


@pytest.mark.django_db
@pytest.mark.parametrize("fallback_mode", ["none", "fallback", "deferred"])
@pytest.mark.parametrize("name", ["ada.png", "ada.jpg", "ada.PNG"])
def test_form_with_groupme_field_edits_saved_instance(
    groupme_service, settings, define, fallback_mode, name
):
    if fallback_mode != "none":
        settings.GROUPME_FALLBACK = "default"
        settings.GROUPME_DEFERRED = fallback_mode == "deferred"
        groupme_service.fail(times=9)
    model = define(GroupMeImageField(validators=VALIDATORS))
    form = bound_form(model, photo=image_file(name))
    assert form.is_valid(), form.errors
    instance = model.objects.get(pk=form.save().pk)
    assert is_file_name(instance.photo.name) is (fallback_mode != "none")
    form = bound_form(model, instance)
    assert form.is_valid(), form.errors
    form.save()
    form = bound_form(model, instance, photo=image_file("new.png"))
    assert form.is_valid(), form.errors
    form.save()
    form = bound_form(model, instance, photo=image_file("new.gif"))
    assert form.errors.as_data()["photo"][0].code == "invalid_extension"
    model.objects.get(pk=instance.pk).full_clean()


@pytest.mark.django_db
def test_validator_of_form_field_accepts_saved_image(groupme_service, define):
    model = define(image_field())
    form_class = modelform_factory(model, fields=["photo"])
    form_class.base_fields["photo"].validators.append(VALIDATORS[0])
    instance = create(model)
    assert form_class({}, {}, instance=instance).is_valid()
    assert not form_class({}, {"photo": image_file("new.gif")}, instance=instance).is_valid()


# The system check


def check_ids(define: Any) -> list[str]:
    messages = check_fields(app_configs=[define.config])
    assert {str(message.obj) for message in messages} <= {"gallery.Defined.photo"}
    return [message.id for message in messages]


@pytest.mark.parametrize("validator", VALIDATORS)
@pytest.mark.parametrize("field", [image_field, file_field])
def test_check_of_django_field_with_extension_validator_warns(define, field, validator):
    define(field(validators=[MaxLengthValidator(100), validator]))
    assert check_ids(define) == ["groupme_images.W007"]
    (message,) = check_fields(app_configs=[define.config])
    assert "GroupMeImageField" in message.hint
    assert "form field" in message.hint


@pytest.mark.parametrize(
    "field",
    [
        image_field(),
        image_field(validators=[MaxLengthValidator(100), FileExtensionValidator()]),
        GroupMeImageField(validators=VALIDATORS),
        models.ImageField(validators=VALIDATORS),
    ],
)
def test_check_of_other_fields_passes(define, field):
    define(field)
    assert check_ids(define) == []


def test_check_of_field_with_default_validators_warns(define):
    class PhotoField(models.ImageField):
        default_validators = VALIDATORS

    define(PhotoField(storage=make_storage))
    assert check_ids(define) == ["groupme_images.W007"]


def test_check_of_inherited_field_warns_once(define):
    model = define(image_field(validators=VALIDATORS))
    attributes = {"__module__": "tests.testapp.models"}
    meta = type("Meta", (), {"app_label": "gallery"})
    type("Child", (model,), {"Meta": meta, **attributes})
    meta = type("Meta", (), {"app_label": "gallery", "proxy": True})
    type("Proxy", (model,), {"Meta": meta, **attributes})
    assert check_ids(define) == ["groupme_images.W007"]


def test_check_of_abstract_model_passes(define):
    define(image_field(validators=VALIDATORS), abstract=True)
    assert check_ids(define) == []


def test_check_of_child_of_abstract_model_warns(define):
    abstract = define(image_field(validators=VALIDATORS), abstract=True)
    type("Defined", (abstract,), {"Meta": TableOfLocal, "__module__": "tests.testapp.models"})
    assert check_ids(define) == ["groupme_images.W007"]


def test_check_of_swapped_model_passes(define, settings):
    settings.GALLERY_MODEL = "gallery.Member"
    define(image_field(validators=VALIDATORS), swappable="GALLERY_MODEL")
    assert check_ids(define) == []
