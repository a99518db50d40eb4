"""Test that the German and Spanish translations are complete, compiled, and consistent."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import django
import pytest
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.utils import translation

import django_groupme_images
from django_groupme_images.forms.admin_widgets import INLINE_TEXTS
from django_groupme_images.forms.upload_requests import UPLOAD_TEXTS
from django_groupme_images.forms.validation import check_image
from django_groupme_images.forms.widget_script import _SCRIPT_TEXTS, GRID_TEXTS
from django_groupme_images.images.options import ImageOptions
from tests.support.words import ARCHAIC_WORDS

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


@pytest.mark.parametrize("language", ["de", "es"])
def test_catalog_header_names_release_and_plural_forms(language):
    catalog = read_catalog(language, "po")
    assert (catalog.project, catalog.version) == (
        "django-groupme-images",
        django_groupme_images.__version__,
    )
    assert str(catalog.locale) == language
    assert (catalog.num_plurals, catalog.plural_expr) == (2, "(n != 1)")


@pytest.mark.parametrize("language", ["de", "es"])
def test_catalog_translates_strings_of_django_as_django_does(language):
    """Catalogs of apps are merged, so that ours could change the strings of Django's own pages."""
    ours = {forms_of(message.id): message.string for message in read_catalog(language, "po")}
    for folder in (Path(django.__file__).parent / "conf", Path(admin.__file__).parent):
        path = folder / "locale" / language / "LC_MESSAGES" / "django.mo"
        with path.open("rb") as file:
            theirs = {forms_of(message.id): message.string for message in read_mo(file)}
        shared = ours.keys() & theirs.keys() - {("",)}
        assert {msgid: ours[msgid] for msgid in shared} == {
            msgid: theirs[msgid] for msgid in shared
        }


@pytest.mark.parametrize("language", ["de", "es"])
def test_each_string_of_the_scripts_is_translated(language):
    texts = _SCRIPT_TEXTS | UPLOAD_TEXTS | GRID_TEXTS
    for name, text in [*texts.items(), *INLINE_TEXTS.items()]:
        with translation.override("en"):
            english = str(text)
        with translation.override(language):
            translated = str(text)
        assert translated != english, name
        assert find_placeholders(translated) == find_placeholders(english), name


def test_messages_contain_no_archaic_words():
    for message in read_catalog("de", "po"):
        for form in forms_of(message.id):
            assert not ARCHAIC_WORDS.findall(form), form


@pytest.mark.parametrize(
    ("language", "unwanted"),
    [
        # The glossary of the project.
        ("en", r"pictures?|photographs?|address(es)?|recognised|cancelled|answers?"),
        # Django's catalogs address site visitors formally, and these are its terms.
        ("de", r"du|dein\w*|dir|dich|euch|eure?|Webseite|Upload\w*|Foto-?URL"),
        ("es", r"tú|tus?|te|archivos?|elige|sube|intenta|envía|borrar|quitar"),
    ],
)
def test_messages_use_terms_of_glossary(language, unwanted):
    catalog = read_catalog("de" if language == "en" else language, "po")
    strings = [message.id if language == "en" else message.string for message in catalog]
    for string in strings:
        for form in forms_of(string):
            assert not re.search(rf"\b({unwanted})\b", form, re.IGNORECASE), form


@pytest.mark.parametrize(("language", "quotes"), [("de", "„“"), ("es", "“”")])
def test_messages_use_quotation_marks_of_language(language, quotes):
    for message in read_catalog(language, "po"):
        msgid, string = forms_of(message.id)[0], forms_of(message.string)[0]
        assert re.sub("[^“”„«»\"']", "", string) == quotes * msgid.count("“"), msgid


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("de", "„notes.png“ ist kein gültiges Bild."),
        ("es", "El fichero “notes.png” no es una imagen válida."),
        ("fr", "“notes.png” is not a valid image."),
    ],
)
def test_validation_error_uses_active_language_or_english(language, expected):
    with translation.override(language), pytest.raises(ValidationError) as error:
        check_image(ContentFile(b"text", "notes.png"), ImageOptions(allowed_formats=["png"]))
    with translation.override(language):
        assert error.value.messages[0].startswith(expected)
