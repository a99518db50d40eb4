"""Property-based tests: URLs, responses, signed tokens, and template attributes."""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from django_groupme_images.exceptions import ServiceError
from django_groupme_images.pictures import CDN_URL, VARIANTS, Picture
from tests import ROOT
from tests.properties import TOKEN
from tests.properties.picture import check_picture, check_url
from tests.properties.response import check_cdn, check_response, kinds_of
from tests.properties.signed_token import check_signed, check_unsigned
from tests.properties.tag import check_image, render_django, render_jinja2
from tests.support.urls_of_pictures import ID, JPEG, LEGACY
from tools.fuzz.targets import TARGETS

pytestmark = pytest.mark.any_django

FUZZ = ROOT / "tools/fuzz"

# Strings of all characters, including lone surrogates, and strings that are almost URLs.
text = st.text(st.characters(exclude_categories=()))
pieces = ["http:", "https:", "//", "i.groupme.com", "/", "@", "480x325.jpeg.", ID, "0x", "\n", "٣"]
almost_urls = st.lists(st.sampled_from([*pieces, *(f".{name}" for name in VARIANTS)])).map("".join)
sides = st.integers(1, 99_999)
ids = st.from_regex("[0-9A-Za-z_-]{1,64}", fullmatch=True)
formats = st.from_regex("[a-z][a-z0-9+-]{0,15}", fullmatch=True)
sizes = st.builds("{}x{}.{}.".format, sides, sides, formats) | st.just("")
bases = st.sampled_from([CDN_URL, "http://127.0.0.1:8001/", "https://cdn.example.com/a.b/c+d/"])


def changed(text: str, position: int, piece: str) -> str:
    position %= len(text)
    return text[:position] + piece + text[position + 1 :]


urls = st.builds("{}{}{}".format, bases, sizes, ids)
changed_urls = st.builds(changed, urls, st.integers(0, 200), text | st.sampled_from(pieces))


# URLs


@given(text | almost_urls | changed_urls | st.sampled_from(pieces), bases)
@example(JPEG, CDN_URL)
@example(LEGACY.replace("https", "http"), CDN_URL)
def test_parse_with_any_string_raises_or_returns_picture_on_cdn(url: str, base_url: str) -> None:
    check_url(url, base_url)


@given(bases, sides, sides, formats, ids, st.sampled_from(["", *(f".{name}" for name in VARIANTS)]))
def test_parse_with_generated_url_returns_its_parts(
    base_url: str, width: int, height: int, format_: str, id_: str, suffix: str
) -> None:
    picture = Picture.parse(f"{base_url}{width}x{height}.{format_}.{id_}{suffix}", base_url)
    assert (picture.width, picture.height) == (width, height)
    assert (picture.format, picture.id) == (format_, id_)
    assert pickle.loads(pickle.dumps(picture)) == picture
    check_picture(picture, base_url)


# Responses

statuses = st.integers(200, 599)
messages = text | st.sampled_from([TOKEN, f"no {TOKEN} here", "<b>no</b>", "\r\n", "x" * 1000])
url_strings = urls | changed_urls | almost_urls | text
payloads = st.dictionaries(st.sampled_from(["url", "picture_url"]), url_strings | st.none())
replies = (
    st.builds(lambda payload: {"payload": payload}, payloads)
    | st.builds(
        lambda errors: {"meta": {"errors": errors}}, st.lists(messages) | messages | st.none()
    )
    | messages
)
bodies = replies.map(lambda reply: json.dumps(reply).encode()) | st.binary()
header_names = st.sampled_from(
    ["Content-Type", "Content-Encoding", "Retry-After", "Location", "Set-Cookie", "Connection"]
)
header_values = st.sampled_from(
    [
        "gzip",
        "gzip, " * 6,
        "br",
        "deflate",
        "5",
        "-1",
        "9" * 5000,
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "http://[",
        TOKEN,
    ]
) | st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"))
headers = st.dictionaries(header_names, header_values)


def as_bytes(status: int, headers: dict[str, str], body: bytes) -> bytes:
    headers = {"Content-Length": str(len(body)), **headers}
    lines = [f"HTTP/1.1 {status} x", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


@given(statuses | st.just(200), headers, bodies)
@example(200, {}, json.dumps({"payload": {"url": JPEG}}).encode())
@example(503, {"Content-Length": "9" * 5000}, b"")
def test_upload_with_any_response_returns_picture_or_expected_error(
    status: int, headers: dict[str, str], body: bytes
) -> None:
    result = check_response(as_bytes(status, headers, body))
    if isinstance(result, Picture):
        assert 200 <= status < 300
    elif result.status:
        assert result.status == status
        assert kinds_of(status) == {type(result)}


@given(urls, st.booleans(), st.sampled_from([200, 201, 202]))
def test_upload_with_url_in_response_returns_that_picture(
    url: str, legacy: bool, status: int
) -> None:
    payload = {"picture_url" if legacy else "url": url}
    body = json.dumps({"payload": payload}).encode()
    result = check_response(as_bytes(status, {}, body))
    assert (str(result) == url) is url.startswith(CDN_URL)


@given(st.binary() | text.map(lambda line: f"HTTP/1.1 {line}".encode("utf-8", "replace")))
@example(TOKEN.encode())
def test_upload_with_malformed_response_raises_service_error(response: bytes) -> None:
    assert isinstance(check_response(response), ServiceError)


dates = st.datetimes().map(lambda when: when.strftime("%a, %d %b %Y %H:%M:%S")) | st.sampled_from(
    ["Mon, 01 Jan 0001 00:00:00", "Fri, 31 Dec 9999 23:59:59"]
)
zones = st.sampled_from(["GMT", "-0000", "+2359", "-2359", "", "x"])


@given(statuses | st.just(200), headers, st.builds("{} {}".format, dates, zones), st.binary())
@example(200, {"Content-Length": "9" * 5000}, "", b"")
def test_storage_with_any_cdn_response_returns_value_or_expected_error(
    status: int, headers: dict[str, str], date: str, body: bytes
) -> None:
    response = as_bytes(status, {**headers, "Last-Modified": date}, body)
    results = check_cdn(response)
    if status == 200 and results["size"] == len(body):
        assert results["exists"] is True
    elif status in (403, 404):
        assert results["exists"] is False


# Signed tokens


@given(text | changed_urls | st.builds("{}:{}:{}".format, urls, text, text))
@example(":\ud800")
def test_form_with_unsigned_token_reports_error(token: str) -> None:
    check_unsigned(token)


@given(urls.filter(lambda url: url.startswith(CDN_URL)) | st.text(min_size=1, max_size=50))
def test_unsign_with_signed_token_returns_same_value(name: str) -> None:
    assume(not re.match("https?:/", name, re.IGNORECASE) or name.startswith(CDN_URL))
    check_signed(name)


# Templates

values = text | st.booleans() | st.none() | st.integers() | st.sampled_from(['"', "'>", "&quot;"])
names = st.from_regex("[a-zA-Z_]{1,9}", fullmatch=True) | st.sampled_from(
    ["alt", "ALT", "Src", "onload", "class_", "data_x", "sizes", "é", "_"]
)
OWN = {"value", "variant", "default"}  # The tag has arguments of these names.


@given(st.dictionaries(text | names, values, max_size=4))
def test_image_tag_with_any_attributes_renders_them(attributes: dict[str, Any]) -> None:
    assume(not OWN & attributes.keys())
    html = render_jinja2(attributes)
    if html is not None:
        check_image(html, attributes)


@given(st.dictionaries(names, values, max_size=4))
def test_image_tag_in_both_engines_renders_same_html(attributes: dict[str, Any]) -> None:
    assume(not OWN & attributes.keys())
    assert render_django(attributes) == render_jinja2(attributes)


# Seeds of the fuzzer


@pytest.mark.parametrize(
    "path", sorted(FUZZ.glob("seeds/*/*")), ids=lambda path: f"{path.parent.name}: {path.name}"
)
def test_fuzz_target_with_seed_passes(path: Path) -> None:
    TARGETS[path.parent.name](path.read_bytes())


def test_fuzz_targets_have_seeds_and_dictionaries() -> None:
    for kind in ("seeds", "dictionaries"):
        assert {path.name for path in (FUZZ / kind).iterdir()} == TARGETS.keys()
