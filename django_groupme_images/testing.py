"""
For the tests of a project: GroupMe's image service in this process, without a socket.

With pytest, the fixture ``groupme_service``; with Django's test cases, a mixin::

    class MemberTests(InProcessServiceMixin, TestCase):
        def test_a_photo(self):
            member = Member.objects.create(name="Ada", photo=image_file("ada.png"))
            [upload] = self.groupme_service.uploads
            self.assertEqual(member.photo.picture, upload.picture)
"""

from __future__ import annotations

import io
import mimetypes
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from django.core.files.storage import Storage
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from .emulator import Assumptions, EmulatorApp, PictureStore
from .emulator.faults import Fault
from .emulator.messages import Refused, Request
from .exceptions import InvalidPicture
from .inprocess import Delays, InProcessAdapter
from .pictures import CDN_URL, Picture
from .sessions import transports
from .storage import groupme_storage

if TYPE_CHECKING:
    from unittest import TestCase, TestResult

    from django.db.models.fields.files import FieldFile
else:
    TestCase = object  # what the mixin is put before

__all__ = ["InProcessService", "InProcessServiceMixin", "Upload", "image_file"]

# The environment variable that a storage reads its token from.
_VARIABLE = "GM_TOKEN"


@dataclass(frozen=True)
class Upload:
    """
    An upload that the service took: the picture it became, and the token it was sent with.

    ``url`` is the address that the service fetched, or ``None`` where a file was sent.
    """

    picture: Picture
    token: str = field(repr=False, compare=False)
    url: str | None
    _path: Path = field(repr=False, compare=False)

    @property
    def content(self) -> bytes:
        """The bytes that arrived. Raises ``FileNotFoundError`` if the picture is gone."""
        return self._path.read_bytes()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self  # as Django copies what setUpTestData() keeps; it cannot change

    def __getstate__(self) -> dict[str, Any]:
        # No pickle holds a token.
        return {name: value for name, value in vars(self).items() if name != "token"}


class InProcessService:
    """
    The image service for the length of a ``with`` block, in place of the network.

    Every ``GroupMeClient``, and so every ``GroupMeStorage``, talks to it, whatever its
    ``upload_url`` is, and pictures have their URLs on its ``cdn_url``. It is the emulator, and
    takes and refuses what that does; ``assumptions`` turn round what nobody knows. What fails
    is not tried again, and a delay takes no time: one that is longer than the option
    ``timeout`` is a timeout at once. Where the environment variable ``GM_TOKEN`` is
    empty, it has a token for as long.

    Raises ``RuntimeError`` outside of its block.
    """

    def __init__(self, assumptions: Assumptions | None = None) -> None:
        #: What was uploaded, in the order in which it was taken.
        self.uploads: list[Upload] = []
        #: What the service finds at an address that it is to fetch.
        self.web: dict[str, bytes] = {}
        self._assumptions = assumptions
        self._lost: dict[Path, bytes] = {}
        self._running: EmulatorApp | None = None

    @property
    def requests(self) -> list[str]:
        """Every request that arrived, as ``"POST /pictures"`` or ``"HEAD /480x325.jpeg.9e20…"``."""
        return [f"{entry['method']} {entry['path']}" for entry in self._app.record.as_list()]

    def add(self, content: bytes, storage: Storage = groupme_storage) -> Picture:
        """
        Put a picture on the service that nobody uploads in the test, for a storage to have.

        Raises ``ValueError`` if it is none that the service takes.
        """
        store = self._app.store
        with store.incoming() as path:
            path.write_bytes(content)
            name = store.add(path)
        cdn_url = getattr(storage, "cdn_url", CDN_URL)
        return Picture.parse(f"{cdn_url.rstrip('/')}/{name}", cdn_url)

    def lose(self, picture: Picture | FieldFile | str) -> None:
        """Let a picture vanish, as the real service may. Raises ``FileNotFoundError``."""
        path = self._path(str(picture))
        self._lost[path] = path.read_bytes()
        path.unlink()

    def fail(self, kind: str = "status", **options: Any) -> None:
        """
        Let the next request fail, or the next ``times``: with the status 503, or as told.

        The kinds and their options are those of the emulator's faults: ``status`` (with
        ``status``, ``headers`` and ``body``), ``delay`` (``seconds``), ``drop``
        (``before_body``), ``half``, ``garbage`` and ``redirect`` (``location``); with
        ``method`` and ``path``, only such a request fails. Raises ``ValueError`` for
        anything else.
        """
        try:
            self._app.faults.add(Fault.from_values({"kind": kind, **options}))
        except Refused as error:
            raise ValueError(str(error)) from None

    def forget(self) -> None:
        """Forget what arrived, what was to fail, what was lost, and the web; all pictures stay."""
        self.uploads.clear()
        self.web.clear()
        self._app.record.clear()
        self._app.faults.clear()
        while self._lost:
            path, content = self._lost.popitem()
            path.write_bytes(content)

    def __enter__(self) -> Self:
        if self._running:
            raise RuntimeError("this service runs already: each has one block")
        self.uploads.clear()
        delays = Delays()
        app = self._running = EmulatorApp(
            PictureStore(assumptions=self._assumptions),
            stopping=delays,
            fetch=self._fetch,
            taken=self._taken,
        )
        # A closure is another one each time, so that no client keeps what it has of the last.
        self._transport = lambda client: InProcessAdapter(app, client.cdn_url, delays)
        transports.append(self._transport)
        self._lends_token = not os.environ.get(_VARIABLE)
        if self._lends_token:
            os.environ[_VARIABLE] = "a-token-for-tests"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        transports.remove(self._transport)
        if self._lends_token:
            os.environ.pop(_VARIABLE, None)
        self._app.store.close()
        self._lost.clear()
        self._running = None

    @property
    def _app(self) -> EmulatorApp:
        if self._running is None:
            raise RuntimeError("the service is there within its with block, and not outside")
        return self._running

    def _taken(self, request: Request, url: str) -> None:
        upload = Upload(_picture(url), request.token, request.query.get("url"), self._path(url))
        self.uploads.append(upload)

    def _path(self, url: str) -> Path:
        with suppress(InvalidPicture):
            url = _picture(url).url  # without the suffix of a variant
        if path := self._app.store.find(url.rpartition("/")[2]):
            return path
        raise FileNotFoundError(f"the service has no picture {url}")

    def _fetch(self, url: str) -> Iterator[bytes]:
        if url not in self.web:
            raise Refused(400, f"nothing is at {url}: put its bytes into groupme_service.web")
        yield self.web[url]


class InProcessServiceMixin(TestCase):
    """
    For a test case of Django: ``self.groupme_service`` is an :class:`InProcessService`.

    Put it before ``TestCase``. What ``setUpTestData()`` uploads stays for every test of the
    class; each begins with all of it, and as after :meth:`InProcessService.forget`.
    """

    groupme_service: InProcessService

    @classmethod
    def setUpClass(cls) -> None:
        cls.groupme_service = cls.enterClassContext(InProcessService())
        super().setUpClass()

    def run(self, result: TestResult | None = None) -> TestResult | None:
        # Not in setUp(), which many override without super(). A class that is skipped has none.
        if service := vars(type(self)).get("groupme_service"):
            service.forget()
        return super().run(result)


def image_file(name: str = "image.png", width: int = 480, height: int = 325) -> SimpleUploadedFile:
    """
    A small file that is an image of this size in pixels, of the format that its name says.

    For a field, a form or ``client.post()``. Raises ``ValueError`` for an unknown extension.
    """
    file = io.BytesIO()
    file.name = name  # by which Pillow knows the format
    Image.new("1", (width, height)).save(file)  # the quickest to decode
    return SimpleUploadedFile(name, file.getvalue(), str(mimetypes.guess_type(name)[0]))


def _picture(url: str) -> Picture:
    return Picture.parse(url, url.rpartition("/")[0])
