"""Tests of commands that are stopped by signals."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from django_groupme_images.bulk.runner import BulkRunner
from django_groupme_images.emulator.faults import Fault
from django_groupme_images.management.stopping import stop_on_signals
from tests.support.bulk import save_file
from tests.support.deadlines import SLOWNESS, wait_until

UPLOAD = ("groupme_upload", "gallery.Member", "--rate=0")

pytestmark = pytest.mark.any_django

if os.name == "nt":
    pytest.skip("Windows has no signals to send", allow_module_level=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stop_on_signals_after_first_signal_restores_handler(number):
    runner = BulkRunner(workers=1)
    before = signal.getsignal(number)
    with stop_on_signals(runner):
        os.kill(os.getpid(), number)
        assert runner.stop_reason == f"interrupted by {number.name}"
        assert signal.getsignal(number) is before
    assert signal.getsignal(number) is before


def test_stop_on_signals_with_ignored_sighup_keeps_it_ignored():
    """``nohup`` starts a process with SIGHUP ignored."""
    runner = BulkRunner(workers=1)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_on_signals(runner):
            os.kill(os.getpid(), signal.SIGHUP)
            assert not runner.stop_reason
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_stop_on_signals_outside_main_thread_does_not_raise():
    def work() -> None:
        with stop_on_signals(BulkRunner(workers=1)):
            pass

    with ThreadPoolExecutor(1) as executor:
        executor.submit(work).result()


def test_upload_after_sigint_finishes_uploads_in_flight(project, emulator, list_requests):
    project.create_table()
    project.insert_members([save_file(f"photos/{number}.jpg") for number in range(20)])
    emulator.app.faults.add(Fault("delay", seconds=0.1 * SLOWNESS, times=1000))
    with project.start(*UPLOAD, "--workers=2") as process:
        wait_until(lambda: len(list_requests()) >= 4 or process.poll() is not None)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert process.returncode == 130, err
    moved = [name for name in project.stored_names() if name.startswith(emulator.cdn_url)]
    assert f"{len(moved)} moved, 0 skipped, 0 failed\n" in out
    assert "Stopped: interrupted by SIGINT. Run the command again" in err
    assert len(list_requests()) == len(moved)
    emulator.app.faults.clear()
    code, out, err = project.run(*UPLOAD)
    assert code == 0, err
    assert out == f"{20 - len(moved)} moved, 0 skipped, 0 failed\n"
    assert len(list_requests()) == 20
    assert len(set(project.stored_names())) == 20
