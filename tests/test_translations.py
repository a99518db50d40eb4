"""German and Spanish: complete, and compiled from what is in the catalogues."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.utils import translation

import django_groupme_images
from django_groupme_images.validation import check_image

PACKAGE = Path(django_groupme_images.__file__).parent


def catalogue(language: str, kind: str) -> Any:
    path = PACKAGE / "locale" / language / "LC_MESSAGES" / f"django.{kind}"
    with path.open("rb") as file:
        return {"po": read_po, "mo": read_mo}[kind](file)


def placeholders(text: str) -> list[str]:
    return sorted(re.findall(r"%\(\w+\)s|%s|\{\w+\}", text))


@pytest.mark.parametrize("language", ["de", "es"])
def test_every_text_is_translated(language):
    found = {
        text
        for _file, _line, text, _comments, _context in extract_from_dir(
            PACKAGE, [("**.py", "python")], keywords=DEFAULT_KEYWORDS
        )
    }
    messages = {message.id: message for message in catalogue(language, "po") if message.id}
    assert messages.keys() == found  # make messages
    for text, message in messages.items():
        assert message.string, text
        assert not message.fuzzy, text
        assert placeholders(message.string) == placeholders(text), text


@pytest.mark.parametrize("language", ["de", "es"])
def test_what_is_compiled_is_what_is_written(language):
    compiled, written = (
        {message.id: message.string for message in catalogue(language, kind)}
        for kind in ("mo", "po")
    )
    assert {text for text in compiled if text} == {text for text in written if text}
    assert all(compiled[text] == written[text] for text in written if text)


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("de", "„notes.png“ ist kein Bild."),
        ("es", "«notes.png» no es una imagen."),
        ("fr", "“notes.png” is not an image."),
    ],
)
def test_errors_are_in_the_language_of_the_visitor(language, expected):
    with translation.override(language), pytest.raises(ValidationError) as error:
        check_image(ContentFile(b"text", "notes.png"), allowed_formats=["png"], max_size=None)
    with translation.override(language):
        assert error.value.messages[0].startswith(expected)
