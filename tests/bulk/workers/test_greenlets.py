"""Test that uploads in the greenlets of gevent, which some web servers use, close their sockets."""

from __future__ import annotations

import subprocess
import sys

from django_groupme_images.emulator import EmulatorServer
from tests import ROOT
from tests.support import emulator_pictures as pictures
from tests.support.deadlines import DEADLINE

GREENLETS = """
from gevent import monkey; monkey.patch_all()
import gc, os, sys
import gevent
from django_groupme_images.client import GroupMeClient

upload_url, cdn_url, photo = sys.argv[1:]
client = GroupMeClient("t0ken", upload_url=upload_url, cdn_url=cdn_url)

def upload():
    client.upload(bytes.fromhex(photo))

gevent.spawn(upload).get()
gc.disable()
before = len(os.listdir("/proc/self/fd"))
gevent.joinall([gevent.spawn(upload) for _ in range(40)], raise_error=True)
print(len(os.listdir("/proc/self/fd")) - before)
"""


def test_greenlets_that_end_leave_no_socket(emulator: EmulatorServer) -> None:
    urls = emulator.upload_url, emulator.cdn_url
    done = subprocess.run(
        [sys.executable, "-c", GREENLETS, *urls, pictures.plain().hex()],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.stderr == ""
    assert int(done.stdout) <= 1
