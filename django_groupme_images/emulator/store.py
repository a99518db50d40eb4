"""The emulator's pictures: files in a directory, named as their URLs are."""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar
from uuid import uuid4

from .assumptions import Assumptions
from .images import NotAnImage, draw, read_facts
from .messages import ConnectionDropped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["NotAnImage", "PictureStore"]

P = ParamSpec("P")
T = TypeVar("T")

# What is younger, in seconds, may be an upload to another emulator on the same directory.
_LEFTOVER_AGE = 3600

# Nothing else in the directory is ever served or deleted.
_FILE_NAME = re.compile(r"[0-9]+x[0-9]+\.([a-z][a-z0-9+-]*)\.[0-9A-Za-z_-]+")


class PictureStore:
    """
    Pictures in a directory, which may be used again by a later store.

    Without a directory they are in a temporary one, which :meth:`close` removes.
    Raises ``OSError`` if the directory cannot be made.
    """

    def __init__(
        self, directory: str | Path | None = None, assumptions: Assumptions | None = None
    ) -> None:
        self.assumptions = assumptions or Assumptions()
        # Decoded, an image takes up to 360 MB. In a single thread, only one is in memory at a
        # time, and the C library reuses its memory, which it keeps for each thread.
        self._decoder = ThreadPoolExecutor(1, "groupme-emulator-images")
        self._temporary = directory is None
        if directory is None:
            directory = tempfile.mkdtemp(prefix="groupme-emulator-")
        self.directory = Path(directory).absolute()
        self._incoming = self.directory / ".incoming"
        self._thumbnails = self.directory / ".thumbnails"
        self._thumbnails.mkdir(parents=True, exist_ok=True)
        self._incoming.mkdir(exist_ok=True)
        self._remove_leftovers()

    @contextmanager
    def incoming(self) -> Iterator[Path]:
        """The path for a file to be written to, and then handed to :meth:`add`."""
        path = self._incoming / uuid4().hex
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def add(self, path: Path) -> str:
        """
        Take over a file of :meth:`incoming` as a new picture; return its name.

        Raises ``NotAnImage`` if it is none, or of a format that is not accepted.
        """
        formats = self.assumptions.formats
        facts = self._decoded(read_facts, path, formats)
        as_displayed = self.assumptions.dimensions_as_displayed
        width, height = facts.displayed_size if as_displayed else facts.size
        picture_id = uuid4().hex
        name = f"{width}x{height}.{formats[facts.format]}.{picture_id}"
        path.replace(self.directory / name)
        return name if self.assumptions.url_with_dimensions else picture_id

    def find(self, name: str) -> Path | None:
        """The file of the picture of this name or, as in legacy URLs, of this id alone."""
        if _FILE_NAME.fullmatch(name):
            path = self.directory / name
            return path if path.is_file() else None
        ids = ((path.name.rpartition(".")[2], path) for path in self._pictures())
        return next((path for picture_id, path in ids if picture_id == name), None)

    def thumbnail(self, picture: Path, variant: str) -> Path:
        """
        The file of a picture's variant, drawn when it is first requested.

        Raises ``FileNotFoundError`` if the picture is deleted meanwhile.
        """
        word = self.assumptions.thumbnail_format or image_format(picture)
        path = self._thumbnails / f"{picture.name}.{variant}.{word}"
        if not path.exists():
            self._decoded(self._draw, picture, variant, word, path)
        return path

    def _decoded(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """
        Call a function that decodes an image, in the thread for it.

        Raises ``ConnectionDropped`` if the store is closed before.
        """
        try:
            future = self._decoder.submit(call, *args, **kwargs)
        except RuntimeError as error:
            raise ConnectionDropped("the emulator stops") from error
        try:
            return future.result()
        except CancelledError as error:
            raise ConnectionDropped("the emulator stops") from error

    def _draw(self, picture: Path, variant: str, word: str, path: Path) -> None:
        if path.exists():  # Another request has drawn it while this one waited.
            return
        with self.incoming() as drawing:
            drawing.write_bytes(draw(picture, variant, word))
            drawing.replace(path)

    def clear(self) -> None:
        """Delete every picture and thumbnail."""
        for path in [*self._pictures(), *self._thumbnails.iterdir()]:
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """Wait for the image that is being decoded, and remove a temporary directory."""
        self._decoder.shutdown(cancel_futures=True)
        if self._temporary:
            shutil.rmtree(self.directory, ignore_errors=True)

    def _remove_leftovers(self) -> None:
        """Delete the halves of uploads that a crash has left."""
        for path in self._incoming.iterdir():
            # An upload may just have ended, and what cannot be deleted does no harm.
            with suppress(OSError):
                if path.stat().st_mtime < time.time() - _LEFTOVER_AGE:
                    path.unlink()

    def _pictures(self) -> Iterator[Path]:
        return (path for path in self.directory.iterdir() if _FILE_NAME.fullmatch(path.name))


def image_format(path: Path) -> str:
    """The word for the format of a picture's or a thumbnail's file: ``jpeg``, ``png`` …"""
    if match := _FILE_NAME.fullmatch(path.name):
        return match[1]
    return path.name.rpartition(".")[2]
