"""Asynchronous methods of models, query sets, and the values of image fields."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from asgiref.sync import async_to_sync
from django.template import engines

from django_groupme_images.emulator.faults import Fault
from django_groupme_images.exceptions import ServiceUnavailable, UploadRejected
from django_groupme_images.field_files import GroupMeImageFieldFile
from django_groupme_images.signals import picture_uploaded
from django_groupme_images.tasks import upload_row
from tests.support.asgi import in_event_loop
from tests.support.field_data import content_file
from tests.testapp.models import Member


async def astored_name(member: Member) -> str:
    """Return the stored name of a photo from the database."""
    return await Member.objects.values_list("photo", flat=True).aget(pk=member.pk)


@pytest.fixture
def outage_after_first_upload(emulator) -> Iterator[None]:
    def start(**kwargs: object) -> None:
        emulator.app.faults.add(Fault("status", status=503, times=1))
        picture_uploaded.disconnect(start)

    picture_uploaded.connect(start)
    yield
    picture_uploaded.disconnect(start)


# Models and query sets


@pytest.mark.django_db
@in_event_loop
async def test_asave_uploads_once(list_requests):
    member = Member(name="Ada", photo=content_file())
    await member.asave()
    assert await astored_name(member) == member.photo.url
    member.name = "Grace"
    await member.asave()
    await member.asave(update_fields=["photo"])
    assert list_requests() == ["POST /pictures"]


@pytest.mark.django_db(transaction=True)
@in_event_loop
async def test_asave_during_an_outage_leaves_the_row_and_the_file(emulator):
    member = await Member.objects.acreate(photo=content_file())
    before, content = member.photo.url, content_file()
    emulator.app.faults.add(Fault("status", status=503, times=1))
    member.photo = content
    with pytest.raises(ServiceUnavailable):
        await member.asave()
    assert (content.closed, content.tell()) == (False, 0)
    assert await astored_name(member) == before
    await member.asave()
    assert await astored_name(member) == member.photo.url != before


@pytest.mark.django_db
@in_event_loop
async def test_asave_during_an_outage_with_a_fallback_saves_a_pending_file(emulator, fallback):
    emulator.app.faults.add(Fault("status", status=503, times=1))
    member = await Member.objects.acreate(photo=content_file())
    assert await astored_name(member) == member.photo.name == "cat.jpg"
    assert fallback.exists("cat.jpg")


@pytest.mark.django_db
def test_asave_of_a_deferred_upload_enqueues_a_task_on_commit(
    emulator, list_requests, fallback, settings, django_capture_on_commit_callbacks
):
    settings.GROUPME_DEFERRED = True
    framework = upload_row.get_backend().__module__.rpartition(".")[0]
    settings.TASKS = {"default": {"BACKEND": f"{framework}.dummy.DummyBackend"}}
    tasks = upload_row.get_backend().results
    member = Member(photo=content_file())
    with django_capture_on_commit_callbacks(execute=True):
        async_to_sync(member.asave)()
        assert tasks == []
    assert [task.args for task in tasks] == [["gallery.Member", str(member.pk), "default"]]
    assert list_requests() == []


@pytest.mark.django_db(transaction=True)
@in_event_loop
async def test_acreate_with_a_rejected_file_creates_no_row(emulator):
    content = content_file(data=b"this is not an image")
    with pytest.raises(UploadRejected):
        await Member.objects.acreate(photo=content)
    assert not await Member.objects.aexists()
    assert (content.closed, content.tell()) == (False, 0)


@pytest.mark.django_db
@in_event_loop
async def test_abulk_create_uploads_each_file_once(emulator, list_requests):
    rows = [Member(name=str(number), photo=content_file()) for number in range(3)]
    await Member.objects.abulk_create(rows)
    stored = [row async for row in Member.objects.order_by("pk").values_list("photo", flat=True)]
    assert stored == [row.photo.url for row in rows]
    assert len({*stored}) == 3
    assert list_requests() == ["POST /pictures"] * 3


@pytest.mark.django_db(transaction=True)
@in_event_loop
async def test_abulk_create_after_an_outage_uploads_only_the_other_files(
    outage_after_first_upload, emulator, list_requests
):
    files = [content_file(), content_file(), content_file()]
    rows = [Member(photo=file) for file in files]
    with pytest.raises(ServiceUnavailable):
        await Member.objects.abulk_create(rows)
    assert not await Member.objects.aexists()
    assert [(file.closed, file.tell()) for file in files[1:]] == [(False, 0)] * 2
    assert len(list_requests()) == 2
    await Member.objects.abulk_create(rows)
    assert len(list_requests()) == 4
    assert [await astored_name(row) for row in rows] == [row.photo.url for row in rows]


@pytest.mark.django_db(transaction=True)
@in_event_loop
async def test_abulk_create_with_a_rejected_file_creates_no_row(emulator):
    files = [content_file(), content_file(data=b"this is not an image"), content_file()]
    with pytest.raises(UploadRejected):
        await Member.objects.abulk_create([Member(photo=file) for file in files])
    assert not await Member.objects.aexists()
    assert [(file.closed, file.tell()) for file in files[1:]] == [(False, 0)] * 2


@pytest.mark.django_db
@in_event_loop
async def test_abulk_create_during_an_outage_with_a_fallback_creates_all_rows(
    outage_after_first_upload, emulator, fallback
):
    rows = await Member.objects.abulk_create([Member(photo=content_file()) for _ in range(3)])
    assert [bool(row.photo.picture) for row in rows] == [True, False, True]
    assert await astored_name(rows[1]) == "cat.jpg"


@pytest.mark.django_db
@in_event_loop
async def test_aget_or_create_uploads_only_if_it_creates(emulator, list_requests):
    files = [content_file(), content_file()]
    results = [
        await Member.objects.aget_or_create(name="Ada", defaults={"photo": file}) for file in files
    ]
    assert [created for _, created in results] == [True, False]
    assert results[0][0].photo.url == results[1][0].photo.url
    assert list_requests() == ["POST /pictures"]
    assert (files[1].closed, files[1].tell()) == (False, 0)


@pytest.mark.django_db
@in_event_loop
async def test_aupdate_or_create_uploads_once_for_each_call(emulator, list_requests):
    urls = []
    for _ in range(2):
        member, _ = await Member.objects.aupdate_or_create(
            name="Ada", defaults={"photo": content_file()}
        )
        urls.append(await astored_name(member))
    assert len({*urls}) == 2
    assert list_requests() == ["POST /pictures"] * 2


@pytest.mark.django_db
@in_event_loop
async def test_aupdate_or_create_during_an_outage_leaves_the_row_and_the_file(emulator):
    member = await Member.objects.acreate(name="Ada", photo=content_file())
    content = content_file()
    emulator.app.faults.add(Fault("status", status=503, times=1))
    with pytest.raises(ServiceUnavailable):
        await Member.objects.aupdate_or_create(name="Ada", defaults={"photo": content})
    assert await astored_name(member) == member.photo.url
    assert (content.closed, content.tell()) == (False, 0)


@pytest.mark.django_db
@in_event_loop
async def test_aupdate_with_a_file_raises(emulator, list_requests):
    with pytest.raises(ValueError, match="Cannot store an unsaved file"):
        await Member.objects.aupdate(photo=content_file())
    assert list_requests() == []


@pytest.mark.django_db
@in_event_loop
async def test_arefresh_from_db_discards_unsaved_file(emulator, list_requests):
    member = await Member.objects.acreate(photo=content_file())
    before = member.photo.url
    member.photo = content_file()
    await member.arefresh_from_db()
    assert member.photo.url == before
    assert list_requests() == ["POST /pictures"]


@pytest.mark.django_db
@in_event_loop
async def test_adelete_makes_no_request(emulator, list_requests):
    member = await Member.objects.acreate(photo=content_file())
    await member.adelete()
    assert not await Member.objects.aexists()
    assert list_requests() == ["POST /pictures"]


# asave_from_url()


@pytest.mark.django_db
@in_event_loop
async def test_asave_from_url_uploads_and_saves_the_row(emulator, remote_url):
    member = await Member.objects.acreate(name="Ada")
    await member.photo.asave_from_url(remote_url)
    assert await astored_name(member) == member.photo.url == member.photo.picture.url


@pytest.mark.django_db
@in_event_loop
async def test_asave_from_url_without_save_leaves_the_row(emulator, remote_url):
    member = await Member.objects.acreate(name="Ada")
    await member.photo.asave_from_url(remote_url, save=False)
    assert member.photo.picture
    assert await astored_name(member) == ""


@pytest.mark.django_db
@in_event_loop
async def test_asave_from_url_during_an_outage_leaves_the_row(emulator, remote_url):
    member = await Member.objects.acreate(photo=content_file())
    before = member.photo.url
    emulator.app.faults.add(Fault("status", status=503, times=1))
    with pytest.raises(ServiceUnavailable):
        await member.photo.asave_from_url(remote_url)
    assert member.photo.url == await astored_name(member) == before


@in_event_loop
async def test_asave_from_url_calls_an_overridden_save_from_url():
    class FieldFile(GroupMeImageFieldFile):
        def save_from_url(self, url: str, save: bool = True) -> None:
            called.append((url, save, threading.current_thread()))

    called = []
    member = Member()
    value = FieldFile(member, Member._meta.get_field("photo"), "")
    await value.asave_from_url("https://example.com/cat.jpg", save=False)
    [(url, save, thread)] = called
    assert (url, save) == ("https://example.com/cat.jpg", False)
    assert thread != threading.current_thread()


def test_asave_from_url_in_a_template_is_not_called():
    template = engines["django"].from_string("{{ member.photo.asave_from_url }}")
    assert template.render({"member": Member()}) == ""
