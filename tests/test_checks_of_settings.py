"""The system checks of setting names and of ``INSTALLED_APPS``."""

from __future__ import annotations

import re

import pytest
from django.core import checks
from django.core.management import call_command

from django_groupme_images.conf import Option
from django_groupme_images.storage import GroupMeStorage
from tests.support.system_checks import BACKEND, ids, manage, messages
from tests.testapp.models import Member

MISSPELLED = {
    "GROUPME_FALBACK": "GROUPME_FALLBACK",
    "GROUPME_FALLBAKC": "GROUPME_FALLBACK",
    "GROUPME_TIME_OUT": "GROUPME_TIMEOUT",
    "GROUPME_ACCES_TOKEN": "GROUPME_ACCESS_TOKEN",
    "GROUPME_MAX_RETRY": "GROUPME_MAX_RETRIES",
    "GROUPME_ALLOWED_FORMAT": "GROUPME_ALLOWED_FORMATS",
    "GROUPME_STRIP_META_DATA": "GROUPME_STRIP_METADATA",
}


@pytest.mark.parametrize("name", MISSPELLED)
def test_misspelled_setting_is_a_warning_without_its_value(settings, name):
    setattr(settings, name, "marked-value")
    (message,) = messages()
    assert (message.id, message.level) == ("groupme_images.W011", checks.WARNING)
    assert name in message.msg
    assert message.hint == f"Did you mean {MISSPELLED[name]!r}?"
    assert "marked" not in str(message)
    delattr(settings, name)
    assert messages() == []


@pytest.mark.parametrize(
    "name",
    [
        "GROUPME_BOT_ID",
        "GROUPME_BOT_TOKEN",
        "GROUPME_TOKEN",
        "GROUPME_API_URL",
        "GROUPME_API_TIMEOUT",
        "GROUPME_GROUP_ID",
        "GROUPME_CALLBACK",
        "GROUPME_CALLBACK_URL",
        "GROUPME_ACCESS_TOKEN_URL",
        "GROUPME_",
        "OTHER_FALBACK",
    ],
)
def test_settings_of_the_project_are_not_reported(settings, name):
    setattr(settings, name, "value")
    assert messages() == []


class StorageWithRegion(GroupMeStorage):
    region = Option("us", "a string", lambda value: isinstance(value, str))


def test_setting_of_subclass_is_valid_only_if_the_subclass_is_used(settings):
    settings.GROUPME_REGION = "eu"
    settings.GROUPME_REGIO = "eu"
    assert messages() == []
    backend = {"BACKEND": f"{__name__}.StorageWithRegion"}
    settings.STORAGES = {**settings.STORAGES, "groupme": backend}
    (message,) = messages()
    assert "GROUPME_REGIO " in message.msg
    assert message.hint == "Did you mean 'GROUPME_REGION'?"


def test_misspelled_setting_and_unknown_option_are_both_reported(settings):
    settings.GROUPME_FALBACK = "default"
    backend = {"BACKEND": BACKEND, "OPTIONS": {"time_out": 5}}
    settings.STORAGES = {**settings.STORAGES, "groupme": backend}
    assert sorted(ids()) == ["E003", "W011"]  # Django runs the checks in any order.


def test_groupme_field_without_installed_app_is_a_warning(settings):
    settings.INSTALLED_APPS = [
        app for app in settings.INSTALLED_APPS if not app.startswith("django_groupme_images")
    ]
    found = [message for message in Member.check() if message.id == "groupme_images.W012"]
    assert [str(message.obj) for message in found] == ["gallery.Member.photo"]
    assert found[0].msg == (
        'gallery.Member.photo is a GroupMeImageField, but "django_groupme_images" is not in '
        "INSTALLED_APPS."
    )


def test_project_without_installed_app_has_no_templates_tags_or_commands(tmp_path):
    call_command("startproject", "mysite", tmp_path)
    (tmp_path / "club").mkdir()
    (tmp_path / "club/__init__.py").touch()
    (tmp_path / "club/models.py").write_text(MODEL_WITHOUT_APP)
    with (tmp_path / "mysite/settings.py").open("a") as file:
        file.write(SETTINGS_WITHOUT_APP)
    process = manage(tmp_path, "check")
    assert process.returncode == 0, process.stderr
    assert re.findall(r"groupme_images\.[EW]\d+", process.stderr) == ["groupme_images.W012"]
    process = manage(tmp_path, "shell", "--command", CODE_WITHOUT_APP)
    assert process.stdout.splitlines()[-4:] == [
        "form TemplateDoesNotExist",
        "tags TemplateSyntaxError",
        "commands CommandError",
        "receiver False",
    ], process.stderr


MODEL_WITHOUT_APP = """
from django.db import models
from django_groupme_images.fields import GroupMeImageField

class Member(models.Model):
    photo = GroupMeImageField()
"""

SETTINGS_WITHOUT_APP = """
INSTALLED_APPS += ["club"]
GROUPME_ACCESS_TOKEN = "placeholder-token"
"""

CODE_WITHOUT_APP = """
import sys
from django.core.management import call_command
from django.forms import modelform_factory
from django.template import Template
from club.models import Member

for name, function in {
    "form": lambda: str(modelform_factory(Member, fields=["photo"])()),
    "tags": lambda: Template("{% load groupme_images %}"),
    "commands": lambda: call_command("groupme_upload"),
}.items():
    try:
        function()
    except Exception as error:
        print(name, type(error).__name__)
print("receiver", "django_groupme_images.receivers" in sys.modules)
"""
