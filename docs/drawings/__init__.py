"""``make drawings``: pictures of the app for its documentation, made from what they are of."""

from . import house, saving

__all__ = ["DRAWINGS"]

#: What makes each drawing, by its name in ``docs/images``.
DRAWINGS = {"house.svg": house.drawing, "saving.svg": saving.drawing}
