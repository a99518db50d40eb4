"""Property tests of the emulator with arbitrary requests."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.properties.request import STORED, Emulator
from tests.support import emulator_pictures as pictures

pytestmark = pytest.mark.any_django

# Any characters, including lone surrogates.
text = st.text(st.characters(exclude_categories=()))


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Emulator:
    return Emulator(tmp_path_factory.mktemp("pictures"))


methods = st.sampled_from(["GET", "HEAD", "POST", "PUT", "OPTIONS", "BREW", "get", ""]) | text
paths = (
    st.sampled_from(
        [
            "/pictures?token=t",
            "/pictures?token=t&url=http://example.com/",
            f"/{STORED}",
            f"/{STORED}.avatar",
            "/_emulator/faults",
            "/_emulator/requests",
            "*",
            "http://localhost/pictures?token=t",
            "http://[",
        ]
    )
    | st.builds("/{}".format, text)
    | text
)
lines = (
    st.sampled_from(
        [
            "Host: [",
            "Expect: 100-continue",
            "Transfer-Encoding: chunked",
            "Content-Length: 1",
            "Content-Length: 99999999999999999999",
            "Content-Type: multipart/form-data; boundary=x",
            "Content-Type: multipart/form-data; boundary*=no-such'en'%41",
            "Origin: null",
            "Origin: http://localhost:8000",
            "Host: localhost",
            "Host: evil.example",
            "Transfer-Encoding: gzip",
            " folded",
        ]
    )
    | text
)
forms = st.lists(
    st.sampled_from(
        [b"--x\r\n", b"--x--", b'Content-Disposition: form-data; name="file"', b"\r\n\r\n", b"x"]
    )
    | st.binary()
).map(b"".join)
contents = (
    st.binary()
    | forms
    | st.sampled_from(
        [
            pictures.plain("PNG"),
            b"5\r\nabcde\r\n0\r\n\r\n",
            b'{"kind": "drop"}',
            b'{"kind": "status", "status": 1}',
        ]
    )
)


def request(method: str, path: str, lines: list[str], body: bytes, length: bool) -> bytes:
    head = [f"{method} {path} HTTP/1.1", *lines]
    head += [f"Content-Length: {len(body)}"] if length else []
    return "\r\n".join([*head, "", ""]).encode("utf-8", "replace") + body


requests = st.builds(request, methods, paths, st.lists(lines, max_size=4), contents, st.booleans())


@settings(max_examples=300)
@given(requests | st.binary() | st.lists(requests, max_size=3).map(b"".join))
def test_arbitrary_request_gets_http_response(emulator: Emulator, sent: bytes) -> None:
    emulator.check(sent)
