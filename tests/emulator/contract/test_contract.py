"""
Contract tests of the image service: the same facts for the emulator and the real service.

The real service is tested by ``make test-live`` with ``GM_TOKEN``. Each run uploads some images
that cannot be deleted.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from django_groupme_images.emulator import Assumptions, EmulatorServer
from django_groupme_images.pictures import CDN_URL, UPLOAD_URL
from tests.client.faults.servers import respond_with, server

from .evidence import ASSUMED, DOCUMENTATION, DOCUMENTED, NONE, OBSERVED, UNKNOWN, Fact
from .facts import FACTS
from .service import Service
from .untested_facts import UNTESTED_FACTS

pytestmark = pytest.mark.any_django

every_fact = pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.description)


def report_line(fact: Fact, result: object) -> str:
    """Return the line of the report for a fact."""
    outcome = "as expected" if result == fact.expected else f"DIFFERS: {result}"
    return f"{fact.evidence:10} {fact.description}: {fact.expected} | {outcome}"


@every_fact
def test_emulator_for_each_fact_returns_expected_result(emulated: Service, fact: Fact) -> None:
    assert fact.result(emulated) == fact.expected


@every_fact
@pytest.mark.live
def test_real_service_for_each_reliable_fact_returns_expected_result(
    live: Service, fact: Fact, record_property
) -> None:
    result = fact.result(live)
    record_property("result of the real service", report_line(fact, result))
    if fact.evidence in (DOCUMENTED, OBSERVED):
        assert result == fact.expected


def test_facts_have_unique_descriptions_and_every_kind_of_evidence():
    facts = [*FACTS, *UNTESTED_FACTS]
    assert len({fact.description for fact in facts}) == len(facts)
    for group in (FACTS, UNTESTED_FACTS):
        assert {fact.evidence for fact in group} == {DOCUMENTED, OBSERVED, ASSUMED, UNKNOWN}


def test_documented_and_observed_facts_have_a_source():
    for fact in (*FACTS, *UNTESTED_FACTS):
        assert fact.source
        if fact.evidence == DOCUMENTED:
            assert DOCUMENTATION in fact.source, fact.description
        if fact.evidence == OBSERVED:
            assert fact.source != NONE, fact.description


def test_default_urls_are_the_documented_urls():
    assert UPLOAD_URL == "https://image.groupme.com/pictures"
    assert CDN_URL == "https://i.groupme.com/"


@pytest.mark.parametrize(
    ("assumptions", "line"),
    [
        (
            Assumptions(missing_status=404),
            "assumed    Status of a missing image: 403 | DIFFERS: 404",
        ),
        (
            Assumptions(dimensions_as_displayed=False),
            "unknown    Dimensions in the URL of 48x32 pixels that are displayed as 32x48: "
            "32x48 pixels | DIFFERS: 48x32 pixels",
        ),
        (
            Assumptions(thumbnail_format="jpeg"),
            "unknown    `Content-Type` of a thumbnail of a PNG: image/png | DIFFERS: image/jpeg",
        ),
        (
            Assumptions(thumbnail_delay=3600),
            "assumed    Status of `.preview` immediately after an upload: 200 | DIFFERS: 403",
        ),
        (
            Assumptions(unauthorized_code=40100),
            "assumed    `meta.code` in the response to a wrong token: 401 | DIFFERS: 40100",
        ),
        (
            Assumptions(suffix_on_suffix_is_missing=False),
            "assumed    Status of `.preview` after the suffix `.large`: 404 | DIFFERS: 200",
        ),
        (
            Assumptions(accepts_chunked_bodies=True),
            "unknown    Status of an upload with a chunked body: 411 | DIFFERS: 200",
        ),
        (
            Assumptions(upload_status=201),
            "documented Status of an upload: 200 | DIFFERS: 201",
        ),
        (
            Assumptions(formats={}),
            "documented Status of an upload: 200 | DIFFERS: 400",
        ),
    ],
    ids=lambda value: "",
)
def test_report_line_of_differing_result_contains_both_values(assumptions, line):
    (fact,) = (fact for fact in FACTS if line[11:].startswith(f"{fact.description}: "))
    with EmulatorServer(token="right", assumptions=assumptions) as server:
        service = Service("right", upload_url=server.upload_url, cdn_url=server.cdn_url)
        assert report_line(fact, fact.result(service)) == line


def test_documented_facts_with_other_assumptions_hold():
    assumptions = Assumptions(
        dimensions_as_displayed=False,
        url_with_dimensions=False,
        answer_with_picture_url=False,
        suffix_on_suffix_is_missing=False,
        missing_status=404,
        unauthorized_code=40100,
        accepts_chunked_bodies=True,
    )
    with EmulatorServer(token="right", assumptions=assumptions) as server:
        service = Service("right", upload_url=server.upload_url, cdn_url=server.cdn_url)
        differing = [fact for fact in FACTS if fact.result(service) != fact.expected]
    assert [fact.description for fact in differing if fact.evidence in (DOCUMENTED, OBSERVED)] == [
        "Start of the paths of three uploaded images, before their IDs"
    ]
    assert len(differing) == 8


def test_facts_about_late_thumbnails_wait_until_they_exist(monkeypatch):
    with EmulatorServer(token="right", assumptions=Assumptions(thumbnail_delay=20)) as server:
        pauses: list[float] = []

        def now() -> float:
            """Return the time of the last upload plus all pauses."""
            files = filter(Path.is_file, server.store.directory.iterdir())
            return max(path.stat().st_mtime for path in files) + sum(pauses)

        clock = SimpleNamespace(time=now)
        monkeypatch.setattr("django_groupme_images.emulator.store.time", clock)
        urls = {"upload_url": server.upload_url, "cdn_url": server.cdn_url}
        service = Service("right", sleep=pauses.append, **urls)
        assert service.thumbnail(service.photo, "preview").size == (200, 200)
        assert pauses == [1] * 20
        assert service.thumbnail_response(service.missing, "preview").status_code == 403
        assert len(pauses) == 50


def test_queries_of_all_facts_upload_few_images(emulated: Service):
    with EmulatorServer(token="right") as server:
        service = Service("right", upload_url=server.upload_url, cdn_url=server.cdn_url)
        for fact in FACTS:
            fact.result(service)
        record = server.app.record.as_list()
    uploads = [entry["status"] for entry in record if entry["method"] == "POST"]
    assert uploads.count(200) == 14
    assert len(uploads) == 22


UNUSUAL_RESPONSES = {
    "401": b"HTTP/1.1 401 No\r\n",
    "302": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\n",
    "null": b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{"payload": null}',
    "nothing": b"",
}


@pytest.mark.parametrize("kind", UNUSUAL_RESPONSES)
def test_report_on_misbehaving_service_contains_no_token(kind):
    response = UNUSUAL_RESPONSES[kind]
    if response and b"\r\n\r\n" not in response:
        response += b"Content-Length: 0\r\nConnection: close\r\n\r\n"
    with server(*[respond_with(response)] * 200) as (url, seen):
        service = Service("5ecret", upload_url=f"{url}pictures", cdn_url=url, max_retries=0)
        lines = [report_line(fact, fact.result(service)) for fact in FACTS]
        assert len(seen) < 80
    assert len([line for line in lines if "| DIFFERS: " in line]) > 40
    assert "5ecret" not in "".join(lines)


def test_report_on_unreachable_service_contains_no_token(free_port):
    url = f"http://127.0.0.1:{free_port}/"
    service = Service("5ecret", upload_url=f"{url}pictures", cdn_url=url, max_retries=0)
    lines = [report_line(fact, fact.result(service)) for fact in FACTS]
    assert all("| DIFFERS: " in line for line in lines)
    assert "5ecret" not in "".join(lines)
