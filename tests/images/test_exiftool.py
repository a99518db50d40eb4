"""
Metadata that exiftool finds in stripped images, and the pixels and frames of these images.

They are skipped if exiftool is not installed. With ``EXIFTOOL_TESTS=required`` in the environment,
as in CI, they fail.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import warnings
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
from PIL import ExifTags, Image

from django_groupme_images.exceptions import ImageRejected
from tests.support import corpus, photographs
from tests.support.hidden_metadata import HIDDEN
from tests.support.metadata import stripped, traces

pytestmark = pytest.mark.any_django

if not shutil.which("exiftool"):
    if os.environ.get("EXIFTOOL_TESTS") == "required":
        pytest.fail("EXIFTOOL_TESTS=required, but exiftool is not installed")
    pytest.skip("exiftool is not installed", allow_module_level=True)

#: Functions that make the files, by a description.
FILES: dict[str, Callable[[], bytes]] = {
    **{kind: partial(bytes, data) for kind, data in HIDDEN.items()},
    **{f"photograph: {maker}": make for maker, make in photographs.MAKERS.items()},
    "photograph: gif": photographs.gif,
    **{
        f"corpus: {kind}": corpus_file.make
        for kind, corpus_file in corpus.CORPUS.items()
        if not kind.startswith(("hostile", "large"))
    },
}
each_file = pytest.mark.parametrize("kind", FILES)

_ALLOWED_TAGS = {
    "ExifTool": "ExifToolVersion Warning Error",
    "System": r"\w+",
    "File": "FileType FileTypeExtension MIMEType ImageWidth ImageHeight BitsPerSample "
    "ColorComponents EncodingProcess YCbCrSubSampling ExifByteOrder",
    "Composite": "ImageSize Megapixels",
    "JFIF": "JFIFVersion ResolutionUnit XResolution YResolution",
    "Adobe": "DCTEncodeVersion APP14Flags0 APP14Flags1 ColorTransform",
    r"ICC_Profile|ICC-\w+": r"\w+",
    "PNG": "ImageWidth ImageHeight BitDepth ColorType Compression Filter Interlace Palette "
    "Transparency Gamma ProfileName AnimationFrames AnimationPlays",
    "PNG-pHYs": "PixelUnits PixelsPerUnitX PixelsPerUnitY",
    "GIF": "GIFVersion ImageWidth ImageHeight HasColorMap ColorResolutionDepth BitsPerPixel "
    "BackgroundColor TransparentColor FrameCount Duration AnimationIterations",
    "IFD0": "Orientation",
    "ExifIFD": "ColorSpace",
    "InteropIFD": "InteropIndex",
}
_ALLOWED = re.compile(
    "SourceFile|"
    + "|".join(f"(?:{key}):(?:{tags.replace(' ', '|')})" for key, tags in _ALLOWED_TAGS.items())
)
_ALLOWED_MESSAGE = re.compile(
    r"(?:Corrupted|Truncated) PNG image|JPEG EOI marker not found|JPEG format error"
    r"|Unknown file type|Bad length ICC_Profile \(length \d+\)"
)

_MAX_PIXELS = 5_000_000  # Of larger images, only the metadata is compared.


@cache
def original(kind: str) -> bytes:
    return FILES[kind]()


@cache
def result_of(kind: str) -> bytes | None:
    """Return the stripped file, or ``None`` if it is rejected."""
    try:
        return stripped(original(kind))
    except ImageRejected:
        return None


def report_of_files(folder: Path, files: dict[str, bytes]) -> dict[str, dict[str, Any]]:
    """Return the tags that exiftool finds in each file, as "Group:Name"."""
    kinds = dict(enumerate(files))
    for number, kind in kinds.items():
        (folder / str(number)).write_bytes(files[kind])
    command = ["exiftool", "-json", "-G1", "-a", "-u", "-ee", "-q", "-ext", "*", str(folder)]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    return {kinds[int(Path(tags["SourceFile"]).name)]: tags for tags in json.loads(process.stdout)}


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    results = {kind: data for kind in FILES if (data := result_of(kind)) is not None}
    return report_of_files(tmp_path_factory.mktemp("stripped"), results)


@each_file
def test_exiftool_finds_no_private_tag_in_stripped_file(
    kind: str, reports: dict[str, dict[str, Any]]
) -> None:
    tags = reports.get(kind, {})
    assert [tag for tag in tags if not _ALLOWED.fullmatch(tag)] == []
    messages = [tags[key] for key in ("ExifTool:Warning", "ExifTool:Error") if key in tags]
    assert [message for message in messages if not _ALLOWED_MESSAGE.fullmatch(message)] == []
    if (data := result_of(kind)) is not None:
        assert tags
        assert traces(data) == []


def test_exiftool_finds_private_tags_in_original_files(tmp_path: Path) -> None:
    originals = {kind: original(kind) for kind in FILES if not kind.startswith("corpus")}
    found = {tag for tags in report_of_files(tmp_path, originals).values() for tag in tags}
    groups = {tag.partition(":")[0] for tag in found if not _ALLOWED.fullmatch(tag)}
    assert groups >= {"ExifIFD", "File", "GIF", "GPS", "IFD0", "IFD1", "IPTC", "JFIF", "JFXX"}
    assert groups >= {"MPF0", "PNG", "XMP-exif", "XMP-photoshop"}


def test_only_files_of_other_formats_and_broken_files_are_rejected() -> None:
    rejected = {kind for kind in FILES if result_of(kind) is None}
    assert {kind for kind in rejected if not kind.startswith("corpus: ")} == set()
    accepted = {
        f"corpus: {kind}" for kind, file in corpus.CORPUS.items() if file.form == corpus.ACCEPTED
    }
    assert rejected & accepted == set()


def shown(data: bytes) -> Iterator[Any]:
    """Yield the frames of an image, with what Pillow knows about them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of malformed MPO files and large images.
        image = Image.open(io.BytesIO(data))
    with image:
        yield image.getexif().get(ExifTags.Base.Orientation, 1)
        if image.width * image.height > _MAX_PIXELS:
            return
        # Of an MPO, only the first frame is shown.
        count = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
        for number in range(count):
            image.seek(number)
            keys = ("duration", "loop", "transparency", "background", "icc_profile", "adobe")
            info = [image.info.get(key) for key in keys]
            disposal = getattr(image, "disposal_method", None), image.info.get("disposal")
            yield image.mode, image.size, image.tobytes(), disposal, info


@each_file
def test_stripped_file_has_same_pixels_and_frames(kind: str) -> None:
    result = result_of(kind)
    if result is None:
        return
    try:
        expected = list(shown(original(kind)))
    except (OSError, SyntaxError, TypeError, ValueError, IndexError, Image.DecompressionBombError):
        return  # Pillow does not decode it.
    assert list(shown(result)) == expected
