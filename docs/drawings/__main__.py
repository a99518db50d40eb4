"""Draw everything anew."""

from pathlib import Path

from . import DRAWINGS

IMAGES = Path(__file__).parent.parent / "images"

IMAGES.mkdir(exist_ok=True)
for name, drawing in DRAWINGS.items():
    (IMAGES / name).write_text(drawing(), encoding="utf-8", newline="\n")
