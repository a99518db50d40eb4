"""The machine under the commands: the pace of many threads, and how much is in hand at once."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from contextvars import ContextVar
from typing import Any

import pytest
from django.core.files.base import ContentFile

from django_groupme_images.bulk import Bulk
from django_groupme_images.client import GroupMeClient
from django_groupme_images.emulator.faults import Fault
from django_groupme_images.exceptions import (
    AuthenticationFailed,
    RateLimited,
    ServiceUnavailable,
    UploadRejected,
)
from django_groupme_images.pace import Pace, Stopped
from django_groupme_images.storage import GroupMeStorage

from . import emulator_pictures as pictures

PHOTO = pictures.plain()

pytestmark = pytest.mark.any_django


def in_threads(number: int, work: Any) -> list[Any]:
    """What the work gives, or raises, in so many threads at once."""
    given: list[Any] = []

    def run() -> None:
        try:
            given.append(work())
        except Exception as error:  # noqa: BLE001  # for the test to look at
            given.append(error)

    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return given


def turn(pace: Pace, started: float) -> Any:
    pace.wait()
    return time.monotonic() - started


# The pace. What is asserted is never how fast it is, but that nothing comes too early.


def test_turns_come_evenly_over_all_threads():
    started = time.monotonic()
    pace = Pace(rate=50)
    turns = sorted(in_threads(6, lambda: turn(pace, started)))
    for number, moment in enumerate(turns):
        assert moment >= number / 50


def test_no_limit():
    pace = Pace()
    assert not any(in_threads(20, pace.wait))


def test_turns_that_nobody_took_are_not_saved_up():
    pace = Pace(rate=20)
    time.sleep(0.15)
    started = time.monotonic()
    turns = sorted(in_threads(3, lambda: turn(pace, started)))
    assert turns[1] >= 1 / 20
    assert turns[2] >= 2 / 20


def test_all_wait_where_the_service_has_had_too_many_requests():
    pace = Pace()
    started = time.monotonic()
    waiting = threading.Thread(target=lambda: pace.wait(0.2, True))
    waiting.start()
    time.sleep(0.05)
    assert min(in_threads(3, lambda: turn(pace, started))) >= 0.2
    waiting.join()


def test_one_waits_alone_for_what_is_its_own_affair():
    pace = Pace()
    given: list[Any] = []
    waiting = threading.Thread(
        target=lambda: given.extend(in_threads(1, lambda: pace.wait(30, False)))
    )
    waiting.start()
    assert in_threads(2, pace.wait) == [None, None]
    pace.stop()
    waiting.join(10)
    assert [type(error) for error in given] == [Stopped]


def test_whoever_waits_is_told_that_it_was_stopped():
    pace = Pace()
    pace.hold(60)
    threading.Timer(0.1, pace.stop).start()
    assert [type(given) for given in in_threads(3, pace.wait)] == [Stopped] * 3
    with pytest.raises(Stopped):
        pace.wait()


# What the client's retries do with it


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"status": 429, "headers": {"Retry-After": "7"}}, (7, True)),
        ({"status": 420}, (0.5, True)),
        ({"status": 429}, (0.5, True)),
        ({"status": 503, "headers": {"Retry-After": "2"}}, (2, False)),
        ({"status": 502}, (0, False)),
    ],
)
def test_a_retry_says_how_long_to_wait_and_who(emulator, fault, expected):
    emulator.app.faults.add(Fault("status", **fault))
    waits = []
    client = GroupMeClient(
        "token",
        upload_url=emulator.upload_url,
        cdn_url=emulator.cdn_url,
        wait=lambda *given: waits.append(given),
    )
    assert client.upload(PHOTO).width == 48
    assert waits == [expected]


def test_how_long_the_service_may_ask_to_wait(emulator):
    emulator.app.faults.add(Fault("status", status=429, headers={"Retry-After": "60"}, times=2))
    waits = []
    values = {"upload_url": emulator.upload_url, "cdn_url": emulator.cdn_url, "max_retry_wait": 5}
    patient = GroupMeClient(
        "token", **values, max_retry_after=100, wait=lambda *given: waits.append(given)
    )
    with pytest.raises(RateLimited):
        GroupMeClient("token", **values).upload(PHOTO)
    assert patient.upload(PHOTO).width == 48
    assert waits == [(60, True)]


def test_a_bulk_client_asks_again_more_often(emulator, settings):
    settings.GROUPME_MAX_RETRY_WAIT = 0.01
    emulator.app.faults.add(Fault("status", status=503, times=5))
    bulk = Bulk(workers=1)
    storage = GroupMeStorage()
    assert bulk.client(storage) is bulk.client(storage)
    assert storage.upload(ContentFile(PHOTO), bulk.client(storage)).width == 48


# The work


def test_each_item_comes_back_with_what_became_of_it():
    def work(number: int) -> float:
        return 12 / number

    done = dict(Bulk(workers=3).run([0, 1, 2, 3], work))
    assert [done[number].result() for number in (1, 2, 3)] == [12, 6, 4]
    assert isinstance(done[0].exception(), ZeroDivisionError)


def test_no_more_is_in_hand_than_twice_the_workers():
    taken: list[int] = []
    most = 0

    def items() -> Any:
        for number in range(200):
            taken.append(number)
            yield number

    for given, _ in enumerate(Bulk(workers=4).run(items(), lambda item: item)):
        most = max(most, len(taken) - given)
    assert len(taken) == 200
    assert most <= 2 * 4 + 1


def test_the_items_are_taken_in_the_thread_of_the_caller():
    threads = set()

    def items() -> Any:
        for number in range(20):
            threads.add(threading.get_ident())
            yield number

    workers = {
        future.result()
        for _, future in Bulk(workers=2).run(items(), lambda _: threading.get_ident())
    }
    assert threads == {threading.get_ident()}
    assert threads.isdisjoint(workers)


def test_a_worker_has_the_context_of_the_caller():
    user: ContextVar[str] = ContextVar("user")
    user.set("Ada")
    ((_, future),) = Bulk(workers=1).run(["x"], lambda _: user.get())
    assert future.result() == "Ada"


def test_stopping_finishes_what_is_begun_and_begins_nothing():
    bulk = Bulk(workers=2)
    begun = threading.Event()
    done = []

    def work(number: int) -> int:
        bulk.pace.wait()
        begun.set()
        time.sleep(0.2)
        return number

    def stop() -> None:
        begun.wait()
        bulk.stop("enough")
        bulk.stop("once more")

    threading.Thread(target=stop).start()
    done = [future.result() for _, future in bulk.run(range(100), work)]
    assert bulk.stopped == "enough"
    assert 1 <= len(done) <= 2


def test_an_error_of_the_caller_begins_nothing_more():
    bulk = Bulk(workers=1)
    begun = []

    def work(number: int) -> None:
        bulk.pace.wait()
        begun.append(number)
        time.sleep(0.05)

    with pytest.raises(ZeroDivisionError), closing(bulk.run(range(100), work)) as running:
        for _ in running:
            _ = 1 / 0
    assert bulk.stopped
    assert len(begun) <= 2


def failing(error: Exception) -> Any:
    def work(item: object) -> None:
        raise error

    return work


def test_a_token_that_is_not_accepted_ends_it():
    bulk = Bulk(workers=2)
    done = list(bulk.run(range(100), failing(AuthenticationFailed("the token is wrong"))))
    assert bulk.stopped == "the token is wrong"
    assert len(done) <= 5


def test_a_service_that_is_down_ends_it():
    bulk = Bulk(workers=2)
    done = list(bulk.run(range(100), failing(ServiceUnavailable("down"))))
    assert bulk.stopped == "the service failed 30 times in a row"
    assert 30 <= len(done) <= 35


def test_failures_of_files_do_not_end_it():
    bulk = Bulk(workers=2)
    done = list(bulk.run(range(100), failing(UploadRejected("no picture"))))
    assert len(done) == 100
    assert not bulk.stopped


def test_where_retries_do_not_help_all_wait_too():
    bulk = Bulk(workers=1)
    started = time.monotonic()

    def work(number: int) -> float:
        bulk.pace.wait()
        if not number:
            raise RateLimited("too many", retry_after=0.2)
        return time.monotonic() - started

    _, (_, second) = bulk.run(range(2), work)
    assert second.result() >= 0.2
