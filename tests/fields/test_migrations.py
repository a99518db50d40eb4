"""Migrations of image fields."""

from __future__ import annotations

import pytest
from django.core.files.storage import default_storage
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.state import ProjectState
from django.db.migrations.writer import MigrationWriter

from django_groupme_images.fields import GroupMeImageField
from django_groupme_images.storage import GroupMeStorage

pytestmark = pytest.mark.django_db


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
def test_deconstruct_returns_only_the_given_options(field, kwargs):
    assert field.deconstruct() == (
        None,
        "django_groupme_images.fields.GroupMeImageField",
        [],
        kwargs,
    )
    assert field.clone().deconstruct() == field.deconstruct()


def test_deconstruct_with_default_storage_keeps_it():
    field = GroupMeImageField(storage=default_storage)
    copied = field.clone()
    assert copied.storage is default_storage
    assert copied.deconstruct() == field.deconstruct()
    written, imports = MigrationWriter.serialize(field)
    assert "storage=django_groupme_images.fields.get_default_storage" in written
    assert "import django_groupme_images.fields" in imports


def test_migration_of_field_with_token_does_not_contain_it():
    field = GroupMeImageField(
        storage=OtherStorage(access_token="marked-t0ken", cdn_url="https://cdn.example.com/")
    )
    written, imports = MigrationWriter.serialize(field)
    assert "marked" not in written
    assert (
        "tests.fields.test_migrations.OtherStorage(cdn_url='https://cdn.example.com/')" in written
    )
    assert "import tests.fields.test_migrations" in imports


def test_autodetector_with_unchanged_models_finds_no_changes():
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
