"""The emulator's images in a directory, in which each file is named like the end of its URL."""

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
from .http import ConnectionDropped
from .thumbnails import make_thumbnail, read_image_info

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["PictureStore", "image_format"]

P = ParamSpec("P")
T = TypeVar("T")

# The minimum age in seconds of incomplete uploads that are deleted at the start. Younger ones can
# belong to another emulator that uses the same directory.
_LEFTOVER_AGE = 3600

# Other files in the directory are neither served nor deleted.
_FILE_NAME = re.compile(r"[0-9]+x[0-9]+\.([a-z][a-z0-9+-]*)\.[0-9A-Za-z_-]+")


class PictureStore:
    """
    Store of the emulator's images in a directory, which can be used again later.

    Without a directory, images are in a temporary directory, which :meth:`close` removes.
    ``assumptions`` change the behavior that GroupMe does not document. The constructor raises
    ``OSError`` if the directory cannot be created.
    """

    def __init__(
        self, directory: str | Path | None = None, assumptions: Assumptions | None = None
    ) -> None:
        self.assumptions = assumptions or Assumptions()
        # A decoded image takes up to 360 MB. With a single thread, only one is in memory at a time,
        # and the C library, which keeps memory for each thread, reuses it.
        self._decoder = ThreadPoolExecutor(1, "groupme-emulator-images")
        self._is_temporary = directory is None
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
        """Yield the path for a new file, which is deleted at the end if it is still there."""
        path = self._incoming / uuid4().hex
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def add(self, path: Path) -> str:
        """
        Add a file from :meth:`incoming` as a new image, and return its name.

        Raise ``NotAnImage`` if it is not a complete image of an accepted format.
        """
        formats = self.assumptions.formats
        info = self._run_in_decoder(read_image_info, path, formats)
        as_displayed = self.assumptions.dimensions_as_displayed
        width, height = info.displayed_size if as_displayed else info.size
        picture_id = uuid4().hex
        name = f"{width}x{height}.{formats[info.format]}.{picture_id}"
        path.replace(self.directory / name)
        return name if self.assumptions.url_with_dimensions else picture_id

    def find(self, name: str) -> Path | None:
        """Return the file of the image with this name, or with this ID (as in legacy URLs)."""
        if _FILE_NAME.fullmatch(name):
            path = self.directory / name
            return path if path.is_file() else None
        ids = ((path.name.rpartition(".")[2], path) for path in self._image_files())
        return next((path for picture_id, path in ids if picture_id == name), None)

    def thumbnail(self, picture: Path, variant: str) -> Path:
        """
        Return the file of an image's variant, which is created when it is first requested.

        Raise ``FileNotFoundError`` if the original is deleted before it is read.
        """
        format_name = self.assumptions.thumbnail_format or image_format(picture)
        path = self._thumbnails / f"{picture.name}.{variant}.{format_name}"
        if not path.exists():
            self._run_in_decoder(self._create_thumbnail, picture, variant, format_name, path)
        return path

    def has_thumbnails(self, original: Path) -> bool:
        """
        Return whether ``thumbnail_delay`` seconds have passed since the upload of an image.

        Raise ``FileNotFoundError`` if the original is deleted.
        """
        delay = self.assumptions.thumbnail_delay
        return not delay or time.time() >= original.stat().st_mtime + delay

    def _run_in_decoder(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """
        Call a function in the decoder's thread, and return its result.

        Raise ``ConnectionDropped`` if the store is closed before the call.
        """
        try:
            future = self._decoder.submit(call, *args, **kwargs)
        except RuntimeError as error:
            raise ConnectionDropped("the emulator is stopping") from error
        try:
            return future.result()
        except CancelledError as error:
            raise ConnectionDropped("the emulator is stopping") from error

    def _create_thumbnail(self, original: Path, variant: str, format_name: str, path: Path) -> None:
        if path.exists():  # Another request created it while this one waited.
            return
        with self.incoming() as new:
            new.write_bytes(make_thumbnail(original, variant, format_name))
            new.replace(path)

    def clear(self) -> None:
        """Delete all images and thumbnails."""
        for path in [*self._image_files(), *self._thumbnails.iterdir()]:
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """Wait until the current image is decoded, and remove a temporary directory."""
        self._decoder.shutdown(cancel_futures=True)
        if self._is_temporary:
            shutil.rmtree(self.directory, ignore_errors=True)

    def _remove_leftovers(self) -> None:
        """Delete incomplete uploads that remain after a crash."""
        for path in self._incoming.iterdir():
            # An upload can end at the same time, and a file that cannot be deleted does no harm.
            with suppress(OSError):
                if path.stat().st_mtime < time.time() - _LEFTOVER_AGE:
                    path.unlink()

    def _image_files(self) -> Iterator[Path]:
        return (path for path in self.directory.iterdir() if _FILE_NAME.fullmatch(path.name))


def image_format(path: Path) -> str:
    """Return the format of an original or a thumbnail from its file name, such as ``jpeg``."""
    if match := _FILE_NAME.fullmatch(path.name):
        return match[1]
    return path.name.rpartition(".")[2]
