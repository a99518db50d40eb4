"""Requests and errors of the client, with responses from the ``responses`` library."""

from __future__ import annotations

import io
import json
from email.utils import formatdate
from time import time

import pytest
import requests
import responses
import urllib3
from responses import matchers

from django_groupme_images.client import GroupMeClient
from django_groupme_images.client.responses import convert_network_errors
from django_groupme_images.exceptions import (
    AuthenticationFailed,
    InvalidPicture,
    PictureNotFound,
    RateLimited,
    ServiceError,
    ServiceUnavailable,
    UnexpectedResponse,
    UploadRejected,
)
from django_groupme_images.pictures import CDN_URL, UPLOAD_URL, Picture
from tests.properties import TOKEN
from tests.properties.response import HOST, client_of
from tests.support.urls_of_pictures import JPEG, LEGACY

pytestmark = pytest.mark.any_django


@pytest.fixture
def client():
    return GroupMeClient(TOKEN, max_retries=0)


@pytest.fixture
def service():
    with responses.RequestsMock() as mock:
        yield mock


def response_data(**payload):
    return {"payload": payload}


def test_client_without_arguments_has_default_options():
    client = GroupMeClient()
    assert (client.upload_url, client.cdn_url) == (UPLOAD_URL, CDN_URL)
    assert (client.timeout, client.max_retries) == ((5, 30), 2)
    assert client.max_retry_wait == client.max_retry_after == 10
    assert client.max_upload_size is None
    with pytest.raises(TypeError):
        GroupMeClient(TOKEN, UPLOAD_URL)  # The options are keyword-only.


def test_upload_sends_token_and_no_unexpected_headers(client, service):
    service.post(
        UPLOAD_URL,
        json=response_data(url=JPEG, picture_url=JPEG),
        match=[
            matchers.header_matcher(
                {
                    "X-Access-Token": TOKEN,
                    "Content-Type": "image/jpeg",
                    "Content-Length": "7",
                }
            )
        ],
    )
    assert client.upload(io.BytesIO(b"a photo")) == Picture.parse(JPEG)
    headers = service.calls[0].request.headers
    assert headers.keys() == {
        *("X-Access-Token", "Content-Type", "Content-Length", "User-Agent"),
        *("Accept", "Accept-Encoding", "Connection"),
    }


def test_upload_from_url_sends_quoted_url_and_token(client, service):
    url = "https://example.com/ä b.jpg?size=1&x=%20#top"
    service.post(
        UPLOAD_URL,
        json=response_data(url=JPEG),
        match=[
            matchers.query_param_matcher({"url": url}),
            matchers.header_matcher({"X-Access-Token": TOKEN}),
        ],
    )
    assert client.upload_from_url(url).url == JPEG
    request = service.calls[0].request
    assert "Content-Type" not in request.headers
    assert request.url == (
        f"{UPLOAD_URL}?url=https%3A%2F%2Fexample.com%2F%C3%A4%20b.jpg%3Fsize%3D1%26x%3D%2520%23top"
    )


@pytest.mark.parametrize(
    "url",
    [
        "",
        "cat.jpg",
        "//example.com/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "http://[",
        5,
        None,
    ],
)
def test_upload_from_url_with_invalid_url_raises_without_request(client, service, url):
    with pytest.raises(UploadRejected, match="not an absolute http or https URL"):
        client.upload_from_url(url)


@pytest.mark.parametrize(
    ("payload", "url"),
    [
        ({"url": JPEG}, JPEG),
        ({"picture_url": JPEG}, JPEG),
        ({"url": JPEG, "picture_url": "https://remote.example/"}, JPEG),
        ({"url": None, "picture_url": JPEG}, JPEG),
        ({"url": "https://i.groupme.com/123456789"}, "https://i.groupme.com/123456789"),
        ({"url": f"{LEGACY.replace('https', 'http')}.large"}, LEGACY),
    ],
)
def test_upload_with_url_in_response_returns_picture(client, service, payload, url):
    service.post(UPLOAD_URL, json=response_data(**payload), status=299)
    assert client.upload(b"a photo").url == url


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<html>Hello</html>",
        "null",
        "7",
        "[]",
        '"payload"',
        "{}",
        '{"payload": null}',
        '{"payload": []}',
        '{"payload": {}}',
        '{"payload": {"url": ""}}',
        '{"payload": {"url": 5}}',
        '{"payload": {"url": ["https://i.groupme.com/1"]}}',
        "[" * 30_000,
        b"\xff\xfe\x00",
    ],
    ids=lambda body: repr(body)[:30],
)
def test_upload_without_url_in_response_raises(client, service, body):
    service.post(UPLOAD_URL, body=body)
    with pytest.raises(
        UnexpectedResponse, match=r"image\.groupme\.com returned an unexpected response"
    ) as caught:
        client.upload(b"a photo")
    assert caught.value.status == 200
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/480x325.jpeg.1",
        "https://i.groupme.com@example.com/480x325.jpeg.1",
        "https://user:password@i.groupme.com/480x325.jpeg.1",
        "javascript:alert(1)",
        "https://i.groupme.com/<script>alert(1)</script>",
        "https://i.groupme.com/",
        f"{JPEG}?x",
    ],
)
def test_upload_with_url_outside_cdn_in_response_raises(client, service, url):
    service.post(UPLOAD_URL, json=response_data(url=url))
    with pytest.raises(UnexpectedResponse, match="its URL is not that of an image on https"):
        client.upload(b"a photo")


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (300, UnexpectedResponse),
        (302, UnexpectedResponse),
        (400, UploadRejected),
        (401, AuthenticationFailed),
        (403, AuthenticationFailed),
        (404, UploadRejected),
        (411, UploadRejected),
        (413, UploadRejected),
        (415, UploadRejected),
        (420, RateLimited),
        (429, RateLimited),
        (500, ServiceUnavailable),
        (501, ServiceUnavailable),
        (502, ServiceUnavailable),
        (503, ServiceUnavailable),
        (504, ServiceUnavailable),
        (599, ServiceUnavailable),
        (600, UnexpectedResponse),
    ],
)
def test_upload_with_error_status_raises_matching_exception(client, service, status, error):
    service.post(
        UPLOAD_URL,
        status=status,
        json={"meta": {"code": status * 100, "errors": ["this", "and that"]}, "response": None},
        headers={"Location": "https://remote.example/"} if status == 302 else {},
    )
    content = io.BytesIO(b"a photo")
    content.seek(3)
    with pytest.raises(error) as caught:
        client.upload(content)
    assert type(caught.value) is error
    assert caught.value.status == status
    assert caught.value.retryable == (status in (420, 429) or 500 <= status < 600)
    assert str(caught.value).endswith(f" (HTTP {status}): this; and that")
    assert str(caught.value).startswith("image.groupme.com ")
    assert content.tell() == 0
    assert not content.closed
    assert len(service.calls) == 1


@pytest.mark.parametrize(
    ("body", "quote"),
    [
        ("", ""),
        ("too\n  many\tcats", "too many cats"),
        ('{"error": "no"}', '{"error": "no"}'),
        ('{"meta": {"errors": null}}', '{"meta": {"errors": null}}'),
        ("<html><h1>502 Bad</h1>\r\n<p>nginx</p></html>", "502 Bad nginx"),
        ("\x1b[31mred\x07", "?[31mred?"),
        (f"{TOKEN} is wrong", "[access token] is wrong"),
        ("x" * 1_000_000, "x" * 200),
    ],
    ids=lambda value: value[:10],
)
def test_upload_error_with_response_body_quotes_it(client, service, body, quote):
    service.post(UPLOAD_URL, status=400, body=body)
    with pytest.raises(UploadRejected) as caught:
        client.upload(b"a photo")
    assert str(caught.value) == (
        f"image.groupme.com rejected the image (HTTP 400){quote and f': {quote}'}"
    )


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("3600", 3600),
        ("0", 0),
        (None, None),
        ("-5", None),
        ("soon", None),
    ],
)
def test_rate_limited_with_retry_after_header_has_seconds(client, service, header, seconds):
    service.post(UPLOAD_URL, status=429, headers={"Retry-After": header} if header else {})
    with pytest.raises(RateLimited) as caught:
        client.upload(b"a photo")
    assert caught.value.retry_after == seconds


@pytest.mark.parametrize(("offset", "seconds"), [(-60, 0), (3600, 3600)])
def test_rate_limited_with_retry_after_date_has_seconds(client, service, offset, seconds):
    date = formatdate(time() + offset, usegmt=True)
    service.post(UPLOAD_URL, status=429, headers={"Retry-After": date})
    with pytest.raises(RateLimited) as caught:
        client.upload(b"a photo")
    assert caught.value.retry_after == pytest.approx(seconds, abs=60)


def all_subclasses(cls):
    return {cls}.union(*(all_subclasses(child) for child in cls.__subclasses__()))


@pytest.mark.parametrize(
    "cls",
    sorted(
        all_subclasses(requests.RequestException) | all_subclasses(urllib3.exceptions.HTTPError),
        key=lambda cls: f"{cls.__module__}.{cls.__qualname__}",
    ),
    ids=lambda cls: f"{cls.__module__}.{cls.__qualname__}",
)
def test_convert_network_errors_with_library_error_raises_service_error(cls):
    error = cls.__new__(cls)
    error.args = ("the reason",)
    with pytest.raises(ServiceError, match=r"image\.groupme\.com .*: the reason") as caught:
        with convert_network_errors(UPLOAD_URL):
            raise error
    retryable = (
        requests.Timeout,
        requests.ConnectionError,
        requests.exceptions.ChunkedEncodingError,
        requests.exceptions.RetryError,
        requests.exceptions.InvalidURL,
        requests.exceptions.InvalidSchema,
        urllib3.exceptions.LocationValueError,
        urllib3.exceptions.TimeoutError,
        urllib3.exceptions.ProtocolError,
        urllib3.exceptions.SSLError,
    )
    assert caught.value.retryable == issubclass(cls, retryable)
    assert caught.value.status is None
    assert caught.value.__cause__ is error


def test_convert_network_errors_with_empty_message_names_exception_class():
    with pytest.raises(ServiceUnavailable, match="in time: ReadTimeout"):
        with convert_network_errors(UPLOAD_URL):
            raise requests.exceptions.ReadTimeout


def test_convert_network_errors_with_other_exception_reraises_it():
    with pytest.raises(ZeroDivisionError):
        with convert_network_errors(UPLOAD_URL):
            raise ZeroDivisionError


def test_upload_with_interrupted_response_raises(client, service):
    service.post(UPLOAD_URL, body=requests.exceptions.ChunkedEncodingError("broken"))
    with pytest.raises(ServiceUnavailable, match="did not send a complete response"):
        client.upload(b"a photo")


@pytest.mark.parametrize("token", [None, "", lambda: None, lambda: ""])
def test_upload_without_token_raises(service, token):
    with pytest.raises(AuthenticationFailed, match="but none was provided"):
        GroupMeClient(token).upload(b"a photo")


@pytest.mark.parametrize("token", ["a b", "5ecre7\n", "5ecre7ü", "5ecre7\0", b"5ecre7", 57])
def test_upload_with_invalid_token_raises_without_quoting_it(service, token):
    with pytest.raises(AuthenticationFailed, match="not allowed in an HTTP header") as caught:
        GroupMeClient(token if isinstance(token, str) else lambda: token).upload(b"a photo")
    assert "5ecre7" not in str(caught.value)


def test_upload_with_callable_token_calls_it_each_time(service):
    tokens = iter(["one", "two"])
    client = GroupMeClient(lambda: next(tokens))
    service.post(UPLOAD_URL, json=response_data(url=JPEG))
    client.upload(b"a photo")
    client.upload_from_url("https://example.com/")
    assert [call.request.headers["X-Access-Token"] for call in service.calls] == ["one", "two"]


def test_upload_with_failing_callable_token_keeps_traceback(client):
    def raise_lookup_error():
        raise LookupError("nobody is logged in")

    with pytest.raises(LookupError) as caught:
        GroupMeClient(raise_lookup_error).upload(b"a photo")
    assert caught.traceback[-1].name == "raise_lookup_error"


def test_cdn_requests_after_upload_contain_no_credentials(client, service, monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("default login me password secret")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    service.post(
        UPLOAD_URL, json=response_data(url=JPEG), headers={"Set-Cookie": "a=b; Domain=.groupme.com"}
    )
    service.get(JPEG, body=b"a photo")
    service.head(JPEG)
    picture = client.upload(b"a photo")
    client.download(picture).close()
    client.head(picture)
    for call in service.calls[1:]:
        assert call.request.headers.keys() == {
            *("User-Agent", "Accept-Encoding", "Accept", "Connection"),
        }
    assert "Authorization" not in service.calls[0].request.headers


def test_upload_error_with_token_in_response_url_omits_it(client, service):
    service.post(UPLOAD_URL, json=response_data(url=f"https://example.com/{TOKEN}"))
    with pytest.raises(UnexpectedResponse) as caught:
        client.upload(b"a photo")
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("size", [11, 12])
def test_upload_above_max_upload_size_raises_without_request(service, size):
    client = GroupMeClient(TOKEN, max_upload_size=10)
    with pytest.raises(UploadRejected, match=rf"the file has {size} bytes, more than the 10 allow"):
        client.upload(b"x" * size)


def test_upload_of_empty_file_raises_without_request(client, service):
    with pytest.raises(UploadRejected, match="the file is empty"):
        client.upload(io.BytesIO())


def test_download_with_read_sizes_returns_content(client, service):
    service.get(JPEG, body=b"a photo")
    download = client.download(Picture.parse(JPEG))
    assert [download.read(4), download.read(9), download.read(1)] == [b"a ph", b"oto", b""]
    download.close()


def test_head_of_existing_picture_returns_headers(client, service):
    service.head(JPEG, headers={"content-length": "7"})
    assert client.head(Picture.parse(JPEG))["Content-Length"] == "7"


def test_head_with_too_many_content_encodings_returns_headers():
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nContent-Encoding: gzip%s\r\n\r\n"
    client = client_of(head % (b", gzip" * 6), HOST)
    assert client.head(f"{HOST}1x1.png.1")["Content-Length"] == "7"


@pytest.mark.parametrize("status", [405, 501])
def test_head_with_unsupported_method_status_uses_get(client, service, status):
    service.head(JPEG, status=status)
    service.get(JPEG, headers={"Content-Type": "image/jpeg"})
    assert client.head(Picture.parse(JPEG))["Content-Type"] == "image/jpeg"


@pytest.mark.parametrize("method", ["download", "head"])
@pytest.mark.parametrize(
    ("status", "error"),
    [
        (403, PictureNotFound),
        (404, PictureNotFound),
        (204, UnexpectedResponse),
        (206, UnexpectedResponse),
        (301, UnexpectedResponse),
        (302, UnexpectedResponse),
        (400, UnexpectedResponse),
        (401, UnexpectedResponse),
        (410, UnexpectedResponse),
        (416, UnexpectedResponse),
        (420, RateLimited),
        (429, RateLimited),
        (500, ServiceUnavailable),
        (503, ServiceUnavailable),
    ],
)
def test_cdn_request_with_error_status_raises_matching_exception(
    client, service, method, status, error
):
    service.add(
        responses.HEAD if method == "head" else responses.GET,
        JPEG,
        status=status,
        headers={"Location": CDN_URL},
        body=b"" if method == "head" else b"<Error><Code>AccessDenied</Code></Error>",
    )
    with pytest.raises(error) as caught:
        getattr(client, method)(Picture.parse(JPEG))
    assert type(caught.value) is error
    if error is PictureNotFound:
        assert str(caught.value) == f"{JPEG} was not found on the CDN (HTTP {status})"
    else:
        assert caught.value.status == status


@pytest.mark.parametrize("method", ["download", "head"])
def test_cdn_request_for_another_host_raises_without_request(client, service, method):
    for other_url in ("http://169.254.169.254/1", "http://169.254.169.254/", "cat.png"):
        with pytest.raises(InvalidPicture):
            getattr(client, method)(other_url)
    with pytest.raises(InvalidPicture):
        getattr(client, method)(Picture.parse("http://127.0.0.1/1", "http://127.0.0.1/"))


def test_download_of_variant_url_returns_original(client, service):
    service.get(JPEG, body=b"a photo")
    assert client.download(f"{JPEG}.large").read(99) == b"a photo"


def test_upload_with_html_content_type_parses_json(client, service):
    service.post(UPLOAD_URL, body=json.dumps(response_data(url=JPEG)), content_type="text/html")
    assert client.upload(b"a photo").url == JPEG
