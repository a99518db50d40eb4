"""
The contract of the image service: the same facts for the emulator and, with ``GM_TOKEN``
and ``make test-live``, for the real one, where each run leaves some pictures for ever.
"""

from __future__ import annotations

import pytest

from django_groupme_images.emulator import Assumptions, EmulatorServer
from django_groupme_images.pictures import CDN_URL, UPLOAD_URL

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
            "seen       a missing picture is answered with: 403 | NOT SO, but 404",
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
            "assumed    a suffix on a suffix is answered with: 404 | NOT SO, but 200",
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


def test_a_service_that_is_not_there_is_told_too(free_port):
    url = f"http://127.0.0.1:{free_port}/"
    service = Service("right", upload_url=f"{url}pictures", cdn_url=url, max_retries=0)
    for fact in FACTS:
        assert "| NOT SO, but " in told(fact, fact.found(service))
