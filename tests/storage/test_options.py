"""Tests of the options of ``GroupMeStorage``: precedence, validation, and access tokens."""

from __future__ import annotations

import inspect
from typing import Any, get_type_hints

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import ContentFile

from django_groupme_images.client import GroupMeClient
from django_groupme_images.conf import Option
from django_groupme_images.pictures import CDN_URL, UPLOAD_URL
from django_groupme_images.storage import GroupMeStorage, GroupMeStorageOptions
from tests.support import emulator_pictures as pictures
from tests.support.urls_of_pictures import JPEG

PHOTO = pictures.plain()


def test_option_takes_precedence_over_setting_and_default(settings, monkeypatch):
    del settings.GROUPME_UPLOAD_URL
    del settings.GROUPME_ACCESS_TOKEN
    monkeypatch.delenv("GM_TOKEN", raising=False)
    storage = GroupMeStorage()
    assert (storage.upload_url, storage.cdn_url) == (UPLOAD_URL, CDN_URL)
    assert (storage.timeout, storage.max_retry_wait) == ((5, 30), 10)
    assert (storage.on_delete, storage.max_upload_size) == ("ignore", None)
    assert storage.access_token is None
    monkeypatch.setenv("GM_TOKEN", "from the environment")
    assert storage.access_token == "from the environment"
    assert GroupMeStorage(access_token=None).access_token == "from the environment"
    settings.GROUPME_ACCESS_TOKEN = "from the settings"
    settings.GROUPME_TIMEOUT = 3
    assert storage.access_token == "from the settings"
    assert (storage.timeout, storage.client.timeout) == (3, 3)
    settings.GROUPME_TIMEOUT = [1, 2]
    assert storage.client.timeout == (1, 2)
    assert GroupMeStorage(timeout=4, access_token="given").timeout == 4
    assert GroupMeStorage(access_token="given").access_token == "given"


def test_option_has_name_and_setting():
    option = GroupMeStorage.timeout
    assert option is GroupMeStorage.options()["timeout"]
    assert (option.name, option.setting) == ("timeout", "GROUPME_TIMEOUT")


def type_of(option: Option[Any]) -> Any:
    """Return the type argument of an option, such as ``int | None``, or the type of its default."""
    generic = getattr(option, "__orig_class__", None)
    return generic.__args__[0] if generic else type(option.default)


def test_typed_dict_has_names_and_types_of_options():
    types = {name: type_of(option) for name, option in GroupMeStorage.options().items()}
    assert get_type_hints(GroupMeStorageOptions) == types
    assert not GroupMeStorageOptions.__required_keys__


def test_client_options_have_same_defaults_in_client():
    arguments = inspect.signature(GroupMeClient).parameters.values()
    client_only = {"access_token", "max_retry_after", "wait"}
    assert {each.name: each.default for each in arguments if each.name not in client_only} == {
        name: option.default
        for name, option in GroupMeStorage.options().items()
        if option.is_for_client
    }


def test_client_is_reused_until_options_change(settings):
    storage = GroupMeStorage()
    client = storage.client
    assert storage.client is client
    settings.GROUPME_MAX_RETRIES = 7
    assert storage.client is not client
    assert storage.client.max_retries == 7


class Subclass(GroupMeStorage):
    access_token = "of-the-class"
    max_retries = 1


def test_subclass_attributes_override_option_defaults():
    storage = Subclass()
    assert (storage.access_token, storage.max_retries) == ("of-the-class", 1)
    assert (storage.client.max_retries, storage._token()) == (1, "of-the-class")
    assert Subclass(max_retries=3).client.max_retries == 3
    assert storage.deconstruct() == ("tests.storage.test_options.Subclass", (), {})


def test_option_redefined_by_subclass_reaches_client():
    class Impatient(GroupMeStorage):
        timeout = Option(1, "a number of seconds", bool)

    assert Impatient().client.timeout == 1


def test_unknown_option_raises():
    with pytest.raises(ImproperlyConfigured, match="unknown option 'tokn' of GroupMeStorage"):
        GroupMeStorage(tokn="x")


@pytest.mark.parametrize(
    ("option", "values"),
    [
        (
            "upload_url",
            [
                "",
                "image.groupme.com",
                "ftp://x/",
                "http://",
                "http://u@h/",
                5,
                "http://[",
                "http://h:0/",
                "https://h/?access_token=abc",
                "https://h/a b",
            ],
        ),
        ("cdn_url", ["", "/media/", "https://i.groupme.com/?a", "https://i.groupme.com/#", None]),
        ("timeout", [0, -1, None, "5", (5,), (5, 0), (5, None), True, float("inf"), (5, 1e300)]),
        ("max_upload_time", [0, -1, "5", True, float("inf"), float("nan"), (5, 5)]),
        ("max_retries", [-1, 1.5, None, "2", True]),
        ("max_retry_wait", [-1, None, "10", float("inf"), float("nan")]),
        ("max_upload_size", [-1, "5MB", 1.5]),
        ("access_token", [5, b"token", ["token"], "to ken", "token\n", "tökén"]),
    ],
)
def test_invalid_option_raises_before_upload(option, values):
    for value in values:
        storage = GroupMeStorage(**{option: value})
        with pytest.raises(ImproperlyConfigured, match="must be .* \\(got ") as caught:
            storage.save("cat.jpg", ContentFile(PHOTO))
        assert str(caught.value).startswith(f"GroupMeStorage's option '{option}' must be ")
        assert option != "access_token" or "token" not in str(caught.value).partition("(got")[2]


@pytest.mark.parametrize(
    ("token", "description"),
    [
        ("token\r", "a string that starts or ends with whitespace"),
        (" token", "a string that starts or ends with whitespace"),
        ("two words", "a string that contains whitespace"),
        ("tökén", "a string that contains other characters"),
        (["token"], "a value of the type list"),
    ],
)
def test_invalid_access_token_is_described_without_its_value(settings, token, description):
    settings.GROUPME_ACCESS_TOKEN = token
    with pytest.raises(ImproperlyConfigured) as caught:
        GroupMeStorage().save("cat.jpg", ContentFile(PHOTO))
    assert str(caught.value) == (
        "The setting GROUPME_ACCESS_TOKEN must be a string of ASCII characters without whitespace, "
        f"a callable, or a dotted path to a callable (got {description})."
    )


def test_invalid_value_from_environment_variable_names_it(settings, monkeypatch):
    settings.GROUPME_ACCESS_TOKEN = None
    monkeypatch.setenv("GM_TOKEN", "marked\n")
    for storage in (GroupMeStorage(), GroupMeStorage(access_token=None)):
        with pytest.raises(ImproperlyConfigured, match="^The environment variable GM_TOKEN"):
            storage.save("cat.jpg", ContentFile(PHOTO))


def test_invalid_default_of_subclass_names_the_option(settings):
    del settings.GROUPME_MAX_RETRIES

    class NoRetries(GroupMeStorage):
        max_retries = Option(-1, "an integer of 0 or more", lambda value: value >= 0)

    with pytest.raises(ImproperlyConfigured, match="^NoRetries's option 'max_retries' must be an"):
        NoRetries().save("cat.jpg", ContentFile(PHOTO))


def test_invalid_on_delete_raises():
    with pytest.raises(ImproperlyConfigured, match="must be 'ignore' or 'raise' \\(got 'never'\\)"):
        GroupMeStorage(on_delete="never").delete(JPEG)


def callable_token():
    return "from-callable"


@pytest.mark.parametrize("token", [callable_token, "tests.storage.test_options.callable_token"])
def test_callable_access_token_is_called(token, emulator):
    with type(emulator)(token="from-callable") as server:
        storage = GroupMeStorage(
            access_token=token, upload_url=server.upload_url, cdn_url=server.cdn_url
        )
        assert storage.save("cat.jpg", ContentFile(PHOTO))


@pytest.mark.parametrize(
    "token",
    [
        "tests.storage.test_options.missing",
        "tests.storage.test_options.PHOTO",
        "no.such.module",
        "a.b",
        JPEG,
    ],
)
def test_access_token_with_invalid_dotted_path_raises(token):
    with pytest.raises(ImproperlyConfigured, match="contains a dot") as caught:
        GroupMeStorage(access_token=token).save("cat.jpg", ContentFile(PHOTO))
    assert token not in str(caught.value)


@pytest.mark.parametrize("token", [None, ""])
def test_save_without_access_token_raises(settings, monkeypatch, token):
    monkeypatch.delenv("GM_TOKEN", raising=False)
    settings.GROUPME_ACCESS_TOKEN = token
    with pytest.raises(ImproperlyConfigured, match="environment variable GM_TOKEN"):
        GroupMeStorage().save("cat.jpg", ContentFile(PHOTO))
