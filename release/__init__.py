"""Whether what is committed may be published: ``make release-check``."""

from pathlib import Path

ROOT = Path(__file__).parent.parent
