"""The tests of django-groupme-images."""

from pathlib import Path

#: The root of the repository.
ROOT = Path(__file__).parent.parent
