"""Uploads and signals in asynchronous views and in ASGI requests."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator

import pytest
from asgiref.sync import sync_to_async
from django.core.exceptions import SynchronousOnlyOperation
from django.core.handlers.asgi import ASGIHandler
from django.forms import modelform_factory
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import aget_object_or_404, redirect, render
from django.test import AsyncClient
from django.urls import path

from django_groupme_images.emulator.faults import Fault
from django_groupme_images.signals import picture_uploaded, upload_postponed
from django_groupme_images.storage import groupme_storage
from django_groupme_images.storage.names import is_file_name
from django_groupme_images.testing import image_file
from tests.client.faults.servers import read_request, server, upload_response
from tests.support.asgi import in_event_loop, request
from tests.support.deadlines import DEADLINE
from tests.support.field_data import content_file
from tests.testapp.forms import CardForm
from tests.testapp.models import Member, Unique

# Views

MemberForm = modelform_factory(Member, fields=["name", "photo"])


async def add_member(http_request: HttpRequest) -> HttpResponse:
    form = MemberForm(http_request.POST, http_request.FILES)
    if not await sync_to_async(form.is_valid)():
        return HttpResponse(str(form["photo"]), status=422)
    member = await sync_to_async(form.save)()
    return redirect("member", member.pk)


async def member_page(http_request: HttpRequest, pk: int) -> HttpResponse:
    member = await aget_object_or_404(Member, pk=pk)
    return render(http_request, "gallery/member.html", {"object": member, "member": member})


async def upload_card(http_request: HttpRequest) -> HttpResponse:
    """Upload the image of a form that does not use the database."""
    form = CardForm(http_request.POST, http_request.FILES)
    is_valid = await sync_to_async(form.is_valid)()
    return JsonResponse({"is_valid": is_valid, "errors": form.errors})


async def upload_in_event_loop(http_request: HttpRequest) -> HttpResponse:
    form = CardForm(http_request.POST, http_request.FILES)
    return JsonResponse({"is_valid": form.is_valid(), "errors": form.errors})


def upload_in_sync_view(http_request: HttpRequest) -> HttpResponse:
    form = CardForm(http_request.POST, http_request.FILES)
    return JsonResponse({"is_valid": form.is_valid(), "errors": form.errors})


async def upload_three(save: Callable[..., Awaitable[str]]) -> HttpResponse:
    names = await asyncio.gather(*(save("cat.jpg", content_file()) for _ in range(3)))
    return JsonResponse(names, safe=False)


async def upload_three_in_turn(http_request: HttpRequest) -> HttpResponse:
    return await upload_three(sync_to_async(groupme_storage.save))


async def upload_three_at_once(http_request: HttpRequest) -> HttpResponse:
    return await upload_three(sync_to_async(groupme_storage.save, thread_sensitive=False))


urlpatterns = [
    path("add/", add_member),
    path("members/<int:pk>/", member_page, name="member"),
    path("card/", upload_card),
    path("blocking/", upload_in_event_loop),
    path("sync/", upload_in_sync_view),
    path("in-turn/", upload_three_in_turn),
    path("at-once/", upload_three_at_once),
]


@pytest.fixture
def views(settings) -> None:
    settings.ROOT_URLCONF, settings.MIDDLEWARE = __name__, []


@pytest.mark.django_db
@in_event_loop
async def test_async_view_saves_an_upload(views, emulator, list_requests):
    data = {"name": "Ada", "photo": image_file("ada.png")}
    response = await AsyncClient().post("/add/", data)
    member = await Member.objects.aget()
    assert response.url == f"/members/{member.pk}/"
    assert member.photo.picture.format == "png"
    assert list_requests() == ["POST /pictures"]


@pytest.mark.django_db
@in_event_loop
async def test_async_view_keeps_the_upload_of_an_invalid_form(views, emulator, list_requests):
    client = AsyncClient()
    response = await client.post("/add/", {"name": "", "photo": image_file("ada.png")})
    assert response.status_code == 422
    inputs = response.content.decode().split('type="hidden" name="')[1]
    name, value = inputs.split('"')[0], inputs.split('value="')[1].split('"')[0]
    await client.post("/add/", {"name": "Ada", name: value})
    assert (await Member.objects.aget()).photo.picture
    assert list_requests() == ["POST /pictures"]


@pytest.mark.django_db
@in_event_loop
async def test_async_view_renders_tags_in_the_event_loop(views, emulator, forbid_io):
    member = await Member.objects.acreate(name="Ada", photo=f"{emulator.cdn_url}8x6.png.123456789")
    forbid_io()
    response = await AsyncClient().get(f"/members/{member.pk}/")
    assert member.photo.name in response.content.decode()


@pytest.mark.django_db(transaction=True)  # The handler closes connections in transactions.
@in_event_loop
async def test_asgi_handler_saves_an_upload(views, emulator):
    response = await request(
        ASGIHandler(), "/add/", {"name": "Ada", "photo": image_file("ada.png")}
    )
    assert response.status == 302
    assert (await Member.objects.aget()).photo.picture


@pytest.mark.django_db
@in_event_loop
async def test_model_form_that_queries_raises_in_the_event_loop(emulator):
    form = modelform_factory(Unique, fields=["photo"])({}, {"photo": image_file("ada.png")})
    with pytest.raises(SynchronousOnlyOperation):
        form.is_valid()


# The thread of an upload


@pytest.fixture
def uploading_threads() -> Iterator[list[threading.Thread]]:
    threads: list[threading.Thread] = []

    def note(**kwargs: object) -> None:
        threads.append(threading.current_thread())

    picture_uploaded.connect(note)
    yield threads
    picture_uploaded.disconnect(note)


def card() -> dict[str, object]:
    return {"title": "A card", "picture": image_file("card.png")}


@pytest.mark.parametrize(
    ("url", "is_blocking"), [("/blocking/", True), ("/card/", False), ("/sync/", False)]
)
def test_upload_runs_in_the_event_loop_only_without_a_thread(
    views, emulator, uploading_threads, url, is_blocking
):
    assert asyncio.run(request(ASGIHandler(), url, card())).body.startswith(b'{"is_valid": true')
    assert [thread is threading.current_thread() for thread in uploading_threads] == [is_blocking]


@pytest.mark.parametrize("is_in_thread", [True, False])
def test_other_tasks_run_during_an_upload_only_if_it_is_in_a_thread(settings, is_in_thread):
    has_run, order = threading.Event(), []

    def respond_after_other_task(connection) -> None:
        read_request(connection)
        if is_in_thread:
            assert has_run.wait(DEADLINE)
        connection.sendall(upload_response(settings.GROUPME_CDN_URL).encode())

    async def other_task() -> None:
        order.append("other task")
        has_run.set()

    async def validate() -> None:
        form = CardForm({"title": "A card"}, {"picture": image_file("card.png")})
        task = asyncio.create_task(other_task())
        assert await sync_to_async(form.is_valid)() if is_in_thread else form.is_valid()
        order.append("upload")
        await task

    with server(respond_after_other_task) as (url, _):
        settings.GROUPME_UPLOAD_URL, settings.GROUPME_CDN_URL = f"{url}pictures", url
        asyncio.run(validate())
    assert order == (["other task", "upload"] if is_in_thread else ["upload", "other task"])


def connections(emulator) -> list[int]:
    return [entry["connection"] for entry in emulator.app.record.as_list()]


def test_uploads_of_an_asgi_request_share_a_thread_and_a_connection(
    views, emulator, uploading_threads
):
    assert asyncio.run(request(ASGIHandler(), "/in-turn/")).status == 200
    assert len({*uploading_threads}) == 1
    assert len(connections(emulator)) == 3
    assert len({*connections(emulator)}) == 1


def test_uploads_of_two_asgi_requests_use_two_connections(views, emulator):
    async def two_requests() -> None:
        handler = ASGIHandler()
        for _ in range(2):
            await request(handler, "/card/", card())

    asyncio.run(two_requests())
    assert len({*connections(emulator)}) == 2


@pytest.fixture
def service_of_three(settings) -> Iterator[None]:
    """A service that responds to three uploads once it has received all of them."""
    barrier = threading.Barrier(3, timeout=DEADLINE)

    def respond(connection) -> None:
        read_request(connection)
        barrier.wait()
        connection.sendall(upload_response(settings.GROUPME_CDN_URL).encode())

    with server(respond, respond, respond) as (url, _):
        settings.GROUPME_UPLOAD_URL, settings.GROUPME_CDN_URL = f"{url}pictures", url
        yield


def test_uploads_without_thread_sensitive_run_concurrently(views, service_of_three):
    assert asyncio.run(request(ASGIHandler(), "/at-once/")).status == 200


def test_uploads_of_three_asgi_requests_run_concurrently(views, service_of_three):
    async def three_requests() -> list[int | None]:
        handler = ASGIHandler()
        sent = await asyncio.gather(*(request(handler, "/card/", card()) for _ in range(3)))
        return [each.status for each in sent]

    assert asyncio.run(three_requests()) == [200] * 3


# Signals


@pytest.mark.parametrize("is_in_thread", [True, False])
@pytest.mark.parametrize("signal", [picture_uploaded, upload_postponed])
def test_async_receiver_is_called_only_for_an_upload_in_a_thread(
    emulator, fallback, caplog, signal, is_in_thread
):
    names = []

    async def note(*, name: str, **kwargs: object) -> None:
        names.append(name)

    async def upload() -> str:
        save = sync_to_async(groupme_storage.save) if is_in_thread else groupme_storage.save
        saved = save("cat.jpg", content_file())
        return await saved if is_in_thread else saved

    if signal is upload_postponed:
        emulator.app.faults.add(Fault("status", status=503, times=1))
    signal.connect(note)
    name = asyncio.run(upload())
    signal.disconnect(note)
    assert is_file_name(name) is (signal is upload_postponed)
    assert names == (["cat.jpg"] if is_in_thread else [])
    assert ("event loop: upload in a thread" in caplog.text) is not is_in_thread
