"""The value of a ``GroupMeImageField``: a picture, or a file that waits to become one."""

from __future__ import annotations

import posixpath
from copy import copy, deepcopy
from typing import IO, Any, Self

from django.conf import settings
from django.core.files import File
from django.core.files.base import ContentFile
from django.db.models.fields.files import ImageFieldFile

from .exceptions import InvalidPicture
from .names import is_saved, known_picture
from .pictures import Picture
from .reuse import copy_record, recorded_name
from .storage import GroupMeStorage

__all__ = ["GroupMeImageFieldFile"]


class GroupMeImageFieldFile(ImageFieldFile):
    """
    The value of a ``GroupMeImageField``.

    What it says of a picture on the service it reads from the URL, at no I/O. A file
    that is elsewhere has its own ``url`` for every variant, and no ``picture``.
    """

    #: Name that a pending file had in the form that saved it. A row that is saved with such a file
    #: keeps the file, unless another row has it already.
    submitted_name: str | None = None

    @property
    def picture(self) -> Picture | None:
        """The picture, or ``None`` if there is none, or it is not on the service (yet)."""
        # What picture_of() says, in fewer steps: a page asks each row, and often.
        return known_picture(self.name, self.storage) if self._committed else None

    @property
    def preview_url(self) -> str:
        """The URL of 200x200 pixels. Raises ``ValueError`` if there is no file."""
        return self._variant_url("preview")

    @property
    def large_url(self) -> str:
        """The URL of at most 960x960 pixels. Raises ``ValueError`` if there is no file."""
        return self._variant_url("large")

    @property
    def avatar_url(self) -> str:
        """The URL of 60x60 pixels. Raises ``ValueError`` if there is no file."""
        return self._variant_url("avatar")

    @property
    def width(self) -> int | None:  # type: ignore[override]  # the URL may not say
        """Width of the original in pixels, or ``None`` where the URL does not say."""
        picture = self.picture
        return picture.width if picture else self._measured("width")

    @property
    def height(self) -> int | None:  # type: ignore[override]
        """Height of the original in pixels, or ``None`` where the URL does not say."""
        picture = self.picture
        return picture.height if picture else self._measured("height")

    @property
    def format(self) -> str | None:
        """``"jpeg"``, ``"png"``, ``"gif"`` …, or ``None`` where the URL does not say."""
        return getattr(self.picture, "format", None)

    def attachment(self) -> dict[str, str]:
        """
        The picture as an attachment of a message in GroupMe's API.

        Raises ``InvalidPicture`` if there is no picture on the service (yet).
        """
        if (picture := self.picture) is None:
            raise InvalidPicture(f"{self.field} has no picture to attach")
        return picture.attachment()

    def save(self, name: str, content: File[Any], save: bool = True) -> None:
        """Save the content as Django does; see ``GroupMeStorage.save()``."""
        stored_name = recorded_name(content)
        if stored_name and name == getattr(content, "name", None):
            # The name that a file had in a form may not be safe, or not be valid for a file.
            name = posixpath.basename(stored_name)
        super().save(name, content, save)

    save.alters_data = True  # type: ignore[attr-defined]

    def save_from_url(self, url: str, save: bool = True) -> None:
        """
        Let the service fetch the image at ``url``; like ``save()``, saves the row too.

        Raises ``ServiceError``, and leaves the row as it was, if that fails.
        """
        self.name = self.storage.save_from_url(url)  # type: ignore[attr-defined]
        self._file = None  # that of the picture before
        setattr(self.instance, self.field.attname, self.name)
        self._committed = True
        if save:
            self.instance.save()

    save_from_url.alters_data = True  # type: ignore[attr-defined]  # no template calls it

    def _variant_url(self, variant: str) -> str:
        picture = self.picture
        return picture.variant_url(variant) if picture else self.url

    def _measured(self, name: str) -> int | None:
        """A side of a file that is no picture, unless it would have to be fetched."""
        if is_saved(self) and isinstance(self.storage, GroupMeStorage):
            return None
        side: int | None = getattr(super(), name)
        return side

    def _set_instance_attribute(self, name: str, content: IO[bytes]) -> None:
        if known_picture(name, self.storage):  # which has its dimensions in its name
            setattr(self.instance, self.field.attname, name)
        else:
            # The content, for its dimensions; then its name, because it is saved already.
            setattr(self.instance, self.field.attname, File(content, name))
            vars(self.instance)[self.field.attname] = name

    def delete(self, save: bool = True) -> None:
        """Delete the file and clear the field. A file that is not saved yet is only discarded."""
        if not self or is_saved(self):
            super().delete(save)
            return
        # The storage may hold another row's file under this name.
        self.close()
        self._file, self.name = None, None
        vars(self).pop("_dimensions_cache", None)
        setattr(self.instance, self.field.attname, None)
        if save:
            self.instance.save()

    delete.alters_data = True  # type: ignore[attr-defined]

    def require_content(self) -> None:
        """Raise ``ValueError`` if this is a file to upload whose content cannot be read anymore."""
        content = getattr(self, "_file", None)
        if self and not is_saved(self) and self.closed and not recorded_name(content):
            raise ValueError(
                f"The content of {self.name!r:.200} is not available: the file was closed, or it "
                f"was lost when {self.field} was pickled. Assign the file to {self.field} again."
            )

    def _require_file(self) -> None:
        super()._require_file()  # type: ignore[misc]
        if getattr(self, "_file", None) is None:
            # Django would open the file of this name in the storage, which is another row's.
            self.require_content()

    def __copy__(self) -> Self:
        twin = type(self)(self.instance, self.field, self.name)
        if not is_saved(self):
            # An open file cannot be copied, so both share it.
            twin._file, twin._committed = getattr(self, "_file", None), False
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        twin = memo[id(self)] = copy(self)
        twin.instance = deepcopy(self.instance, memo)
        return twin

    def __getstate__(self) -> dict[str, Any]:
        # Django pickles a file that is not saved as one that is, and without its content.
        state = super().__getstate__()
        if not is_saved(self):
            state |= {"_committed": False, "_file": _in_memory(getattr(self, "_file", None))}
        return state


def _in_memory(file: File[Any] | None) -> ContentFile[bytes] | None:
    """The content of a file, if Django would keep an upload of that size in memory."""
    try:
        if file is None or file.size > settings.FILE_UPLOAD_MAX_MEMORY_SIZE:
            return None
        position = file.tell()
        file.seek(0)
        content = ContentFile(file.read(), name=file.name)
        file.seek(position)
        copy_record(file, content)
    except (AttributeError, OSError, TypeError, ValueError):
        return None  # it is closed, cannot seek, or does not know its size
    return content
