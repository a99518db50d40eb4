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
import json
import mimetypes
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, urlsplit

from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import override_settings
from PIL import Image
from requests import PreparedRequest

from .client import GroupMeClient
from .emulator import EmulatorApp, PictureStore
from .emulator.faults import Fault
from .emulator.messages import Refused
from .inprocess import Delays, InProcessAdapter
from .pictures import Picture
from .sessions import ACCESS_HEADER
from .storage import groupme_storage

if TYPE_CHECKING:
    from unittest import TestCase

    from django.db.models.fields.files import FieldFile
else:
    TestCase = object  # what the mixin is put before

__all__ = ["InProcessService", "InProcessServiceMixin", "Upload", "image_file"]


@dataclass(frozen=True)
class Upload:
    """
    An upload that the service took: the picture it became, and the token it was sent with.

    ``url`` is the address that the service fetched, or ``None`` where a file was sent.
    """

    picture: Picture
    token: str = field(repr=False)
    url: str | None
    _path: Path = field(repr=False)

    @property
    def content(self) -> bytes:
        """The bytes that arrived. Raises ``FileNotFoundError`` once the picture is lost."""
        return self._path.read_bytes()


class InProcessService:
    """
    The image service for the length of a ``with`` block, in place of the one of the settings.

    Every ``GroupMeStorage`` talks to it, whatever its ``upload_url`` is, and pictures have
    their URLs on its ``cdn_url``. It is the emulator, and takes and refuses what that
    does; its thumbnails can be fetched. What fails is not tried again, and nothing waits: a
    delay that is longer than the option ``timeout`` is a timeout at once. Where the settings
    have no access token, there is one.
    """

    def __init__(self) -> None:
        #: What was uploaded, in the order in which it was answered.
        self.uploads: list[Upload] = []
        #: What the service finds at an address that it is to fetch.
        self.web: dict[str, bytes] = {}

    @property
    def requests(self) -> list[str]:
        """Every request that arrived, as ``"POST /pictures"`` or ``"HEAD /480x325.jpeg.9e20…"``."""
        return [f"{entry['method']} {entry['path']}" for entry in self._app.record.as_list()]

    def add(self, content: bytes) -> Picture:
        """
        Put a picture on the service that nobody uploads in the test.

        Raises ``ValueError`` if it is none that the service takes.
        """
        with self._store.incoming() as path:
            path.write_bytes(content)
            name = self._store.add(path)
        cdn_url = groupme_storage.cdn_url
        return Picture.parse(f"{cdn_url.rstrip('/')}/{name}", cdn_url)

    def lose(self, picture: Picture | FieldFile | str) -> None:
        """Let a picture vanish, as the real service may. Raises ``FileNotFoundError``."""
        self._path(str(picture)).unlink()

    def fail(self, kind: str = "status", **options: Any) -> None:
        """
        Let the next request fail, or the next ``times``: with the status 503, or as told.

        The kinds and their options are those of the emulator's faults: ``status`` (with
        ``status``, ``headers`` and ``body``), ``delay`` (``seconds``), ``drop``, ``half``,
        ``garbage`` and ``redirect`` (``location``); with ``method`` and ``path``, only such a
        request fails. Raises ``ValueError`` for anything else.
        """
        try:
            self._app.faults.add(Fault.from_values({"kind": kind, **options}))
        except Refused as error:
            raise ValueError(str(error)) from None

    def forget(self) -> None:
        """Forget what arrived, and what is still to fail; the pictures stay."""
        self.uploads.clear()
        self._app.record.clear()
        self._app.faults.clear()

    def __enter__(self) -> Self:
        self._delays = Delays()
        with ExitStack() as stack:
            self._store = PictureStore()
            stack.callback(self._store.close)
            self._app = EmulatorApp(self._store, stopping=self._delays, fetch=self._fetch)
            stack.enter_context(override_settings(**self._settings()))
            self._end = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end.close()

    def _settings(self) -> dict[str, Any]:
        token = getattr(settings, "GROUPME_ACCESS_TOKEN", None) or "a-token-for-tests"
        return {"GROUPME_TRANSPORT": self._transport, "GROUPME_ACCESS_TOKEN": token}

    def _transport(self, client: GroupMeClient) -> InProcessAdapter:
        return InProcessAdapter(self._app, client.cdn_url, self._delays, self._uploaded)

    def _uploaded(self, request: PreparedRequest, answer: bytes) -> None:
        with suppress(ValueError):  # half of an answer, or garbage: a failure that was asked for
            url = json.loads(answer)["payload"]["url"]
            fetched = parse_qs(urlsplit(str(request.url)).query).get("url", [None])[0]
            picture = Picture.parse(url, url.rpartition("/")[0])
            token = request.headers[ACCESS_HEADER]
            self.uploads.append(Upload(picture, token, fetched, self._path(url)))

    def _path(self, url: str) -> Path:
        name = url.rpartition("/")[2]
        if (path := self._store.find(name)) is None:
            raise FileNotFoundError(f"the service has no picture {url}")
        return path

    def _fetch(self, url: str) -> Iterator[bytes]:
        if url not in self.web:
            raise Refused(400, f"nothing is at {url}: put its bytes into groupme_service.web")
        yield self.web[url]


class InProcessServiceMixin(TestCase):
    """
    For a test case of Django: ``self.groupme_service`` is an :class:`InProcessService`.

    Put it before ``TestCase``. What ``setUpTestData()`` uploads stays for every test of the
    class; each begins with no ``uploads``, no ``requests`` and no failures to come.
    """

    groupme_service: InProcessService

    @classmethod
    def setUpClass(cls) -> None:
        cls.groupme_service = cls.enterClassContext(InProcessService())
        super().setUpClass()

    def setUp(self) -> None:
        super().setUp()
        self.groupme_service.forget()


def image_file(name: str = "image.png", width: int = 480, height: int = 325) -> SimpleUploadedFile:
    """
    A small file that is an image of this size in pixels, of the format that its name says.

    For a field, a form or ``client.post()``. Raises ``ValueError`` for an unknown extension.
    """
    file = io.BytesIO()
    file.name = name  # by which Pillow knows the format
    Image.new("1", (width, height)).save(file)  # the quickest to decode
    return SimpleUploadedFile(name, file.getvalue(), str(mimetypes.guess_type(name)[0]))
