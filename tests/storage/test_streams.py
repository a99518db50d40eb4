"""Tests of saving content that cannot be read twice: pipes, streams, and chunks."""

from __future__ import annotations

import errno
import os
import threading

import pytest
from django.core.files import File

from django_groupme_images.emulator.faults import Fault
from django_groupme_images.storage import GroupMeStorage
from tests.support import emulator_pictures as pictures
from tests.support.streams import UnseekableStream

PHOTO = pictures.plain()


@pytest.fixture(params=[0, -1], ids=["unbuffered", "buffered"])
def pipe(request):
    """Return the reading end of a pipe. Seeking in it raises a plain ``OSError``."""
    reading, writing = os.pipe()

    def fill() -> None:
        with open(writing, "wb") as file:  # noqa: PTH123
            file.write(PHOTO)

    thread = threading.Thread(target=fill)
    thread.start()
    with open(reading, "rb", buffering=request.param) as file:  # noqa: PTH123
        yield file
    thread.join()


WRAPPERS = {"plain": lambda pipe: pipe, "File": lambda pipe: File(pipe, "cat.jpg")}


@pytest.mark.parametrize("wrap", WRAPPERS)
@pytest.mark.parametrize("options", [{}, {"strip_metadata": True}])
def test_save_from_pipe_uploads_complete_content(emulator, pipe, wrap, options):
    storage = GroupMeStorage(**options)
    name = storage.save("cat.jpg", WRAPPERS[wrap](pipe))
    assert storage.open(name).read() == PHOTO
    assert not pipe.closed


@pytest.mark.parametrize("wrap", WRAPPERS)
def test_save_from_pipe_in_outage_writes_to_fallback(emulator, fallback, pipe, wrap):
    emulator.app.faults.add(Fault("status", status=503))
    with fallback.open(GroupMeStorage().save("cat.jpg", WRAPPERS[wrap](pipe))) as file:
        assert file.read() == PHOTO


@pytest.mark.parametrize("wrap", WRAPPERS)
def test_client_upload_from_pipe_returns_picture(emulator, pipe, wrap):
    picture = GroupMeStorage().client.upload(WRAPPERS[wrap](pipe))
    assert (picture.width, picture.height) == pictures.opened(PHOTO).size


@pytest.mark.parametrize("wrap", WRAPPERS)
def test_save_from_unreadable_stream_raises_its_error(emulator, wrap):
    class Broken(UnseekableStream):
        def readinto(self, buffer) -> int:
            raise OSError(errno.EIO, "the disk is broken")

    with pytest.raises(OSError, match="the disk is broken"):
        GroupMeStorage().save("cat.jpg", WRAPPERS[wrap](Broken(b"")))


def test_save_from_failing_chunks_raises_their_error(emulator, list_requests):
    class Chunks:
        name = "cat.jpg"

        def chunks(self):
            yield PHOTO[:100]
            raise OSError(errno.EIO, "the disk is broken")

    with pytest.raises(OSError, match="the disk is broken"):
        GroupMeStorage().save("cat.jpg", Chunks())
    assert list_requests() == []
