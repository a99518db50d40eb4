"""Test that the German and Spanish translations are complete and compiled."""

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
from django_groupme_images.forms.validation import check_image
from django_groupme_images.images.options import ImageOptions

PACKAGE = Path(django_groupme_images.__file__).parent


def read_catalog(language: str, kind: str) -> Any:
    path = PACKAGE / "locale" / language / "LC_MESSAGES" / f"django.{kind}"
    with path.open("rb") as file:
        return {"po": read_po, "mo": read_mo}[kind](file)


def forms_of(string: str | tuple[str, ...] | list[str]) -> tuple[str, ...]:
    """Return the singular and plural forms of a message."""
    return (string,) if isinstance(string, str) else tuple(string)


def find_placeholders(string: str) -> list[str]:
    return sorted(re.findall(r"%\(\w+\)s|%s|\{\w+\}", string))


@pytest.mark.parametrize("language", ["de", "es"])
def test_catalog_translates_every_string(language):
    source_strings = {
        msgid
        for _file, _line, msgid, _comments, _context in extract_from_dir(
            PACKAGE,
            [("**.py", "python")],
            keywords=DEFAULT_KEYWORDS | {"ngettext_lazy": (1, 2)},
        )
    }
    messages = {message.id: message for message in read_catalog(language, "po") if message.id}
    # "make messages" updates the catalogs.
    assert messages.keys() == source_strings
    for msgid, message in messages.items():
        assert not message.fuzzy, msgid
        placeholders = find_placeholders(forms_of(msgid)[0])
        for string in forms_of(message.string):
            assert string, msgid
            assert find_placeholders(string) == placeholders, msgid


@pytest.mark.parametrize("language", ["de", "es"])
def test_compiled_catalog_equals_source_catalog(language):
    compiled, source = (
        {forms_of(message.id): forms_of(message.string) for message in read_catalog(language, kind)}
        for kind in ("mo", "po")
    )
    header = ("",)
    assert compiled.keys() - {header} == source.keys() - {header}
    assert all(compiled[msgid] == source[msgid] for msgid in source if msgid != header)


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("de", "„notes.png“ ist kein Bild."),
        ("es", "«notes.png» no es una imagen."),
        ("fr", "“notes.png” is not a valid image."),
    ],
)
def test_validation_error_uses_active_language_or_english(language, expected):
    with translation.override(language), pytest.raises(ValidationError) as error:
        check_image(ContentFile(b"text", "notes.png"), ImageOptions(allowed_formats=["png"]))
    with translation.override(language):
        assert error.value.messages[0].startswith(expected)
