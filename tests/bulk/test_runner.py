"""Tests of ``BulkRunner`` and its rate limiter."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from contextvars import ContextVar
from typing import Any

import pytest
from django.core.files.base import ContentFile

from django_groupme_images.bulk.runner import BulkRunner, BulkStopped, RateLimiter
from django_groupme_images.client import GroupMeClient
from django_groupme_images.emulator.faults import Fault
from django_groupme_images.exceptions import (
    AuthenticationFailed,
    RateLimited,
    ServiceUnavailable,
    UploadRejected,
)
from django_groupme_images.storage import GroupMeStorage
from tests.support.bulk import PHOTO
from tests.support.deadlines import DEADLINE, wait_until

pytestmark = pytest.mark.any_django


def run_in_threads(number: int, work: Any) -> list[Any]:
    """Call ``work`` in each thread, and return its results and exceptions."""
    results: list[Any] = []

    def run() -> None:
        try:
            results.append(work())
        except Exception as error:  # noqa: BLE001  # The test examines it.
            results.append(error)

    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def time_of_turn(rate_limiter: RateLimiter, started: float) -> Any:
    """Wait for a turn, and return the seconds that have passed since ``started``."""
    rate_limiter.wait()
    return time.monotonic() - started


# The tests of the rate limiter assert that no turn comes too early. On a busy machine, any turn may
# come late.


def test_rate_limiter_with_several_threads_spaces_turns_evenly():
    started = time.monotonic()
    rate_limiter = RateLimiter(rate=50)
    turns = sorted(run_in_threads(6, lambda: time_of_turn(rate_limiter, started)))
    for number, seconds in enumerate(turns):
        assert seconds >= number / 50


def test_rate_limiter_without_rate_returns_at_once():
    rate_limiter = RateLimiter()
    assert not any(run_in_threads(20, rate_limiter.wait))


def test_rate_limiter_after_idle_time_allows_no_burst():
    rate_limiter = RateLimiter(rate=20)
    time.sleep(0.15)
    started = time.monotonic()
    turns = sorted(run_in_threads(3, lambda: time_of_turn(rate_limiter, started)))
    assert turns[1] >= 1 / 20
    assert turns[2] >= 2 / 20


def test_rate_limiter_wait_after_rate_limit_delays_all_threads():
    paused = threading.Event()

    class Limiter(RateLimiter):
        def pause_all(self, seconds: float) -> None:
            super().pause_all(seconds)
            paused.set()

    rate_limiter = Limiter()
    started = time.monotonic()
    thread = threading.Thread(target=lambda: rate_limiter.wait(0.2, True))
    thread.start()
    assert paused.wait(DEADLINE)
    assert min(run_in_threads(3, lambda: time_of_turn(rate_limiter, started))) >= 0.2
    thread.join()


def test_rate_limiter_wait_without_rate_limit_delays_one_thread():
    rate_limiter = RateLimiter()
    results: list[Any] = []
    thread = threading.Thread(
        target=lambda: results.extend(run_in_threads(1, lambda: rate_limiter.wait(30, False)))
    )
    thread.start()
    assert run_in_threads(2, rate_limiter.wait) == [None, None]
    rate_limiter.stop()
    thread.join(DEADLINE)
    assert [type(error) for error in results] == [BulkStopped]


def test_rate_limiter_stop_raises_in_waiting_threads():
    rate_limiter = RateLimiter()
    rate_limiter.pause_all(60)
    threading.Timer(0.1, rate_limiter.stop).start()
    assert [type(error) for error in run_in_threads(3, rate_limiter.wait)] == [BulkStopped] * 3
    with pytest.raises(BulkStopped):
        rate_limiter.wait()


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
def test_client_retry_passes_delay_and_rate_limit_to_wait(emulator, fault, expected):
    emulator.app.faults.add(Fault("status", **fault))
    calls = []
    client = GroupMeClient(
        "token",
        upload_url=emulator.upload_url,
        cdn_url=emulator.cdn_url,
        wait=lambda *args: calls.append(args),
    )
    assert client.upload(PHOTO).width == 48
    assert calls == [expected]


def test_client_with_max_retry_after_accepts_longer_delay(emulator):
    emulator.app.faults.add(Fault("status", status=429, headers={"Retry-After": "60"}, times=2))
    calls = []
    options = {"upload_url": emulator.upload_url, "cdn_url": emulator.cdn_url, "max_retry_wait": 5}
    client = GroupMeClient(
        "token", **options, max_retry_after=100, wait=lambda *args: calls.append(args)
    )
    with pytest.raises(RateLimited):
        GroupMeClient("token", **options).upload(PHOTO)
    assert client.upload(PHOTO).width == 48
    assert calls == [(60, True)]


def test_bulk_client_after_five_failures_still_retries(emulator, settings):
    settings.GROUPME_MAX_RETRY_WAIT = 0.01
    emulator.app.faults.add(Fault("status", status=503, times=5))
    runner = BulkRunner(workers=1)
    storage = GroupMeStorage()
    assert runner.client(storage) is runner.client(storage)
    assert storage.upload(ContentFile(PHOTO), runner.client(storage)).width == 48


def test_run_yields_each_item_with_result_or_exception():
    def work(number: int) -> float:
        return 12 / number

    done = dict(BulkRunner(workers=3).run([0, 1, 2, 3], work))
    assert [done[number].result() for number in (1, 2, 3)] == [12, 6, 4]
    assert isinstance(done[0].exception(), ZeroDivisionError)


def test_run_reads_at_most_two_items_per_worker_in_advance():
    items_read: list[int] = []
    max_in_advance = 0

    def items() -> Any:
        for number in range(200):
            items_read.append(number)
            yield number

    for count, _ in enumerate(BulkRunner(workers=4).run(items(), lambda item: item)):
        max_in_advance = max(max_in_advance, len(items_read) - count)
    assert len(items_read) == 200
    assert max_in_advance <= 2 * 4 + 1


def test_run_reads_items_in_calling_thread():
    threads = set()

    def items() -> Any:
        for number in range(20):
            threads.add(threading.get_ident())
            yield number

    workers = {
        future.result()
        for _, future in BulkRunner(workers=2).run(items(), lambda _: threading.get_ident())
    }
    assert threads == {threading.get_ident()}
    assert threads.isdisjoint(workers)


def test_run_passes_context_of_caller_to_workers():
    user: ContextVar[str] = ContextVar("user")
    user.set("Ada")
    ((_, future),) = BulkRunner(workers=1).run(["x"], lambda _: user.get())
    assert future.result() == "Ada"


def test_run_after_stop_finishes_only_started_items():
    runner = BulkRunner(workers=2)
    started, stopped = threading.Event(), threading.Event()

    def work(number: int) -> int:
        runner.rate_limiter.wait()
        started.set()
        assert stopped.wait(DEADLINE)
        return number

    def stop() -> None:
        started.wait()
        runner.stop("enough")
        runner.stop("once more")
        stopped.set()

    threading.Thread(target=stop).start()
    done = [future.result() for _, future in runner.run(range(100), work)]
    assert runner.stop_reason == "enough"
    assert 1 <= len(done) <= 2


def test_run_after_stop_omits_item_that_waits_to_make_request():
    runner = BulkRunner(workers=1)
    is_second_read = threading.Event()

    def items() -> Any:
        yield "first"
        is_second_read.set()
        yield "second"

    def work(item: str) -> None:
        if item == "first":
            assert is_second_read.wait(DEADLINE)
            runner.stop("enough")
        else:
            runner.rate_limiter.wait()

    assert [item for item, _ in runner.run(items(), work)] == ["first"]


def test_run_after_error_of_caller_starts_no_more_items():
    runner = BulkRunner(workers=1)
    started = []

    def work(number: int) -> None:
        runner.rate_limiter.wait()
        started.append(number)
        if number:
            wait_until(lambda: runner.stop_reason)

    with pytest.raises(ZeroDivisionError), closing(runner.run(range(100), work)) as results:
        for _ in results:
            _ = 1 / 0
    assert runner.stop_reason
    assert len(started) <= 2


def raise_error(error: Exception) -> Any:
    """Return a function that takes an item and raises the error."""

    def work(item: object) -> None:
        raise error

    return work


def test_run_with_rejected_token_stops():
    runner = BulkRunner(workers=2)
    done = list(runner.run(range(100), raise_error(AuthenticationFailed("the token is wrong"))))
    assert runner.stop_reason == "the token is wrong"
    assert len(done) <= 5


def test_run_with_unavailable_service_stops_after_30_failures():
    runner = BulkRunner(workers=2)
    done = list(runner.run(range(100), raise_error(ServiceUnavailable("down"))))
    assert runner.stop_reason == "the image service failed 30 times in a row"
    assert 30 <= len(done) <= 35


def test_run_with_rejected_uploads_continues():
    runner = BulkRunner(workers=2)
    done = list(runner.run(range(100), raise_error(UploadRejected("no picture"))))
    assert len(done) == 100
    assert not runner.stop_reason


def test_run_after_rate_limit_delays_all_workers():
    runner = BulkRunner(workers=1)
    started = time.monotonic()

    def work(number: int) -> float:
        runner.rate_limiter.wait()
        if not number:
            raise RateLimited("too many", retry_after=0.2)
        return time.monotonic() - started

    _, (_, second) = runner.run(range(2), work)
    assert second.result() >= 0.2
