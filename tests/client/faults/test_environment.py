"""Certificates and proxies that the environment sets, and that cannot be used."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme
from django import forms
from django.core.files.base import ContentFile

from django_groupme_images.exceptions import ServiceUnavailable
from django_groupme_images.forms import GroupMeImageFormField
from django_groupme_images.storage import GroupMeStorage
from django_groupme_images.testing import image_file
from tests.support.urls_of_pictures import JPEG

from .servers import PHOTO, client_of, respond_with, server

pytestmark = [pytest.mark.any_django, pytest.mark.usefixtures("clean_environment")]

PROXIES = [
    "http://",
    "http://[",
    "http://a b",
    "http://proxy:99999",
    "http://user:s3cret@proxy:port",
    "ftp://proxy:1",
    "http://user:p\u20ac@127.0.0.1:9",
    "http://.a.b",
    "http://" + "a" * 300,
    "http://127.0.0.1:9",
]


@pytest.fixture
def storage(settings):
    # No server listens on this port. The client fails before it connects.
    settings.GROUPME_UPLOAD_URL = "https://127.0.0.1:9/pictures"
    return GroupMeStorage()


class PhotoForm(forms.Form):
    photo = GroupMeImageFormField()


def check_unavailable(storage, message):
    """Check that each method of the storage raises ``ServiceUnavailable`` with this message."""
    content = ContentFile(PHOTO)
    for call in (
        lambda: storage.save("cat.jpg", content),
        lambda: storage.save_from_url("https://example.com/cat.jpg"),
        lambda: storage.exists(JPEG),
        lambda: storage.size(JPEG),
        lambda: storage.get_modified_time(JPEG),
        lambda: storage.open(JPEG).read(),
    ):
        with pytest.raises(ServiceUnavailable, match=message) as caught:
            call()
        assert "s3cret" not in str(caught.value)
    assert (content.closed, content.tell()) == (False, 0)


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_storage_with_missing_ca_bundle_raises_service_unavailable(storage, monkeypatch, variable):
    monkeypatch.setenv(variable, "/nowhere/ca.pem")
    check_unavailable(storage, "network settings: .*invalid path: /nowhere/ca.pem")


@pytest.mark.parametrize("proxy", PROXIES)
def test_storage_with_unusable_proxy_raises_service_unavailable(storage, monkeypatch, proxy):
    monkeypatch.setenv("https_proxy", proxy)
    check_unavailable(storage, "could not be reached|cannot be reached")


@pytest.mark.parametrize(
    ("variable", "value"), [("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem"), ("https_proxy", "http://[")]
)
def test_form_with_unusable_environment_has_unavailable_error(
    storage, monkeypatch, variable, value
):
    monkeypatch.setenv(variable, value)
    form = PhotoForm({}, {"photo": image_file()})
    assert not form.is_valid()
    assert form.errors.as_data()["photo"][0].code == "unavailable"


@pytest.mark.parametrize(
    ("variable", "value"), [("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem"), ("https_proxy", "http://[")]
)
def test_save_with_unusable_environment_uses_fallback(
    storage, fallback, monkeypatch, variable, value
):
    monkeypatch.setenv(variable, value)
    with fallback.open(storage.save("cat.jpg", ContentFile(PHOTO))) as file:
        assert file.read() == PHOTO


@pytest.fixture
def untrusted_tls():
    """Return the TLS context of a server whose certificate the client does not trust."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    return context


def unsuitable_bundle(kind, directory: Path) -> str:
    """Return the path of a CA bundle that does not contain the authority of the server."""
    path = directory / "ca.pem"
    if kind == "other authority":
        trustme.CA().cert_pem.write_to_path(path)
    elif kind == "empty folder":
        path.mkdir()
    else:
        path.write_text(kind)
    return str(path)


@pytest.mark.parametrize("kind", ["other authority", "empty folder", "", "no certificate"])
def test_upload_with_unverifiable_certificate_is_not_retried(
    untrusted_tls, monkeypatch, tmp_path, kind
):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", unsuitable_bundle(kind, tmp_path))
    with server(*[respond_with("")] * 5, tls=untrusted_tls) as (url, seen):
        with pytest.raises(ServiceUnavailable):
            client_of(url, max_retries=4, max_retry_wait=0.01).upload(PHOTO)
        assert len(seen) <= 1


def test_upload_with_certificate_for_another_host_is_not_retried(monkeypatch, tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("image.example").configure_cert(context)
    with server(*[respond_with("")] * 5, tls=context) as (url, seen):
        with pytest.raises(ServiceUnavailable, match="over TLS: .*127.0.0.1"):
            client_of(url, max_retries=4, max_retry_wait=0.01).upload(PHOTO)
        assert len(seen) == 1


def test_save_with_unverifiable_certificate_uses_fallback(untrusted_tls, fallback):
    with server(respond_with(""), tls=untrusted_tls) as (url, _):
        storage = GroupMeStorage(upload_url=f"{url}pictures", max_retries=2)
        with fallback.open(storage.save("cat.jpg", ContentFile(PHOTO))) as file:
            assert file.read() == PHOTO
