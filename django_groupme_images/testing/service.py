"""In-process image service for tests, a mixin for Django's test cases, and image files."""

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

from django_groupme_images.client.session import transport_overrides
from django_groupme_images.emulator import Assumptions, EmulatorApp, PictureStore
from django_groupme_images.emulator.faults import Fault
from django_groupme_images.emulator.http import HTTPError, Request
from django_groupme_images.exceptions import InvalidPicture
from django_groupme_images.pictures import CDN_URL, Picture
from django_groupme_images.storage.backend import groupme_storage

from .adapter import InProcessAdapter, RecordedDelays
from .overlay import files_in_memory

if TYPE_CHECKING:
    from unittest import TestCase, TestResult

    from django.db.models.fields.files import FieldFile

    from django_groupme_images.client import GroupMeClient
else:
    TestCase = object  # The mixin is listed before a subclass of TestCase.

__all__ = ["InProcessService", "InProcessServiceMixin", "Upload", "image_file"]

# The environment variable that a storage reads its token from.
_ENVIRONMENT_VARIABLE = "GM_TOKEN"


@dataclass(frozen=True)
class Upload:
    """
    An accepted upload: the ``Picture``, and the access token that was sent with it.

    ``url`` is the URL that the service fetched, or ``None`` if a file was uploaded.
    """

    picture: Picture
    token: str = field(repr=False, compare=False)
    url: str | None
    _path: Path = field(repr=False, compare=False)

    @property
    def content(self) -> bytes:
        """The uploaded bytes. Reading them raises ``FileNotFoundError`` if the image was lost."""
        return self._path.read_bytes()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        # Django copies the attributes that setUpTestData() sets. A frozen object needs no copy.
        return self

    def __getstate__(self) -> dict[str, Any]:
        # A pickle must not contain a token.
        return {name: value for name, value in vars(self).items() if name != "token"}


class InProcessService:
    """
    In-process image service that replaces the network during a ``with`` block.

    Every ``GroupMeClient``, and therefore every ``GroupMeStorage``, uses it, regardless of
    ``upload_url``. The URLs of uploaded images are on the storage's ``cdn_url``. The service
    behaves like the emulator; ``assumptions`` change undocumented behavior. A failed request is
    not retried. Delays take no time, but a delay that is longer than the option ``timeout`` causes
    a timeout immediately. If the environment variable ``GM_TOKEN`` is empty or not set, it has a
    placeholder value during the block.

    Files that the app saves to a fallback storage stay in memory until the block ends. The app
    also reads and deletes files that the test saves to the real fallback storage. With
    ``files_in_memory=False``, the app uses fallback storages as they are.

    Methods raise ``RuntimeError`` outside the block.
    """

    def __init__(
        self, assumptions: Assumptions | None = None, *, files_in_memory: bool = True
    ) -> None:
        #: The accepted uploads, oldest first.
        self.uploads: list[Upload] = []
        #: The content that the service receives when it fetches a URL, by URL.
        self.web: dict[str, bytes] = {}
        self._assumptions = assumptions
        self._files_in_memory = files_in_memory
        self._lost: dict[Path, bytes] = {}
        self._running: EmulatorApp | None = None

    @property
    def requests(self) -> list[str]:
        """The received requests, as ``"POST /pictures"`` or ``"HEAD /480x325.jpeg.9e20…"``."""
        return [f"{entry['method']} {entry['path']}" for entry in self._app.record.as_list()]

    def add(self, content: bytes, storage: Storage = groupme_storage) -> Picture:
        """
        Add an image to the service without an upload, and return it as a ``Picture``.

        Its URL is on the ``cdn_url`` of ``storage``.

        Raise ``ValueError`` if the service does not accept the image.
        """
        store = self._app.store
        with store.incoming() as path:
            path.write_bytes(content)
            name = store.add(path)
        cdn_url = getattr(storage, "cdn_url", CDN_URL)
        return Picture.parse(f"{cdn_url.rstrip('/')}/{name}", cdn_url)

    def lose(self, picture: Picture | FieldFile | str) -> None:
        """Remove an image from the service. Raise ``FileNotFoundError`` if it does not exist."""
        path = self._find_file(str(picture))
        self._lost[path] = path.read_bytes()
        path.unlink()

    def fail(self, kind: str = "status", **options: Any) -> None:
        """
        Make the next ``times`` requests fail: by default one, with the status 503.

        The kinds and their options are those of the emulator's faults: ``status`` (``status``,
        ``headers``, ``body``), ``delay`` (``seconds``), ``drop`` (``before_body``), ``half``,
        ``garbage``, and ``redirect`` (``location``). With ``method`` and ``path``, only matching
        requests fail. Raise ``ValueError`` for other kinds and options.
        """
        try:
            self._app.faults.add(Fault.from_values({"kind": kind, **options}))
        except HTTPError as error:
            raise ValueError(str(error)) from None

    def forget(self) -> None:
        """
        Clear ``uploads``, ``requests``, ``web``, and planned failures, and restore lost images.

        Other images on the service and files in memory are kept.
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
            raise RuntimeError(
                "This InProcessService is already running. Create another one for a nested block."
            )
        self.uploads.clear()
        delays = RecordedDelays()
        app = self._running = EmulatorApp(
            PictureStore(assumptions=self._assumptions),
            allowed_hosts=["*"],  # Each client uses the host of its cdn_url.
            stopping=delays,
            fetch=self._fetch,
            taken=self._record_upload,
        )

        # Each block needs a new function, because a client with the same one keeps its session.
        def transport(client: GroupMeClient) -> InProcessAdapter:
            return InProcessAdapter(app, client.cdn_url, delays)

        transport_overrides.append(transport)
        self._block = ExitStack()
        self._block.callback(transport_overrides.remove, transport)
        self._block.enter_context(files_in_memory(self._files_in_memory))
        if not os.environ.get(_ENVIRONMENT_VARIABLE):
            os.environ[_ENVIRONMENT_VARIABLE] = "a-token-for-tests"
            self._block.callback(os.environ.pop, _ENVIRONMENT_VARIABLE, None)
        return self

    def __exit__(self, *error: object) -> None:
        self._block.close()
        self._app.store.close()
        self._lost.clear()
        self._running = None

    @property
    def _app(self) -> EmulatorApp:
        if self._running is None:
            raise RuntimeError("InProcessService can only be used inside its with block")
        return self._running

    def _record_upload(self, request: Request, url: str) -> None:
        picture, path = _parse_picture(url), self._find_file(url)
        self.uploads.append(Upload(picture, request.token, request.query.get("url"), path))

    def _find_file(self, url: str) -> Path:
        with suppress(InvalidPicture):
            url = _parse_picture(url).url  # This URL has no suffix of a variant.
        if path := self._app.store.find(url.rpartition("/")[2]):
            return path
        raise FileNotFoundError(f"The image service has no image with the URL {url}")

    def _fetch(self, url: str) -> Iterator[bytes]:
        if url not in self.web:
            raise HTTPError(400, f"nothing found at {url}; add its content to groupme_service.web")
        yield self.web[url]


class InProcessServiceMixin(TestCase):
    """
    Mixin for Django's test cases: ``self.groupme_service`` is an :class:`InProcessService`.

    List it before ``TestCase``. Images and files that ``setUpTestData()`` saves exist in each test
    of the class, even if another test deletes them. :meth:`InProcessService.forget` runs before
    each test. The attribute ``groupme_files_in_memory`` is the argument ``files_in_memory`` of the
    service.
    """

    groupme_service: InProcessService
    groupme_files_in_memory = True

    @classmethod
    def setUpClass(cls) -> None:
        service = InProcessService(files_in_memory=cls.groupme_files_in_memory)
        cls.groupme_service = cls.enterClassContext(service)
        super().setUpClass()

    def run(self, result: TestResult | None = None) -> TestResult | None:
        # Subclasses can override setUp() without super(). A skipped class has no service.
        if service := vars(type(self)).get("groupme_service"):
            service.forget()
        with files_in_memory(self.groupme_files_in_memory):
            return super().run(result)


def image_file(name: str = "image.png", width: int = 480, height: int = 325) -> SimpleUploadedFile:
    """
    Return a small image file of this size in pixels, in the format of the name's extension.

    Use it for a field, a form, or ``client.post()``. Raise ``ValueError`` for an unknown extension.
    """
    file = io.BytesIO()
    file.name = name  # Pillow gets the format from the name.
    Image.new("1", (width, height)).save(file)  # Black and white is fast to decode.
    return SimpleUploadedFile(name, file.getvalue(), str(mimetypes.guess_type(name)[0]))


def _parse_picture(url: str) -> Picture:
    return Picture.parse(url, url.rpartition("/")[0])
