"""
The contract of the image service: the same facts for the emulator and, with ``GM_TOKEN``
and ``make test-live``, for the real one, where each run leaves some pictures for ever.
"""

from __future__ import annotations

import pytest

from django_groupme_images.emulator import Assumptions, EmulatorServer
from django_groupme_images.pictures import CDN_URL, UPLOAD_URL

from ..faults.servers import answering, server
from .facts import ASSUMED, DOCUMENTED, FACTS, SEEN, UNKNOWN, Fact
from .service import Service

pytestmark = pytest.mark.any_django

every_fact = pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.words)


def told(fact: Fact, found: object) -> str:
    """A line of the report."""
    held = "held" if found == fact.expected else f"NOT SO, but {found}"
    return f"{fact.standing:10} {fact.words}: {fact.expected} | {held}"


@every_fact
def test_the_emulator(emulated: Service, fact: Fact) -> None:
    assert fact.found(emulated) == fact.expected


@every_fact
@pytest.mark.live
def test_the_real_service(live: Service, fact: Fact, record_property) -> None:
    found = fact.found(live)
    record_property("found on the real service", told(fact, found))
    if fact.standing in (DOCUMENTED, SEEN):
        assert found == fact.expected


def test_a_fact_is_told_once():
    assert len({fact.words for fact in FACTS}) == len(FACTS)
    assert {fact.standing for fact in FACTS} == {DOCUMENTED, SEEN, ASSUMED, UNKNOWN}


def test_the_addresses_are_documented():
    assert UPLOAD_URL == "https://image.groupme.com/pictures"
    assert CDN_URL == "https://i.groupme.com/"


@pytest.mark.parametrize(
    ("assumptions", "line"),
    [
        (
            Assumptions(missing_status=404),
            "assumed    a missing picture (403 was seen, and 404 is expected, too) is answered "
            "with: 403 | NOT SO, but 404",
        ),
        (
            Assumptions(dimensions_as_displayed=False),
            "unknown    the dimensions in a URL are those of the picture as it is displayed: "
            "(32, 48) | NOT SO, but (48, 32)",
        ),
        (
            Assumptions(thumbnail_format="jpeg"),
            "unknown    thumbnails of a PNG are of the type: image/png | NOT SO, but image/jpeg",
        ),
        (
            Assumptions(unauthorized_code=40100),
            "assumed    meta.code of a wrong token is: 401 | NOT SO, but 40100",
        ),
        (
            Assumptions(suffix_on_suffix_is_missing=False),
            "assumed    a suffix on a suffix (seen, and disputed) is answered with: "
            "404 | NOT SO, but 200",
        ),
        (
            Assumptions(accepts_chunked_bodies=True),
            "unknown    a body of unknown length is answered with: 411 | NOT SO, but 200",
        ),
        (
            Assumptions(upload_status=201),
            "documented an upload is answered with: 200 | NOT SO, but 201",
        ),
        (
            Assumptions(formats={}),
            "documented an upload is answered with: 200 | NOT SO, but 400",
        ),
    ],
    ids=lambda value: "",
)
def test_the_report_tells_what_is_otherwise(assumptions, line):
    (fact,) = (fact for fact in FACTS if line[11:].startswith(f"{fact.words}: "))
    with EmulatorServer(token="right", assumptions=assumptions) as server:
        service = Service("right", upload_url=server.upload_url, cdn_url=server.cdn_url)
        assert told(fact, fact.found(service)) == line


def test_what_is_documented_holds_whatever_is_assumed():
    otherwise = Assumptions(
        dimensions_as_displayed=False,
        url_with_dimensions=False,
        answer_with_picture_url=False,
        suffix_on_suffix_is_missing=False,
        missing_status=404,
        unauthorized_code=40100,
        accepts_chunked_bodies=True,
    )
    with EmulatorServer(token="right", assumptions=otherwise) as server:
        service = Service("right", upload_url=server.upload_url, cdn_url=server.cdn_url)
        not_so = [fact for fact in FACTS if fact.found(service) != fact.expected]
    assert [fact.words for fact in not_so if fact.standing in (DOCUMENTED, SEEN)] == [
        "a URL is WIDTHxHEIGHT.FORMAT.ID"
    ]
    assert len(not_so) == 8


def test_few_pictures_are_left_on_the_service(emulated: Service):
    with EmulatorServer(token="right") as server:
        service = Service("right", upload_url=server.upload_url, cdn_url=server.cdn_url)
        for fact in FACTS:
            fact.found(service)
        record = server.app.record.as_list()
    uploads = [entry["status"] for entry in record if entry["method"] == "POST"]
    assert uploads.count(200) == 13
    assert len(uploads) == 21


ODD_ANSWERS = {
    "401": b"HTTP/1.1 401 No\r\n",
    "302": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\n",
    "null": b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{"payload": null}',
    "nothing": b"",
}


@pytest.mark.parametrize("answer", ODD_ANSWERS)
def test_whatever_a_service_does_is_told_without_the_token(answer):
    told_by = ODD_ANSWERS[answer]
    if told_by and b"\r\n\r\n" not in told_by:
        told_by += b"Content-Length: 0\r\nConnection: close\r\n\r\n"
    with server(*[answering(told_by)] * 200) as (url, seen):
        service = Service("5ecret", upload_url=f"{url}pictures", cdn_url=url, max_retries=0)
        lines = [told(fact, fact.found(service)) for fact in FACTS]
        assert len(seen) < 80
    assert len([line for line in lines if "| NOT SO, but " in line]) > 40
    assert "5ecret" not in "".join(lines)


def test_a_service_that_is_not_there_is_told_too(free_port):
    url = f"http://127.0.0.1:{free_port}/"
    service = Service("5ecret", upload_url=f"{url}pictures", cdn_url=url, max_retries=0)
    lines = [told(fact, fact.found(service)) for fact in FACTS]
    assert all("| NOT SO, but " in line for line in lines)
    assert "5ecret" not in "".join(lines)
