from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from importlib.abc import MetaPathFinder
from pathlib import Path

import pytest
from django.apps import apps
from django.core import checks
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import models
from django.test.utils import isolate_apps

from django_groupme_images import checks as our_checks
from django_groupme_images.fields import GroupMeImageField
from django_groupme_images.storage import GroupMeStorage
from django_groupme_images.tasks import upload_row

BACKENDS = upload_row.get_backend().__module__.rpartition(".")[0]
BACKEND = "django_groupme_images.storage.GroupMeStorage"
ROOT = Path(our_checks.__file__).parent.parent


def messages(deploy=False, app_configs=None):
    found = checks.run_checks(app_configs=app_configs, include_deployment_checks=deploy)
    return [message for message in found if message.id.startswith("groupme_images.")]


def ids(**options):
    found = messages(**options)
    assert all(message.hint for message in found)
    return [message.id.removeprefix("groupme_images.") for message in found]


@pytest.fixture
def options(settings):
    """Set the options of STORAGES["groupme"]."""

    def set_options(**options):
        settings.STORAGES = {
            **settings.STORAGES,
            "groupme": {"BACKEND": BACKEND, "OPTIONS": options},
        }

    return set_options


def test_nothing_is_wrong():
    assert messages() == []
    call_command("check")


@pytest.fixture
def no_token(settings, monkeypatch):
    monkeypatch.delenv("GM_TOKEN", raising=False)
    del settings.GROUPME_ACCESS_TOKEN


def test_token_missing_is_a_warning(no_token, monkeypatch):
    # STORAGES and the model fields have three storages; one of them is made with a token.
    assert ids() == ["W006", "W006"]
    assert {message.level for message in messages()} == {checks.WARNING}
    assert "GM_TOKEN" in messages()[0].msg
    assert "any non-empty string" in messages()[0].hint
    monkeypatch.setenv("GM_TOKEN", "")
    assert ids() == ["W006", "W006"]
    monkeypatch.setenv("GM_TOKEN", "abc")
    assert ids() == []


def test_token_missing_in_deployment_is_an_error(no_token, settings):
    settings.GROUPME_UPLOAD_URL = "https://image.groupme.com/pictures"
    assert sorted(ids(deploy=True)) == ["E001", "E001", "W006", "W006"]
    with pytest.raises(SystemCheckError, match=r"groupme_images\.E001"):
        call_command("check", deploy=True, stderr=io.StringIO())


def test_a_callable_is_not_asked(options):
    options(access_token=lambda: 1 / 0)
    assert ids() == []
    options(access_token="tests.test_checks.ids")
    assert ids() == []


@pytest.mark.parametrize("path", [".abc", "..abc", "abc.", "tests.broken_module.token"])
def test_token_path_that_raises_is_a_warning(options, monkeypatch, path):
    class Broken(MetaPathFinder):
        def find_spec(self, name: str, *args: object) -> None:
            if name == "tests.broken_module":
                raise RuntimeError("the module of the project is broken")

    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    options(access_token=path)
    assert ids() == ["W006"]


def test_token_path_that_cannot_be_imported_is_a_warning(options, settings):
    settings.GROUPME_UPLOAD_URL = "https://image.groupme.com/pictures"
    options(access_token="marked.t0ken")
    assert ids() == ["W006"]
    assert sorted(ids(deploy=True)) == ["E001", "W006"]
    assert "marked" not in "".join(found.msg + found.hint for found in messages(deploy=True))


@pytest.mark.parametrize("token", [5, ["a.b"], "a token"])
def test_token_of_wrong_type_is_an_error(options, settings, token):
    settings.GROUPME_UPLOAD_URL = "https://image.groupme.com/pictures"
    options(access_token=token)
    assert ids() == ["E002"]
    assert ids(deploy=True) == ["E002"]


@pytest.mark.parametrize(
    ("name", "value"), [("timeout", "5"), ("max_retries", -1), ("on_delete", "no"), ("cdn_url", 5)]
)
def test_a_wrong_option(options, name, value):
    options(**{name: value})
    assert ids() == ["E002"]
    assert f"'{name}'" in messages()[0].msg
    assert repr(value) in messages()[0].msg


def test_a_wrong_setting(settings):
    settings.GROUPME_MAX_RETRIES = "2"
    assert set(ids()) == {"E002"}
    assert "GROUPME_MAX_RETRIES" in messages()[0].msg


def test_every_wrong_option_is_told_at_once(options):
    options(timeout=0, upload_url="ftp://example.com/", access_token="a token")
    assert ids() == ["E002"] * 3
    assert ids(deploy=True).count("E002") == 3


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A new project that uses the app and has no access token."""
    folder = tmp_path_factory.mktemp("project")
    call_command("startproject", "mysite", folder)
    with (folder / "mysite/settings.py").open("a") as file:
        file.write(PROJECT_SETTINGS)
    return folder


PROJECT_SETTINGS = """
INSTALLED_APPS += ["django_groupme_images"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "groupme": {"BACKEND": "django_groupme_images.storage.GroupMeStorage"},
}
"""


def manage(project, *arguments):
    environment = {name: value for name, value in os.environ.items() if name != "GM_TOKEN"}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=project,
        env=environment | {"DJANGO_SETTINGS_MODULE": "mysite.settings", "PYTHONPATH": str(ROOT)},
        text=True,
        capture_output=True,
        check=False,
    )


@pytest.mark.parametrize("command", ["check", "makemigrations", "migrate", "test"])
def test_command_without_a_token_succeeds_with_a_warning(project, command):
    ran = manage(project, command)
    assert ran.returncode == 0, ran.stderr
    assert "groupme_images.W006" in ran.stderr
    assert "groupme_images.E001" not in ran.stderr


def test_check_deploy_without_a_token_fails(project):
    ran = manage(project, "check", "--deploy", "--tag", "files")
    assert ran.returncode == 1
    assert "groupme_images.E001" in ran.stderr


def test_models_are_loaded_before_the_storage_is_made():
    """So that a mistake in STORAGES is told by a check, and a backend may import models."""
    code = (
        "import django; django.setup();"
        "from django_groupme_images.storage import groupme_storage;"
        "from django.utils.functional import empty;"
        "assert groupme_storage._wrapped is empty"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, env=environment)


def test_a_wrong_token_is_not_shown(options):
    options(access_token=["marked-t0ken"])
    assert ids() == ["E002"]
    assert "marked" not in str(messages())


def test_an_unknown_option(options):
    options(tokn="marked-t0ken")
    assert ids(deploy=True) == ["E003"]
    (message,) = messages()
    assert "'tokn'" in message.msg
    assert "marked" not in message.msg
    assert "access_token" in message.hint


def test_a_backend_that_is_not_there(settings):
    settings.STORAGES = {
        **settings.STORAGES,
        "groupme": {"BACKEND": "django_groupme_image.Storage"},
    }
    assert ids() == ["E003"]


@pytest.mark.parametrize("parameters", [{}, {"BACKEND": BACKEND, "OPTIONS": 5}])
def test_an_alias_that_makes_no_sense(settings, parameters):
    settings.STORAGES = {**settings.STORAGES, "groupme": parameters}
    assert ids() == ["E003"]


def test_other_storages_are_none_of_our_business(settings):
    settings.STORAGES = {**settings.STORAGES, "other": {"BACKEND": "no.such.Storage"}}
    assert ids() == []


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://image.groupme.com/pictures", []),
        ("http://image.groupme.com/pictures", ["W001"]),
        ("https://localhost/pictures", ["W001"]),
        ("http://127.0.0.1:8001/pictures", ["W001"]),
        ("https://[::1]/pictures", ["W001"]),
        ("https://127.0.0.2/pictures", ["W001"]),
        ("https://0.0.0.0/pictures", ["W001"]),
        ("https://localhost./pictures", ["W001"]),
        ("https://emulator.localhost/pictures", ["W001"]),
        ("https://10.0.0.1/pictures", []),
    ],
)
def test_deployment(settings, url, expected):
    settings.GROUPME_UPLOAD_URL = url
    found = ids(deploy=True)
    assert sorted(set(found)) == expected
    assert ids() == []


@pytest.mark.parametrize(
    ("alias", "reason"),
    [
        ("nowhere", "Could not find config for 'nowhere' in settings.STORAGES."),
        ("groupme", "The fallback 'groupme' is the storage itself."),
        ("second", "The fallback 'second' is a storage on GroupMe, too."),
        ("broken", "The fallback of GroupMeStorage cannot be used: "),
    ],
)
def test_a_fallback_that_makes_no_sense(options, settings, alias, reason):
    options(fallback=alias)
    settings.STORAGES = settings.STORAGES | {
        "second": {
            "BACKEND": "django_groupme_images.storage.GroupMeStorage",
            "OPTIONS": {"fallback": "groupme"},
        },
        "broken": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"no_such": "option"},
        },
    }
    (message, *_) = [found for found in messages() if found.id == "groupme_images.E005"]
    assert reason in message.msg
    assert "GROUPME_FALLBACK" in message.hint


def test_a_fallback_that_makes_sense(options):
    options(fallback="default")
    assert ids() == []


def test_deferred_without_a_fallback(options):
    options(deferred=True)
    assert ids() == ["E005"]


def test_deferred_uploads_and_nobody_to_make_them(options, monkeypatch):
    monkeypatch.setitem(sys.modules, "django_groupme_images.tasks", None)
    options(fallback="default", deferred=True)
    assert ids() == ["W004"]
    assert "the package django-tasks" in messages()[0].msg
    assert "W005" not in ids(deploy=True)


def test_deferred_uploads_and_a_queue_that_is_not_there(options, settings, monkeypatch):
    options(fallback="default", deferred=True)
    backend = f"{BACKENDS}.dummy.DummyBackend"
    settings.TASKS = {"default": {"BACKEND": backend, "QUEUES": ["low", "high"]}}
    monkeypatch.delitem(sys.modules, "django_groupme_images.tasks")
    assert ids() == ["W004"]
    assert "Tasks cannot be sent: " in messages()[0].msg


@pytest.mark.parametrize(("backend", "expected"), [("immediate", ["W005"]), ("dummy", [])])
def test_deferred_uploads_that_are_made_at_once(options, settings, backend, expected):
    options(fallback="default", deferred=True, upload_url="https://image.groupme.com/pictures")
    settings.GROUPME_UPLOAD_URL = "https://image.groupme.com/pictures"
    settings.TASKS = {"default": {"BACKEND": f"{BACKENDS}.{backend}.{backend.title()}Backend"}}
    assert ids(deploy=True) == expected
    assert ids() == []


@isolate_apps("tests.gallery")
def test_a_column_that_is_too_short(settings):
    class Short(models.Model):
        photo = GroupMeImageField(max_length=70)
        plain = models.ImageField(max_length=71, storage=GroupMeStorage)
        other = models.ImageField(max_length=5)

        class Meta:
            app_label = "gallery"

    field = Short._meta.get_field("photo")
    from django_groupme_images.checks import _check_field

    (message,) = _check_field(field)
    assert message.id == "groupme_images.E004"
    assert message.obj is field
    assert "71 or more" in message.hint
    assert list(_check_field(Short._meta.get_field("plain"))) == []
    settings.GROUPME_CDN_URL = "https://a-longer-name.example.com/pictures/"
    assert len(list(_check_field(Short._meta.get_field("plain")))) == 1


def test_a_groupme_field_on_another_storage(settings):
    settings.STORAGES = {**settings.STORAGES, "groupme": settings.STORAGES["default"]}
    found = messages()
    assert {message.id for message in found} == {"groupme_images.W003"}
    assert "is InMemoryStorage, no" in found[0].msg
    assert "gallery.Member.photo" in {str(message.obj) for message in found}


def test_the_alias_is_missing(settings):
    settings.STORAGES = {"default": settings.STORAGES["default"]}
    assert ids() == []  # GROUPME_ settings make up for it
    for name in ("ACCESS_TOKEN", "UPLOAD_URL", "MAX_RETRIES"):
        delattr(settings, f"GROUPME_{name}")
    found = messages(app_configs=[apps.get_app_config("gallery")])
    assert {message.id for message in found} >= {"groupme_images.W002"}
    assert BACKEND in next(m.hint for m in found if m.id.endswith("W002"))


def test_the_docstring_lists_every_id():
    source = Path(our_checks.__file__).read_text()
    _, table, code = source.split('"""', 2)
    used = set(re.findall(r'"groupme_images\.([EW]\d{3})"', code))
    assert set(re.findall(r"^groupme_images\.([EW]\d{3}) ", table, re.MULTILINE)) == used
