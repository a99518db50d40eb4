"""The messages for site visitors about each reason to reject an image file."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.utils import translation

import django_groupme_images
from django_groupme_images.exceptions import ImageRejected
from django_groupme_images.forms.validation import (
    _MESSAGES,
    rejection_error,
    script_message,
)
from django_groupme_images.images.converting.animation_frames import gif_frames
from django_groupme_images.images.converting.conversion import convert_image
from django_groupme_images.images.inspection import inspect_image
from django_groupme_images.images.metadata import without_metadata
from django_groupme_images.images.opening.decoding import check_decoder, open_image
from django_groupme_images.images.options import ImageOptions
from tests.support.emulator_pictures import encoded, plain
from tests.support.photographs import scene

pytestmark = pytest.mark.any_django

PACKAGE = Path(django_groupme_images.__file__).parent
OPTIONS = ImageOptions(allowed_formats=("png", "gif"), convert_formats=("webp",))
SMALL_OPTIONS = ImageOptions(
    allowed_formats=("png", "gif"), convert_formats=("webp",), max_upload_size=9, max_pixels=9
)


def inspect(data: bytes, options: ImageOptions = OPTIONS) -> None:
    inspect_image(BytesIO(data), options)


def convert(data: bytes, options: ImageOptions = OPTIONS) -> None:
    convert_image(BytesIO(data), "WEBP", options, BytesIO())


def load_damaged_frame() -> None:
    frames = [scene((64, 64), seed=seed) for seed in range(2)]
    data = encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:])
    damaged = data[:-60] + b"\xff" * 60
    list(gif_frames(open_image(BytesIO(damaged), "WEBP"), None))


#: A function that raises each rejection, and its code, by the key of its message.
REJECTIONS: dict[str, tuple[str, Callable[[], object]]] = {
    "empty": ("empty", lambda: inspect(b"")),
    "too_large": ("too_large", lambda: inspect(plain("PNG"), SMALL_OPTIONS)),
    "invalid_image": ("invalid_image", lambda: inspect(b"text")),
    "format_not_allowed": ("format_not_allowed", lambda: inspect(plain("JPEG"))),
    "new_format_not_allowed": ("format_not_allowed", lambda: convert(plain("WEBP"))),
    "no_decoder": ("no_decoder", lambda: check_decoder("JXL")),
    "too_many_pixels": ("too_many_pixels", lambda: convert(plain("WEBP"), SMALL_OPTIONS)),
    "truncated": ("truncated", lambda: inspect(plain("PNG")[:-20])),
    "metadata": ("metadata", lambda: without_metadata(BytesIO(b"text"))),
}


def raised_by(reject: Callable[[], object]) -> ImageRejected:
    with pytest.raises(ImageRejected) as caught:
        reject()
    return caught.value


@pytest.mark.parametrize("language", ["en", "de", "es"])
@pytest.mark.parametrize("key", _MESSAGES)
def test_rejection_error_of_each_code_is_translated_and_formatted(key: str, language: str) -> None:
    code, reject = REJECTIONS[key]
    error = raised_by(reject)
    with translation.override(language):
        (message,) = rejection_error(error, "cat.webp").messages
    assert error.code == rejection_error(error, "cat.webp").code == code
    assert "“cat.webp”" in message or "„cat.webp“" in message or "«cat.webp»" in message
    assert not re.search(r"%\(|None|\b(?:WEBP|JXL)\b", message)


def test_rejection_of_damaged_frame_has_message() -> None:
    (message,) = rejection_error(raised_by(load_damaged_frame), "cat.webp").messages
    assert message.startswith("“cat.webp” is incomplete or corrupted.")


def raise_sites() -> Iterator[tuple[str, set[str]]]:
    """Yield the code and the names of the parameters in each expression ``ImageRejected(…)``."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Name(id="ImageRejected"), keywords=keywords):
                    values: dict[Any, Any] = {each.arg: each.value for each in keywords}
                    yield values.pop("code").value, set(values)


def test_each_raise_site_has_parameters_of_its_message() -> None:
    sites = list(raise_sites())
    assert {code for code, _ in sites} == {code for code, _ in REJECTIONS.values()}
    for code, parameters in sites:
        key = "new_format_not_allowed" if "new_format" in parameters else code
        placeholders = set(re.findall(r"%\((\w+)\)s", str(_MESSAGES[key])))
        assert placeholders - {"name"} <= parameters


def test_script_message_is_translated_message_of_server() -> None:
    text = script_message("too_large")
    error = rejection_error(ImageRejected("", code="too_large", size=3 << 20, limit=1 << 20), "a")
    values = {"name": "a", **{key: error.params[key] for key in ("size", "limit")}}
    assert str(text).format(**values) == error.messages[0]
    with translation.override("de"):
        assert str(text) == "„{name}“ ist zu groß ({size}, erlaubt sind höchstens {limit})."
