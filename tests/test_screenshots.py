"""The images of the README and the docs are there, small, and shown."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
SHOTS = runpy.run_path(DOCS / "screenshots.py")["SHOTS"]

pytestmark = pytest.mark.any_django


def images():
    return {path.name for path in (DOCS / "images").iterdir()}


def shown():
    pages = [*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *DOCS.rglob("*.rst")]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    return set(re.findall(r"(?<![\w-])images/([\w.-]+\.\w+)", text))


@pytest.mark.parametrize("name", SHOTS)
def test_screenshot(name):
    path = DOCS / "images" / name
    with Image.open(path) as image:
        image.load()
    assert (image.format, image.width) == ("PNG", SHOTS[name].width), "make screenshots"
    assert path.stat().st_size < 300_000


def test_every_image_is_shown():
    assert images() - shown() == set()


def test_every_image_that_is_shown_is_there():
    assert shown() - images() == set()
