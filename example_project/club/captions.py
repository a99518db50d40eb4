import re
from pathlib import PurePath

# Words in the names that cameras, phones, and messengers give to their files.
_GENERIC_WORDS = {
    *("dcim", "dsc", "dscf", "dscn", "gopr", "image", "img", "mvi", "photo", "pic", "picture"),
    *("pxl", "screenshot", "wa"),
}


def caption_from_name(name: str, default: str) -> str:
    """
    Return a caption from the name of a file, or ``default`` if the name describes nothing.

    For example, ``sunset_at-the lake.jpeg`` becomes “Sunset at the lake”.
    """
    stem = PurePath(name).stem
    words = re.findall(r"[^\W\d_]{2,}", stem.casefold())
    if _GENERIC_WORDS.issuperset(words):
        return default
    caption = re.sub(r"[\s_-]+", " ", stem).strip()
    return caption[0].upper() + caption[1:]
