"""
A pseudo-locale: strings that look translated, so that tests find untranslated and clipped ones.

The language is a variant of Arabic. Django's own strings are therefore in Arabic, and pages are
right-to-left. Each string of this package is in English with accents, and about 40 % longer.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

import django_groupme_images

__all__ = ["LANGUAGE", "activate_pseudo_locale", "pseudo_string"]

#: The code that Unicode defines for a right-to-left pseudo-locale.
LANGUAGE = "ar-xb"

# No ASCII letter is left, so that a test can search for untranslated ones.
_ACCENTED = str.maketrans(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
    "ÅƁÇÐÉƑĜĤÎĴĶĻṀÑÖÞǪŔŠŢÛṼŴẊÝŽåƀçðéƒĝĥîĵķļḿñöþǫŕšţûṽŵẋýž",
)
_PLACEHOLDER = re.compile(r"(%\(\w+\)s|%s|\{\w+\}|https?://[\w./]+)")
_RIGHT_TO_LEFT_MARK = "\u200f"


def pseudo_string(text: str) -> str:
    """Return a string with accents, 40 % longer and right-to-left. Placeholders stay."""
    parts = _PLACEHOLDER.split(text)
    letters = "".join(parts[::2])
    # Words are padded one by one, because long strings wrap between them.
    missing = max(1, round(0.4 * len(letters)))
    words = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    padding = " ".join(words * (missing // 40 + 1))[:missing]
    accented = [
        part if index % 2 else part.translate(_ACCENTED) for index, part in enumerate(parts)
    ]
    return f"{_RIGHT_TO_LEFT_MARK}{''.join(accented)} {padding.translate(_ACCENTED).strip()}"


def activate_pseudo_locale(settings: Any, folder: Path) -> None:
    """Write a catalog into a folder, and make it the site's language."""
    _write_catalog(folder / "ar_XB" / "LC_MESSAGES" / "django.mo")
    settings.LANGUAGES = [(LANGUAGE, "Pseudo")]
    settings.LANGUAGES_BIDI = ["ar"]
    settings.LOCALE_PATHS = [folder]
    settings.LANGUAGE_CODE = LANGUAGE


def _write_catalog(path: Path) -> None:
    package = Path(django_groupme_images.__file__).parent
    with (package / "locale" / "de" / "LC_MESSAGES" / "django.po").open("rb") as file:
        complete = read_po(file)  # Another test checks that it contains all strings.
    pseudo = Catalog(locale="ar")
    for message in complete:
        if isinstance(message.id, tuple):
            pseudo.add(message.id, [pseudo_string(message.id[1])] * pseudo.num_plurals)
        elif message.id:
            pseudo.add(message.id, pseudo_string(message.id))
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        write_mo(file, pseudo)
