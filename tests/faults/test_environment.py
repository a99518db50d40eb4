"""Certificates and proxies of the environment that cannot be used: a form shows an error."""

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

from ..urls_of_pictures import JPEG
from .servers import PHOTO, answering, client_of, server

pytestmark = pytest.mark.any_django

CA_VARIABLES = ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"]
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


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in CA_VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def storage(settings):
    # Nothing listens there, but the environment is at fault before anyone notices.
    settings.GROUPME_UPLOAD_URL = "https://127.0.0.1:9/pictures"
    return GroupMeStorage()


class PhotoForm(forms.Form):
    photo = GroupMeImageFormField()


def check_unavailable(storage, message):
    """Every way to use the storage reports the error; none of them lets another one through."""
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


@pytest.mark.parametrize("variable", CA_VARIABLES)
def test_certificates_that_are_missing_are_unavailable(storage, monkeypatch, variable):
    monkeypatch.setenv(variable, "/nowhere/ca.pem")
    check_unavailable(storage, "network settings: .*invalid path: /nowhere/ca.pem")


@pytest.mark.parametrize("proxy", PROXIES)
def test_proxies_that_cannot_be_used_are_unavailable(storage, monkeypatch, proxy):
    monkeypatch.setenv("https_proxy", proxy)
    check_unavailable(storage, "could not be reached|cannot be reached")


@pytest.mark.parametrize(
    ("variable", "value"), [("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem"), ("https_proxy", "http://[")]
)
def test_form_shows_an_error_if_the_environment_cannot_be_used(
    storage, monkeypatch, variable, value
):
    monkeypatch.setenv(variable, value)
    form = PhotoForm({}, {"photo": image_file()})
    assert not form.is_valid()
    assert form.errors.as_data()["photo"][0].code == "unavailable"


@pytest.mark.parametrize(
    ("variable", "value"), [("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem"), ("https_proxy", "http://[")]
)
def test_save_uses_the_fallback_if_the_environment_cannot_be_used(
    storage, fallback, monkeypatch, variable, value
):
    monkeypatch.setenv(variable, value)
    with fallback.open(storage.save("cat.jpg", ContentFile(PHOTO))) as file:
        assert file.read() == PHOTO


@pytest.fixture
def tls():
    """The TLS context of a server whose certificate nobody trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    return context


def bundle(kind, directory: Path) -> str:
    """A file or folder of certificates that does not help."""
    path = directory / "ca.pem"
    if kind == "another authority":
        trustme.CA().cert_pem.write_to_path(path)
    elif kind == "an empty folder":
        path.mkdir()
    else:
        path.write_text(kind)
    return str(path)


@pytest.mark.parametrize("kind", ["another authority", "an empty folder", "", "no certificate"])
def test_certificate_that_does_not_verify_is_not_retried(tls, monkeypatch, tmp_path, kind):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle(kind, tmp_path))
    with server(*[answering("")] * 5, tls=tls) as (url, seen):
        with pytest.raises(ServiceUnavailable):
            client_of(url, max_retries=4, max_retry_wait=0.01).upload(PHOTO)
        assert len(seen) <= 1


def test_certificate_for_another_host_is_not_retried(monkeypatch, tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("image.example").configure_cert(context)
    with server(*[answering("")] * 5, tls=context) as (url, seen):
        with pytest.raises(ServiceUnavailable, match="over TLS: .*127.0.0.1"):
            client_of(url, max_retries=4, max_retry_wait=0.01).upload(PHOTO)
        assert len(seen) == 1


def test_certificate_that_does_not_verify_uses_the_fallback(tls, fallback):
    with server(answering(""), tls=tls) as (url, _):
        storage = GroupMeStorage(upload_url=f"{url}pictures", max_retries=2)
        with fallback.open(storage.save("cat.jpg", ContentFile(PHOTO))) as file:
            assert file.read() == PHOTO
