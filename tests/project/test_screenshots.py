"""Tests of the images in the README and the documentation."""

from __future__ import annotations

import re

import pytest
from PIL import Image

from tests import ROOT
from tools.screenshots import SHOTS

DOCS = ROOT / "docs"

pytestmark = pytest.mark.any_django


@pytest.mark.parametrize("name", SHOTS)
def test_screenshot_has_size_of_its_shot(name):
    path = DOCS / "images" / name
    with Image.open(path) as image:
        image.load()
    assert (image.format, image.width) == ("PNG", SHOTS[name].width), "make screenshots"
    assert path.stat().st_size < 300_000


def test_images_folder_contains_only_images_of_pages():
    pages = [*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *DOCS.rglob("*.rst")]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    shown = set(re.findall(r"(?<![\w-])images/([\w.-]+\.(?:gif|jpg|png|svg))", text))
    assert shown == {path.name for path in (DOCS / "images").iterdir()}
