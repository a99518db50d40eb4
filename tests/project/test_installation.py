"""Test what the installation of the app changes in a project."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests import ROOT

MODELS = """
from django.core.files.storage import InMemoryStorage
from django.db import models
from django_groupme_images.fields import GroupMeImageField

class Bucket(InMemoryStorage):
    def __init__(self):
        raise OSError("the bucket does not exist")

class Note(models.Model):
    text = models.CharField(max_length=50)

class Item(models.Model):
    name = models.CharField(max_length=50)
    photo = GroupMeImageField(blank=True)
    manual = models.FileField(blank=True)
"""

SETTINGS = """
import sys

SECRET_KEY = "for the tests alone"
INSTALLED_APPS = [*filter(None, sys.argv[1].split(","))]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
GROUPME_ACCESS_TOKEN = "5ecre7t0ken"
STATIC_URL = "static/"
STORAGES = {
    "default": {"BACKEND": "shop.models.Bucket"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "files": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "groupme": {
        "BACKEND": "django_groupme_images.storage.GroupMeStorage",
        "OPTIONS": {"fallback": "files"},
    },
}
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
REST_FRAMEWORK = {"UNAUTHENTICATED_USER": None}
"""

RUN = """
import sys

import django

django.setup()

from django.core.files.storage import default_storage
from django.core.management import call_command
from django.forms import modelform_factory
from django.template import engines
from django.utils.functional import empty

from django_groupme_images.testing import InProcessService, image_file
from shop.models import Item, Note

call_command("check", fail_level="WARNING", verbosity=0)
call_command("check", deploy=True, tags=["files", "models"], verbosity=0)
call_command("makemigrations", "shop", verbosity=0)
call_command("migrate", verbosity=0)

Note.objects.create(text="without files").save()

with InProcessService() as service:
    form_class = modelform_factory(Item, fields=["name", "photo"])
    form = form_class({}, {"photo": image_file()})
    assert not form.is_valid()
    assert "image_input.js" in str(form.media)
    token = str(form).split('name="photo-uploaded" value="')[1].split('"')[0]
    form = form_class({"name": "Ada", "photo-uploaded": token})
    assert form.is_valid(), form.errors
    item = form.save()
    item.save()
    assert len(service.uploads) == 1
    item = Item.objects.get()
    template = engines["django"].from_string(
        '{% load groupme_images %}{% groupme_image item.photo "avatar" alt=item.name %}'
    )
    assert item.photo.avatar_url in template.render({"item": item})
    for command in ("groupme_check", "groupme_upload", "groupme_cleanup"):
        call_command(command, verbosity=0)
    if "rest_framework" in sys.argv[1]:
        from rest_framework.serializers import FileField, ModelSerializer

        class ItemSerializer(ModelSerializer):
            class Meta:
                model = Item
                fields = "__all__"

        serializer = ItemSerializer(data={"name": "Bob", "photo": image_file("bob.png")})
        assert type(serializer.fields["manual"]) is FileField
        assert serializer.is_valid(), serializer.errors
        assert ItemSerializer(serializer.save()).data["photo"] == service.uploads[1].picture.url

assert default_storage._wrapped is empty
print(*sorted(sys.modules))
"""

SNAPSHOT = """
import atexit
import json
import logging
import sys
import threading
import warnings
from importlib import import_module

import django

django.setup()

from django.contrib.admin import FieldListFilter, options, site
from django.core import checks
from django.core.management import get_commands
from django.dispatch import Signal
from django.template import engines
from rest_framework.serializers import ModelSerializer

names = ["core.signals", "db.models.signals", "db.backends.signals", "test.signals"]
modules = [import_module(f"django.{name}") for name in [*names, "contrib.auth.signals"]]
registry = checks.registry.registry
engine = engines["django"].engine

print(json.dumps({
    "receivers": [
        f"{name} {receiver[1]().__module__}.{receiver[1]().__qualname__}"
        for module in modules
        for name, signal in vars(module).items()
        if isinstance(signal, Signal)
        for receiver in signal.receivers
    ],
    "serializer fields": [str(item) for item in ModelSerializer.serializer_field_mapping.items()],
    "admin": [*map(str, options.FORMFIELD_FOR_DBFIELD_DEFAULTS), *map(str, site._registry)],
    "builtins": engine.builtins,
    "tag libraries": [*engine.libraries],
    "checks": [
        f"{each.__module__}.{each.__name__}"
        for each in registry.registered_checks | registry.deployment_checks
    ],
    "log handlers": [
        f"{name} {handler!r}"
        for name in [None, *logging.root.manager.loggerDict]
        for handler in logging.getLogger(name).handlers
    ],
    "warnings": [*map(str, warnings.filters)],
    "threads": [thread.name for thread in threading.enumerate()],
    "hooks": [type(hook).__name__ for hook in [*sys.meta_path, *sys.path_hooks]],
    "exit functions": [None] * atexit._ncallbacks(),
    "list filters": [each.__name__ for _, each in FieldListFilter._field_list_filters],
    "commands": [*get_commands()],
    "packages": [*{name.partition(".")[0] for name in sys.modules}],
}))
"""

APP = "django_groupme_images"
ADMIN = "django.contrib.admin"
AUTH = "django.contrib.auth"
SESSIONS = "django.contrib.sessions"
TYPES = "django.contrib.contenttypes"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/__init__.py").touch()
    (tmp_path / "shop/models.py").write_text(MODELS)
    (tmp_path / "settings.py").write_text(SETTINGS)
    (tmp_path / "run.py").write_text(RUN)
    (tmp_path / "snapshot.py").write_text(SNAPSHOT)
    return tmp_path


@pytest.mark.parametrize(
    "installed",
    [[], [SESSIONS], [TYPES, AUTH], ["rest_framework"], [TYPES, AUTH, SESSIONS, "rest_framework"]],
    ids=lambda apps: "-".join(app.rpartition(".")[2] for app in apps) or "none",
)
def test_project_without_optional_apps_saves_and_renders_image(project, installed):
    output = run_script(project, "run.py", [*installed, APP, "shop"])
    imported_modules = set(output.split())
    absent_models = {f"{app}.models" for app in {ADMIN, AUTH, SESSIONS, TYPES} - set(installed)}
    assert not imported_modules & (absent_models | {ADMIN})
    assert ("rest_framework" in imported_modules) is ("rest_framework" in installed)


def test_installation_keeps_registrations_of_other_apps(project):
    installed = [ADMIN, AUTH, TYPES, SESSIONS, "django.contrib.messages", "rest_framework"]
    before = json.loads(run_script(project, "snapshot.py", installed))
    after = json.loads(run_script(project, "snapshot.py", [*installed, APP]))
    assert not any(Counter(before[kind]) - Counter(after[kind]) for kind in before)
    added = {kind: Counter(after[kind]) - Counter(before[kind]) for kind in before}
    assert {kind: set(names) for kind, names in added.items() if names} == {
        "receivers": {
            f"post_save {APP}.receivers.enqueue_uploads",
            f"request_started {APP}.admin.thumbnails._clear_late_thumbnails_script",
            f"setting_changed {APP}.admin.thumbnails._clear_late_thumbnails_script",
            f"setting_changed {APP}.storage.backend._reset_project_storage",
        },
        "serializer fields": {
            f"(<class '{APP}.fields.GroupMeImageField'>, "
            f"<class '{APP}.rest_framework.fields.GroupMeImageSerializerField'>)"
        },
        "tag libraries": {"groupme_images"},
        "checks": {
            f"{APP}.checks.check_{name}"
            for name in ("settings", "storages", "fields", "deployment")
        },
        "list filters": {"GroupMeImageFilter"},
        "commands": {f"groupme_{name}" for name in ("check", "cleanup", "emulator", "upload")},
        "packages": {APP, "storages"},
    }


def run_script(project: Path, script: str, installed: list[str]) -> str:
    """Run a script in a project with these apps, and return its output."""
    result = subprocess.run(
        [sys.executable, "-W", "error", script, ",".join(installed)],
        cwd=project,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "settings", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout
