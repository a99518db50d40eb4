"""Tests of ``groupme_check``: it reports the state of each image."""

from __future__ import annotations

import pytest
from django.db import connection

from django_groupme_images.emulator.faults import Fault
from django_groupme_images.management.commands.groupme_check import Command
from tests.support.bulk import read_report
from tests.support.groupme_check import (
    count_methods,
    create_member,
    delete_from_cdn,
    summary,
    upload_image,
)
from tests.support.urls_of_pictures import JPEG
from tests.testapp.models import Club, Group, Local, Member, Plain

pytestmark = pytest.mark.django_db(databases=["default", "other"])


def test_check_of_available_images_reports_present(check, list_requests):
    urls = [upload_image() for _ in range(6)]
    create_member(urls[0])
    create_member(urls[1])
    Plain.objects.create(photo=urls[2], other="")
    Group.objects.create(photo=urls[3], banner=urls[3])
    Club.objects.create(photo=urls[4], banner="photos/pending.jpg")
    Local.objects.create(photo="local.jpg")
    Member(photo=urls[5]).save(using="other")
    before = len(list_requests())
    assert check() == summary(present=6)
    requests = sorted(f"HEAD /{url.rpartition('/')[2]}" for url in urls[:5])
    assert sorted(list_requests()[before:]) == requests
    assert check(database="other") == summary(present=1)
    assert check("gallery.Group.banner") == summary(present=1)
    assert check(limit=1, verbosity=0) == ""


@pytest.mark.parametrize("variant", ["large", "avatar"])
def test_check_of_variant_url_mirrors_and_restores_original(check, emulator, variant):
    row = create_member(upload_image())
    url = row.photo.name
    with connection.cursor() as cursor:
        cursor.execute("UPDATE gallery_member SET photo = %s", [f"{url}.{variant}"])
    assert check(mirror="mirror") == summary(mirrored=1)
    delete_from_cdn(emulator, url)
    assert check(restore="mirror") == summary(restored=1)
    row.refresh_from_db()
    assert row.photo.picture.url == row.photo.name != url


def test_check_of_http_url_on_https_cdn_reports_unreachable(check, settings):
    settings.GROUPME_CDN_URL = "https://localhost:1/"
    settings.GROUPME_TIMEOUT = 0.1
    create_member("")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE gallery_member SET photo = 'http://localhost:1/123456789'")
    assert summary(unreachable=1) in check()


def test_check_after_rejected_head_request_sends_get(check, emulator, list_requests):
    create_member(upload_image())
    emulator.app.faults.add(Fault("status", status=405, method="HEAD"))
    assert check() == summary(present=1)
    assert [line.split()[0] for line in list_requests()] == ["POST", "HEAD", "GET"]


def test_check_after_head_response_403_sends_get(check, emulator, list_requests):
    row = create_member(upload_image())
    emulator.app.faults.add(Fault("status", status=403, method="HEAD"))
    assert check() == summary(present=1)
    emulator.app.faults.add(Fault("status", status=403, method="HEAD"))
    emulator.app.faults.add(Fault("status", status=503, method="GET", times=99))
    assert summary(unreachable=1) in check()
    emulator.app.faults.clear()
    delete_from_cdn(emulator, row.photo.name)
    before = len(list_requests())
    assert summary(gone=1) in check()
    assert count_methods(list_requests()[before:]) == {"HEAD": 1, "GET": 1}


def test_check_of_unusable_images_reports_each_reason(check, emulator, report):
    available, missing, unreachable = (create_member(upload_image()) for _ in range(3))
    other_host = create_member("https://example.com/cat.jpg")
    # The CDN is the emulator, so that a URL of the real CDN is invalid.
    real_cdn = create_member(JPEG)
    delete_from_cdn(emulator, missing.photo.name)
    path = f"/{unreachable.photo.name.rpartition('/')[2]}"
    emulator.app.faults.add(Fault("status", status=503, path=path, times=99))
    output = check(report=report)
    assert summary(present=1, gone=1, unreachable=1, invalid=2) in output
    gone = f"{missing.photo.name}: gone, not found on the CDN\n"
    assert f"gallery.Member.photo pk={missing.pk} {gone}" in output
    name = unreachable.photo.name
    assert f"pk={unreachable.pk} {name}: unreachable, ServiceUnavailable: " in output
    invalid = f"invalid, not the URL of an image on {emulator.cdn_url}\n"
    assert f"pk={other_host.pk} https://example.com/cat.jpg: {invalid}" in output
    assert f"pk={real_cdn.pk} {JPEG}: {invalid}" in output
    assert output.endswith("exit 1: 4 of 5 rows need attention.")
    assert {line["pk"]: line["outcome"] for line in read_report(report)} == {
        available.pk: "present",
        missing.pk: "gone",
        unreachable.pk: "unreachable",
        other_host.pk: "invalid",
        real_cdn.pk: "invalid",
    }


def test_check_without_access_token_reports_present(check, settings, monkeypatch):
    create_member(upload_image())
    monkeypatch.delenv("GM_TOKEN", raising=False)
    settings.GROUPME_ACCESS_TOKEN = None
    assert check() == summary(present=1)
    assert Command.requires_system_checks == ()


@pytest.mark.parametrize("option", ["mirror", "restore"])
def test_check_with_invalid_storage_alias_raises(check, option):
    assert "exit 1: Could not find config for 'nowhere'" in check(**{option: "nowhere"})
    assert 'exit 1: STORAGES["groupme"] is a GroupMeStorage' in check(**{option: "groupme"})
