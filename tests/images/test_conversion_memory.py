"""Memory that the conversion of a large image takes, apart from the libraries."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests import ROOT
from tests.support.converted_images import encoded, photo

pytestmark = [
    pytest.mark.any_django,
    pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="requires Linux"),
]

# An image of 48 megapixels may take 300 MB.
MAX_BYTES_PER_PIXEL = 300e6 / 48e6

# The first conversion, of a small image, loads the libraries.
SCRIPT = """
import sys
from pathlib import Path
from django_groupme_images.images.converting.conversion import convert_image
from django_groupme_images.images.options import ImageOptions

def status(name):
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))

for path in sys.argv[2:]:
    before = status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    with open(path, "rb") as file, open(f"{path}.converted", "w+b") as output:
        convert_image(file, sys.argv[1], ImageOptions(allowed_formats=["jpeg", "png"]), output)
    print(1024 * (status("VmHWM") - before))
"""


@pytest.mark.parametrize(
    ("image_format", "mode", "changes"),
    [
        ("HEIF", "RGB", {"tile_size": 512, "enc_params": {"preset": "ultrafast"}}),
        ("WEBP", "RGB", {"method": 0}),
        ("BMP", "RGB", {}),
        ("TIFF", "CMYK", {}),
        ("TIFF", "RGBA", {}),
    ],
)
def test_conversion_of_large_image_takes_little_memory(
    image_format: str, mode: str, changes: dict[str, Any], tmp_path: Path
) -> None:
    paths = [tmp_path / "small", tmp_path / "large"]
    for path, size in zip(paths, [(80, 60), (5000, 4000)], strict=True):
        path.write_bytes(encoded(photo(size).convert(mode), image_format, **changes))
    environment = {name: value for name, value in os.environ.items() if "COV" not in name}
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, image_format, *map(str, paths)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    peak = int(result.stdout.split()[-1])
    assert peak < MAX_BYTES_PER_PIXEL * 5000 * 4000
    with Image.open(f"{paths[1]}.converted") as image:
        assert image.size == (5000, 4000)
