"""
GroupMe's image service in this process, without a socket, for the tests of a project.

With pytest, use the fixture ``groupme_service``; with Django's test cases, a mixin::

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
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from django.core.files.storage import Storage
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from .emulator import Assumptions, EmulatorApp, PictureStore
from .emulator.faults import Fault
from .emulator.messages import Refused, Request
from .exceptions import InvalidPicture
from .inprocess import Delays, InProcessAdapter
from .overlay import files_in_memory
from .pictures import CDN_URL, Picture
from .sessions import transports
from .storage import groupme_storage

if TYPE_CHECKING:
    from unittest import TestCase, TestResult

    from django.db.models.fields.files import FieldFile
else:
    TestCase = object  # because the mixin is listed before a class that is one

__all__ = ["InProcessService", "InProcessServiceMixin", "Upload", "image_file"]

# The environment variable that a storage reads its token from.
_VARIABLE = "GM_TOKEN"


@dataclass(frozen=True)
class Upload:
    """
    An accepted upload: the picture, and the token that was sent with it.

    ``url`` is the URL that the service fetched, or ``None`` if a file was sent.
    """

    picture: Picture
    token: str = field(repr=False, compare=False)
    url: str | None
    _path: Path = field(repr=False, compare=False)

    @property
    def content(self) -> bytes:
        """The bytes that arrived. Raises ``FileNotFoundError`` if the image is lost."""
        return self._path.read_bytes()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self  # because Django copies what setUpTestData() keeps, and it cannot change

    def __getstate__(self) -> dict[str, Any]:
        # A pickle must not contain a token.
        return {name: value for name, value in vars(self).items() if name != "token"}


class InProcessService:
    """
    GroupMe's image service in this process, in place of the network, during a ``with`` block.

    Every ``GroupMeClient``, and so every ``GroupMeStorage``, uses it, regardless of
    ``upload_url``. The URLs of uploaded images are on the storage's ``cdn_url``. The service is
    the emulator and behaves as it does; ``assumptions`` change undocumented behavior. A failed
    request is not retried. A delay takes no time; one that is longer than the option ``timeout``
    raises a timeout at once. An empty environment variable ``GM_TOKEN`` is set during the block.

    Files that the app saves to a fallback storage stay in memory until the block ends. Files that
    the test puts into that storage are found there, and deleted there. With
    ``files_in_memory=False``, the app uses fallback storages as they are.

    Methods raise ``RuntimeError`` outside the block.
    """

    def __init__(
        self, assumptions: Assumptions | None = None, *, files_in_memory: bool = True
    ) -> None:
        #: The accepted uploads, oldest first.
        self.uploads: list[Upload] = []
        #: The content that the service finds at a URL that it fetches.
        self.web: dict[str, bytes] = {}
        self._assumptions = assumptions
        self._files_in_memory = files_in_memory
        self._lost: dict[Path, bytes] = {}
        self._running: EmulatorApp | None = None

    @property
    def requests(self) -> list[str]:
        """Every request that arrived, as ``"POST /pictures"`` or ``"HEAD /480x325.jpeg.9e20…"``."""
        return [f"{entry['method']} {entry['path']}" for entry in self._app.record.as_list()]

    def add(self, content: bytes, storage: Storage = groupme_storage) -> Picture:
        """
        Put an image on the service, without an upload, and return its picture for a storage.

        Raises ``ValueError`` if the service does not accept the image.
        """
        store = self._app.store
        with store.incoming() as path:
            path.write_bytes(content)
            name = store.add(path)
        cdn_url = getattr(storage, "cdn_url", CDN_URL)
        return Picture.parse(f"{cdn_url.rstrip('/')}/{name}", cdn_url)

    def lose(self, picture: Picture | FieldFile | str) -> None:
        """Remove an image, as the real service may. Raises ``FileNotFoundError``."""
        path = self._path(str(picture))
        self._lost[path] = path.read_bytes()
        path.unlink()

    def fail(self, kind: str = "status", **options: Any) -> None:
        """
        Make the next request fail, or the next ``times`` requests; with the status 503 by default.

        The kinds and their options are those of the emulator's faults: ``status`` (``status``,
        ``headers``, ``body``), ``delay`` (``seconds``), ``drop`` (``before_body``), ``half``,
        ``garbage``, and ``redirect`` (``location``). With ``method`` and ``path``, only matching
        requests fail. Raises ``ValueError`` for other kinds and options.
        """
        try:
            self._app.faults.add(Fault.from_values({"kind": kind, **options}))
        except Refused as error:
            raise ValueError(str(error)) from None

    def forget(self) -> None:
        """
        Clear ``uploads``, ``requests``, ``web``, and planned failures, and bring back lost images.

        Other images stay on the service, and files in memory stay, too.
        """
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
            allowed_hosts=["*"],  # that of the cdn_url of each client
            stopping=delays,
            fetch=self._fetch,
            taken=self._taken,
        )
        # A new closure each time, so that no client reuses its session with the last service.
        transport = lambda client: InProcessAdapter(app, client.cdn_url, delays)  # noqa: E731
        transports.append(transport)
        self._block = ExitStack()
        self._block.callback(transports.remove, transport)
        self._block.enter_context(files_in_memory(self._files_in_memory))
        if not os.environ.get(_VARIABLE):
            os.environ[_VARIABLE] = "a-token-for-tests"
            self._block.callback(os.environ.pop, _VARIABLE, None)
        return self

    def __exit__(self, *error: object) -> None:
        self._block.close()
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
    Mixin for Django's test cases: ``self.groupme_service`` is an :class:`InProcessService`.

    Put it before ``TestCase``. Images and files that ``setUpTestData()`` saves are there for each
    test of the class, whatever other tests did. Each test begins as after
    :meth:`InProcessService.forget`. The service gets ``files_in_memory`` from the attribute
    ``groupme_files_in_memory``.
    """

    groupme_service: InProcessService
    groupme_files_in_memory = True

    @classmethod
    def setUpClass(cls) -> None:
        service = InProcessService(files_in_memory=cls.groupme_files_in_memory)
        cls.groupme_service = cls.enterClassContext(service)
        super().setUpClass()

    def run(self, result: TestResult | None = None) -> TestResult | None:
        # Not in setUp(), which subclasses override without super(). A skipped class has none.
        if service := vars(type(self)).get("groupme_service"):
            service.forget()
        with files_in_memory(self.groupme_files_in_memory):
            return super().run(result)


def image_file(name: str = "image.png", width: int = 480, height: int = 325) -> SimpleUploadedFile:
    """
    Return a small image file of this size in pixels, in the format of the name's extension.

    For a field, a form, or ``client.post()``. Raises ``ValueError`` for an unknown extension.
    """
    file = io.BytesIO()
    file.name = name  # Pillow takes the format from it.
    Image.new("1", (width, height)).save(file)  # black and white is the fastest to decode
    return SimpleUploadedFile(name, file.getvalue(), str(mimetypes.guess_type(name)[0]))


def _picture(url: str) -> Picture:
    return Picture.parse(url, url.rpartition("/")[0])
