"""Time and memory to convert, shrink, or check an image file before its upload."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageOps

from .measure import OURS, Result, Target, compare, is_installed, time_ways
from .processes import peak_memory, run_in_process
from .project import FOLDER

BY_HAND = "plain Pillow"
MAX_DIMENSION = 2048  # pixels
MAX_OVERHEAD = 1  # milliseconds for a file that is not changed
MAX_MEMORY = 300  # MB to convert an image of 48 megapixels


class Work(NamedTuple):
    """The preparation of a file: its title, the file, the options, and the format of the result."""

    title: str
    file: str
    options: dict[str, object]
    result: str


CONVERT = {"convert_formats": ["webp", "avif", "heif", "bmp"]}
SHRINK = {"max_dimension": MAX_DIMENSION}
WORKS = [
    Work("Convert HEIF", "photo.heif", CONVERT, "JPEG"),
    Work("Convert AVIF", "photo.avif", CONVERT, "JPEG"),
    Work("Convert WebP", "photo.webp", CONVERT, "JPEG"),
    Work("Convert BMP", "photo.bmp", CONVERT, "JPEG"),
    Work("Shrink a JPEG", "photo.jpeg", SHRINK, "JPEG"),
    Work("Shrink a PNG", "photo.png", SHRINK, "PNG"),
    Work("Shrink a transparent PNG", "transparent.png", SHRINK, "PNG"),
]


def results(quick: bool) -> Iterator[Result]:
    sizes = (1,) if quick else (12, 48)  # megapixels
    works = [work for work in WORKS if work.file != "photo.heif" or is_installed("pillow_heif")]
    for megapixels in sizes:
        run_in_process(write_files, FOLDER, megapixels)
    for work in works:
        yield compare(
            work.title,
            "megapixels",
            {OURS: partial(_prepare, work), BY_HAND: partial(_prepare_by_hand, work)},
            sizes=sizes,
            targets=[(BY_HAND, size, 1.1) for size in sizes],
            rounds=5,
            quick=quick,
        )
    yield _compare_memory(works, sizes)
    yield _measure_overhead(quick)


def path_of(name: str, megapixels: int, folder: Path = FOLDER) -> Path:
    return folder / f"{megapixels}-{name}"


def write_files(folder: Path, megapixels: int) -> None:
    """Write a photo of this size in all formats."""
    if is_installed("pillow_heif"):
        import pillow_heif

        pillow_heif.register_heif_opener()
    image = photo(megapixels)
    for name in ("photo.heif", "photo.avif", "photo.webp", "photo.bmp", "photo.jpeg", "photo.png"):
        path = path_of(name, megapixels, folder)
        options = {"speed": 9} if path.suffix == ".avif" else {}
        if path.suffix != ".heif" or is_installed("pillow_heif"):
            image.save(path, compress_level=1, **options)
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    image.save(path_of("transparent.png", megapixels, folder), compress_level=1)


def photo(megapixels: float) -> Image.Image:
    """Return an image with the detail of a photo and some noise."""
    width = round((megapixels * 4 / 3) ** 0.5 * 1_000)
    size = (width, width * 3 // 4)
    colors = [
        Image.effect_noise((size[0] // factor, size[1] // factor), 60).resize(size)
        for factor in (16, 32, 64)
    ]
    return Image.blend(
        Image.merge("RGB", colors), Image.effect_noise(size, 30).convert("RGB"), 0.15
    )


def _prepare(work: Work, megapixels: int) -> Callable[[], int]:
    return partial(prepare_with_app, path_of(work.file, megapixels), work)


def _prepare_by_hand(work: Work, megapixels: int) -> Callable[[], int]:
    return partial(prepare_by_hand, path_of(work.file, megapixels), work)


def prepare_with_app(path: Path, work: Work) -> int:
    """Return the size in bytes of the file that the app would upload."""
    from django_groupme_images.images.options import ImageOptions
    from django_groupme_images.images.preparation import prepared_image

    options = ImageOptions(allowed_formats=("jpeg", "png", "gif"), **work.options)  # type: ignore[arg-type]
    with path.open("rb") as file, prepared_image(file, options) as prepared:
        return prepared.file.seek(0, io.SEEK_END)


def prepare_by_hand(path: Path, work: Work) -> int:
    """Return the size in bytes of a file that is prepared with Pillow directly."""
    if path.suffix == ".heif":
        import pillow_heif

        pillow_heif.register_heif_opener()
    output = io.BytesIO()
    with Image.open(path) as image:
        if "max_dimension" in work.options:
            image.thumbnail((MAX_DIMENSION, MAX_DIMENSION), Image.Resampling.LANCZOS)
        upright = ImageOps.exif_transpose(image)
        profile = image.info.get("icc_profile")
        upright.save(output, work.result, quality=90, icc_profile=profile)
    return output.tell()


def _compare_memory(works: list[Work], sizes: tuple[int, ...]) -> Result:
    """Measure the memory of each way in a separate process."""
    rows, targets = [], []
    for work in works:
        cells = []
        for size in sizes:
            path = path_of(work.file, size)
            ours, by_hand = (
                run_in_process(added_memory, function, path, work) / 1e6
                for function in (prepare_with_app, prepare_by_hand)
            )
            cells += [f"{ours:.0f}", f"{by_hand:.0f}"]
            text = f"{work.title}, {size} megapixels: no more than {BY_HAND}"
            targets.append(Target(text, f"{ours:.0f} and {by_hand:.0f} MB", ours <= by_hand * 1.02))
            if size == 48 and "convert_formats" in work.options:
                text = f"{work.title}, {size} megapixels: less than {MAX_MEMORY} MB"
                targets.append(Target(text, f"{ours:.0f} MB", ours < MAX_MEMORY))
        rows.append([work.title, *cells])
    headers = [f"{size} megapixels, {way}" for size in sizes for way in (OURS, BY_HAND)]
    return Result("Memory to convert or shrink an image, in MB", ["", *headers], rows, targets)


def added_memory(function: Callable[[Path, Work], int], path: Path, work: Work) -> int:
    """Return by how many bytes the work raises the peak memory, after the work on a tiny image."""
    tiny = path.with_name(f"tiny-{path.name}")
    if path.suffix == ".heif":
        import pillow_heif

        pillow_heif.register_heif_opener()
    # This image is wide enough to be scaled down.
    Image.new("RGB", (MAX_DIMENSION + 64, 64)).save(tiny)
    function(tiny, work)
    before = peak_memory()
    function(path, work)
    return peak_memory() - before


def _measure_overhead(quick: bool) -> Result:
    """Measure the preparation of a JPEG of 5 MB that is uploaded as it is."""
    path = FOLDER / "unchanged.jpeg"
    image, quality = photo(12), 95
    image.save(path, quality=quality)
    rows, targets = [], []
    for title, options in {
        "default options": CONVERT,
        "max_dimension": CONVERT | {"max_dimension": 10_000},
    }.items():
        work = Work(title, path.name, options, "JPEG")
        ways = {OURS: lambda size, work=work: partial(prepare_with_app, path, work)}
        (times,) = time_ways(ways, 1, 2 if quick else 9).values()  # type: ignore[arg-type]
        milliseconds = min(times) * 1000
        rows.append([title, f"{milliseconds:.3f}"])
        text = f"{title}: less than {MAX_OVERHEAD} ms"
        targets.append(Target(text, f"{milliseconds:.3f} ms", milliseconds < MAX_OVERHEAD))
    megabytes = path.stat().st_size / 1e6
    return Result(
        f"Overhead for an unchanged JPEG of {megabytes:.1f} MB", ["", "ms"], rows, targets
    )
