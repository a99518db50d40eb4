"""Test that the app does not evaluate or affect the storages of other apps."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from django.apps import apps
from django.core import checks
from django.core.files.storage import DefaultStorage, InMemoryStorage, default_storage, storages
from django.core.management import CommandError, call_command
from django.db import models
from django.utils.functional import SimpleLazyObject, empty

from django_groupme_images.bulk.cleanup import fallback_aliases
from django_groupme_images.bulk.columns import find_columns
from django_groupme_images.checks import check_deployment, check_fields, check_storages
from django_groupme_images.discovery import groupme_storages, is_groupme_storage
from django_groupme_images.fields import GroupMeImageField
from django_groupme_images.storage import GroupMeStorage, groupme_storage
from tests.support.other_storages import (
    BACKEND,
    GroupMeTenantField,
    Lazy,
    RaisingStorage,
    Subclass,
    TenantField,
    lazily_groupme,
    lazily_in_memory,
)

SUPPORT = "tests.support.other_storages"


def check_ids(config: Any) -> list[str]:
    return [message.id for message in check_fields(app_configs=[config])]


# Recognition


# The parameters are functions, because pytest evaluates lazy objects in parameters.
@pytest.mark.parametrize(
    ("make_storage", "expected"),
    [
        (GroupMeStorage, True),
        (Subclass, True),
        (lambda: groupme_storage, True),
        (lambda: copy.copy(groupme_storage), True),
        (InMemoryStorage, False),
        (RaisingStorage, False),
        (DefaultStorage, False),
        (Lazy, None),
        (lazily_groupme, None),
        (lambda: SimpleLazyObject(GroupMeStorage), None),
    ],
)
def test_is_groupme_of_unevaluated_storage_does_not_evaluate_it(make_storage, expected):
    storage = make_storage()
    before = vars(storage).get("_wrapped")
    assert is_groupme_storage(storage) is expected
    assert vars(storage).get("_wrapped") is before


@pytest.mark.parametrize(
    ("make_storage", "expected"), [(lazily_groupme, True), (lazily_in_memory, False)]
)
def test_is_groupme_of_evaluated_lazy_storage_returns_bool(make_storage, expected):
    storage = make_storage()
    assert storage.url
    assert is_groupme_storage(storage) is expected
    assert is_groupme_storage(Lazy(storage)) is None
    outer = Lazy(storage)
    assert outer.url
    assert is_groupme_storage(outer) is expected


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"BACKEND": BACKEND}, True),
        ({"BACKEND": f"{SUPPORT}.Subclass", "OPTIONS": {"no_such": 1}}, True),
        ({"BACKEND": f"{SUPPORT}.RaisingStorage"}, False),
        ({"BACKEND": f"{SUPPORT}.forbidden_backend"}, False),
        ({"BACKEND": "storages.backends.s3.S3Storage"}, False),
        ({"BACKEND": "no.such.Storage"}, False),
        ({"BACKEND": None}, False),
        ({}, False),
    ],
)
def test_is_groupme_of_default_storage_reads_settings_only(settings, parameters, expected):
    settings.STORAGES = settings.STORAGES | {"default": parameters}
    assert is_groupme_storage(default_storage) is expected
    assert default_storage._wrapped is empty


def test_is_groupme_without_storages_setting_recognizes_groupme_storage(settings):
    settings.STORAGES = {}
    assert is_groupme_storage(groupme_storage)
    assert not is_groupme_storage(default_storage)


# Checks


@pytest.mark.parametrize("field_class", [models.FileField, models.ImageField, GroupMeImageField])
@pytest.mark.parametrize("make_storage", [Lazy, lazily_in_memory, lazily_groupme])
def test_check_of_lazy_storage_does_not_evaluate_it(define_model, field_class, make_storage):
    storage = make_storage()
    define_model(field_class(storage=storage))
    assert check_ids(define_model.config) == []
    assert storage._wrapped is empty


def test_check_of_default_storage_does_not_evaluate_it(settings, define_model):
    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": f"{SUPPORT}.forbidden_backend"}}
    define_model(models.ImageField())
    assert check_ids(define_model.config) == check_storages() == []
    assert checks.run_checks() == []
    check_deployment()
    assert default_storage._wrapped is empty


def test_check_of_default_storage_on_groupme_finds_short_max_length(settings, define_model):
    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": BACKEND}}
    define_model(models.ImageField(max_length=20))
    assert check_ids(define_model.config) == ["groupme_images.E004"]


def test_check_of_evaluated_lazy_storage_finds_short_max_length(define_model):
    storage = Lazy(GroupMeStorage())
    define_model(models.ImageField(storage=storage, max_length=20))
    assert check_ids(define_model.config) == []
    assert storage.url
    assert check_ids(define_model.config) == ["groupme_images.E004"]


@pytest.mark.parametrize("field_class", [TenantField, GroupMeTenantField])
def test_check_of_field_whose_storage_raises_finds_nothing(define_model, field_class):
    field = define_model(field_class())._meta.get_field("photo")
    field.tenant = None
    assert check_ids(define_model.config) == []


def test_check_of_other_storage_ignores_attributes_that_raise(define_model):
    define_model(models.ImageField(storage=RaisingStorage()))
    assert check_ids(define_model.config) == []


@pytest.mark.parametrize("option", ["access_token", "cdn_url", "deferred", "upload_url"])
def test_check_of_option_that_raises_is_error_without_its_message(settings, define_model, option):
    settings.STORAGES = settings.STORAGES | {"groupme": {"BACKEND": f"{SUPPORT}.TenantStorage"}}
    storages["groupme"].raising = option
    define_model(GroupMeImageField())
    messages = (
        check_storages() + check_deployment() + check_fields(app_configs=[define_model.config])
    )
    (error,) = [message for message in messages if message.id == "groupme_images.E002"]
    assert error.msg == (
        f"TenantStorage's option '{option}' cannot be read, because it raises OSError."
    )
    assert "marked" not in str(messages)


@pytest.mark.parametrize(
    ("alias", "backend", "expected"),
    [
        ("groupme", "RaisingGroupMeStorage", "groupme_images.E003"),
        ("default", "RaisingDefaultStorage", "groupme_images.E005"),
    ],
    ids=["groupme", "default"],
)
def test_check_of_storage_whose_constructor_raises_is_error(settings, alias, backend, expected):
    settings.GROUPME_FALLBACK = "default"
    settings.STORAGES = settings.STORAGES | {alias: {"BACKEND": f"{SUPPORT}.{backend}"}}
    assert {message.id for message in check_storages()} == {expected}
    assert "the bucket does not exist" in check_storages()[0].msg


# Commands


@pytest.fixture
def set_only_model(monkeypatch: pytest.MonkeyPatch, define_model: Any) -> Any:
    """Return a function that makes its model the only model of the project."""

    def set_only_model(field: models.FileField) -> Any:
        model = define_model(field)
        monkeypatch.setattr(apps, "get_models", lambda: [model])
        return model

    return set_only_model


@pytest.mark.django_db
def test_commands_with_lazy_storage_evaluate_it(set_only_model):
    storage = Lazy(GroupMeStorage(fallback="default"))
    model = set_only_model(models.ImageField(storage=storage))
    assert fallback_aliases() == ["default"]
    storage._wrapped = empty
    assert [column.model for column in find_columns()] == [model]


@pytest.mark.parametrize("make_storage", [Lazy, lazily_in_memory])
def test_commands_with_lazy_storage_of_other_app_skip_it(set_only_model, make_storage, caplog):
    storage = make_storage()
    set_only_model(models.ImageField(storage=storage))
    assert find_columns() == []
    assert [each.cdn_url for each in groupme_storages(evaluate=True)]
    raises = storage._wrapped is empty
    assert ("gallery.Defined.photo is skipped, because its storage" in caplog.text) is raises
    assert ("the bucket does not exist" in caplog.text) is raises


@pytest.mark.django_db
def test_upload_command_with_uncreatable_source_reports_its_alias(settings):
    settings.STORAGES = settings.STORAGES | {
        "bucket": {"BACKEND": f"{SUPPORT}.RaisingDefaultStorage"}
    }
    with pytest.raises(CommandError, match=r'STORAGES\["bucket"\] could not be created: the'):
        call_command("groupme_upload", source="bucket")
    assert "bucket" in storages.backends
