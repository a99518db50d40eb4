"""The system checks."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from importlib.abc import MetaPathFinder

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
from tests.support.system_checks import BACKEND, ids, manage, messages

BACKENDS = upload_row.get_backend().__module__.rpartition(".")[0]


@pytest.fixture
def options(settings):
    """Set the options of STORAGES["groupme"]."""

    def set_options(**options):
        settings.STORAGES = {
            **settings.STORAGES,
            "groupme": {"BACKEND": BACKEND, "OPTIONS": options},
        }

    return set_options


def test_checks_with_valid_settings_report_nothing():
    assert messages() == []
    call_command("check")


@pytest.fixture
def no_token(settings, monkeypatch):
    monkeypatch.delenv("GM_TOKEN", raising=False)
    del settings.GROUPME_ACCESS_TOKEN


def test_token_missing_is_a_warning(no_token, monkeypatch):
    # STORAGES and the model fields contain three storages, and one of them has a token.
    assert ids() == ["W006", "W006"]
    assert {message.level for message in messages()} == {checks.WARNING}
    assert "GM_TOKEN" in messages()[0].msg
    assert "placeholder-token" in messages()[0].hint
    monkeypatch.setenv("GM_TOKEN", "")
    assert ids() == ["W006", "W006"]
    monkeypatch.setenv("GM_TOKEN", "abc")
    assert ids() == []


def test_token_missing_in_deployment_is_an_error(no_token, settings):
    settings.GROUPME_UPLOAD_URL = "https://image.groupme.com/pictures"
    assert sorted(ids(deploy=True)) == ["E001", "E001", "W006", "W006"]
    with pytest.raises(SystemCheckError, match=r"groupme_images\.E001"):
        call_command("check", deploy=True, stderr=io.StringIO())


def test_token_callable_is_not_called(options):
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
    ("token", "description"),
    [
        ("marked-t0ken\r", "starts or ends with whitespace"),
        (" marked-t0ken", "starts or ends with whitespace"),
        ("marked t0ken", "contains whitespace"),
        ("'marked-tökén'", "contains other characters"),
    ],
)
@pytest.mark.parametrize(
    "source", ["setting GROUPME_ACCESS_TOKEN", "environment variable GM_TOKEN"]
)
def test_token_with_whitespace_is_an_error_without_its_value(
    no_token, settings, monkeypatch, source, token, description
):
    if source.startswith("setting"):
        settings.GROUPME_ACCESS_TOKEN = token
    else:
        monkeypatch.setenv("GM_TOKEN", token)
    message, *_ = found = messages()
    assert {message.id for message in found} == {"groupme_images.E002"}
    assert message.msg.startswith(f"The {source} must be ")
    assert f"(got a string that {description})." in message.msg
    assert "without spaces and line breaks" in message.hint
    assert "marked" not in str(found)


@pytest.mark.parametrize(
    ("name", "value"), [("timeout", "5"), ("max_retries", -1), ("on_delete", "no"), ("cdn_url", 5)]
)
def test_option_with_invalid_value_is_an_error(options, name, value):
    options(**{name: value})
    assert ids() == ["E002"]
    assert f"'{name}'" in messages()[0].msg
    assert repr(value) in messages()[0].msg


def test_setting_with_invalid_value_is_an_error(settings):
    settings.GROUPME_MAX_RETRIES = "2"
    assert set(ids()) == {"E002"}
    assert "GROUPME_MAX_RETRIES" in messages()[0].msg


def test_options_with_several_invalid_values_are_all_reported(options):
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


@pytest.mark.parametrize("command", ["check", "makemigrations", "migrate", "test"])
def test_command_without_a_token_succeeds_with_a_warning(project, command):
    process = manage(project, command)
    assert process.returncode == 0, process.stderr
    assert "groupme_images.W006" in process.stderr
    assert "groupme_images.E001" not in process.stderr


def test_check_deploy_without_a_token_fails(project):
    process = manage(project, "check", "--deploy", "--tag", "files")
    assert process.returncode == 1
    assert "groupme_images.E001" in process.stderr


def test_django_setup_does_not_create_the_storage():
    """A check can then report errors in STORAGES, and a backend can import models."""
    code = (
        "import django; django.setup();"
        "from django_groupme_images.storage import groupme_storage;"
        "from django.utils.functional import empty;"
        "assert groupme_storage._wrapped is empty"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, env=environment)


def test_token_of_wrong_type_is_not_shown(options):
    options(access_token=["marked-t0ken"])
    assert ids() == ["E002"]
    assert "marked" not in str(messages())


def test_unknown_option_is_an_error_without_its_value(options):
    options(tokn="marked-t0ken")
    assert ids(deploy=True) == ["E003"]
    (message,) = messages()
    assert message.msg == (
        "STORAGES[\"groupme\"] could not be created: unknown option 'tokn' of GroupMeStorage."
    )
    assert "marked" not in str(messages())
    assert message.hint.startswith("Valid options: access_token, ")


def test_unknown_option_similar_to_another_suggests_it(options):
    options(time_out=5)
    (message,) = messages()
    assert message.msg.endswith(
        "unknown option 'time_out' of GroupMeStorage. Did you mean 'timeout'?"
    )


def test_backend_that_cannot_be_imported_is_an_error(settings):
    settings.STORAGES = {
        **settings.STORAGES,
        "groupme": {"BACKEND": "django_groupme_image.Storage"},
    }
    assert ids() == ["E003"]
    assert BACKEND in messages()[0].hint


@pytest.mark.parametrize("parameters", [{}, {"BACKEND": BACKEND, "OPTIONS": 5}])
def test_alias_with_invalid_parameters_is_an_error(settings, parameters):
    settings.STORAGES = {**settings.STORAGES, "groupme": parameters}
    assert ids() == ["E003"]


def test_other_alias_with_invalid_backend_is_ignored(settings):
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
def test_deploy_check_with_local_upload_url_is_a_warning(settings, url, expected):
    settings.GROUPME_UPLOAD_URL = url
    found = ids(deploy=True)
    assert sorted(set(found)) == expected
    assert ids() == []


@pytest.mark.parametrize(
    ("alias", "reason"),
    [
        ("nowhere", "Could not find config for 'nowhere' in settings.STORAGES."),
        ("groupme", "The fallback 'groupme' must not be the GroupMe storage itself."),
        ("second", "The fallback 'second' must not be a GroupMeStorage."),
        ("broken", "The fallback of GroupMeStorage cannot be used: "),
    ],
)
def test_fallback_that_cannot_be_used_is_an_error(options, settings, alias, reason):
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


def test_fallback_with_file_system_storage_is_accepted(options):
    options(fallback="default")
    assert ids() == []


def test_deferred_without_fallback_is_an_error(options):
    options(deferred=True)
    assert ids() == ["E005"]


def test_deferred_without_tasks_framework_is_a_warning(options, monkeypatch):
    monkeypatch.setitem(sys.modules, "django_groupme_images.tasks", None)
    options(fallback="default", deferred=True)
    assert ids() == ["W004"]
    assert "the package django-tasks" in messages()[0].msg
    assert "W005" not in ids(deploy=True)


def test_deferred_with_missing_queue_is_a_warning(options, settings, monkeypatch):
    options(fallback="default", deferred=True)
    backend = f"{BACKENDS}.dummy.DummyBackend"
    settings.TASKS = {"default": {"BACKEND": backend, "QUEUES": ["low", "high"]}}
    monkeypatch.delitem(sys.modules, "django_groupme_images.tasks")
    assert ids() == ["W004"]
    assert "The upload tasks could not be created: " in messages()[0].msg


@pytest.mark.parametrize(
    ("formats", "others"),
    [
        (["jpeg", "png", "gif", "mpo"], None),
        (["jpeg", "webp"], "webp"),
        (["tiff", "bmp", "png"], "bmp, tiff"),
    ],
)
def test_strip_metadata_with_other_allowed_formats_is_a_warning(options, formats, others):
    options(allowed_formats=formats, convert_formats=["webp", "heif"], strip_metadata=False)
    assert ids() == []
    options(allowed_formats=formats, convert_formats=["webp", "heif"], strip_metadata=True)
    assert ids() == (["W009"] if others else [])
    assert all(f"the allowed formats {others}, so" in message.msg for message in messages())


def test_convert_formats_without_decoder_is_a_warning_unless_it_is_the_default(
    options, monkeypatch
):
    options(convert_formats=["heif", "webp"])
    assert ids() == []
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    assert ids() == ["W010"]
    assert "the formats heif in" in messages()[0].msg
    options()
    assert ids() == []


@pytest.mark.parametrize(("backend", "expected"), [("immediate", ["W005"]), ("dummy", [])])
def test_deferred_with_immediate_backend_is_a_deploy_warning(options, settings, backend, expected):
    options(fallback="default", deferred=True, upload_url="https://image.groupme.com/pictures")
    settings.GROUPME_UPLOAD_URL = "https://image.groupme.com/pictures"
    settings.TASKS = {"default": {"BACKEND": f"{BACKENDS}.{backend}.{backend.title()}Backend"}}
    assert ids(deploy=True) == expected
    assert ids() == []


@isolate_apps("tests.testapp")
def test_field_with_too_short_max_length_is_an_error(settings):
    class Short(models.Model):
        photo = GroupMeImageField(max_length=70)
        plain = models.ImageField(max_length=71, storage=GroupMeStorage)
        other = models.ImageField(max_length=5)

        class Meta:
            app_label = "gallery"

    field = Short._meta.get_field("photo")
    (message,) = our_checks.check_field(field)
    assert message.id == "groupme_images.E004"
    assert message.obj is field
    assert "71 or more" in message.hint
    assert list(our_checks.check_field(Short._meta.get_field("plain"))) == []
    settings.GROUPME_CDN_URL = "https://a-longer-name.example.com/pictures/"
    assert len(list(our_checks.check_field(Short._meta.get_field("plain")))) == 1


def test_groupme_field_on_other_storage_is_a_warning(settings):
    settings.STORAGES = {**settings.STORAGES, "groupme": settings.STORAGES["default"]}
    found = messages()
    assert {message.id for message in found} == {"groupme_images.W003"}
    assert "its storage is not a GroupMeStorage" in found[0].msg
    assert "gallery.Member.photo" in {str(message.obj) for message in found}


def test_missing_alias_without_settings_is_a_warning(settings):
    settings.STORAGES = {"default": settings.STORAGES["default"]}
    assert ids() == []  # The GROUPME_ settings suffice.
    for name in ("ACCESS_TOKEN", "UPLOAD_URL", "MAX_RETRIES"):
        delattr(settings, f"GROUPME_{name}")
    found = messages(app_configs=[apps.get_app_config("gallery")])
    assert {message.id for message in found} >= {"groupme_images.W002"}
    assert BACKEND in next(m.hint for m in found if m.id.endswith("W002"))
