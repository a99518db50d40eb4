"""The source of the widget's scripts, searched without a browser."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import django_groupme_images
from django_groupme_images.forms.admin_widgets import INLINE_TEXTS
from django_groupme_images.forms.widget_script import GRID_TEXTS, widget_config_json
from django_groupme_images.storage import groupme_storage

pytestmark = pytest.mark.any_django

STATIC = Path(django_groupme_images.__file__).parent / "static/groupme_images"
SOURCE = "".join(path.read_text(encoding="utf-8") for path in sorted(STATIC.glob("*.js")))
CODE = re.sub(r"/\*.*?\*/|(?<!:)//[^\n]*", "", SOURCE, flags=re.DOTALL)


@pytest.mark.parametrize(
    "pattern",
    [
        r"\b(inner|outer)HTML\b|HTMLUnsafe|\bsrcdoc\b",
        r"insertAdjacent|createContextualFragment|XMLSerializer|parseHTML",
        r"\bdocument\s*\.\s*(write|writeln|open|close)\b",
        r"\b(importNode|adoptNode)\b",
        r"(?<!querySelector\(\"\.groupme-file label\"\)\.)\bcloneNode\b",
        r"\beval\b|\bFunction\b|\bimport\b|setTimeout\(\s*[\"'`]",
        r"\bon\w+=|javascript:|blob:|data:|createObjectURL|\.style\b|[\"'`](style|script)[\"'`]",
    ],
)
def test_script_inserts_no_markup_and_evaluates_no_strings(pattern):
    assert re.findall(pattern, CODE) == []


def test_script_reads_only_values_of_response():
    """Attributes and values are strings, whereas a node of the response could be inserted."""
    uses = re.findall(r"\bresponse\b(?:\.\w+)?", CODE)
    assert set(uses) == {"response", "response.querySelectorAll"}
    assert uses.count("response.querySelectorAll") == 1


def test_script_reads_only_url_of_dropped_markup():
    """A document of DOMParser has no scripts and loads no images."""
    [(variable, use)] = re.findall(r"(\w+) = (new DOMParser\(\)[^;]*);", CODE)
    assert use.endswith('.querySelector("img")')
    assert set(re.findall(rf"\b{variable}\b(?! =)\S*", CODE)) >= {f"{variable}.src"}


def test_script_uses_each_string_of_widget_config():
    texts = json.loads(widget_config_json(groupme_storage, ""))["texts"]
    unused = {key for key in texts if not re.search(rf"\b{key}\b", CODE)}
    used = set(re.findall(r"\btext\(\"(\w+)\"", CODE))
    assert unused == set()
    assert used <= texts.keys() | INLINE_TEXTS.keys()


@pytest.mark.parametrize("texts", [INLINE_TEXTS, GRID_TEXTS])
def test_script_uses_each_string_about_several_files(texts):
    assert {key for key in texts if not re.search(rf"\b{key}\b", CODE)} == set()


def test_messages_after_sent_request_mention_possible_upload():
    texts = json.loads(widget_config_json(groupme_storage, ""))["texts"]
    for key in ("stoppedLate", "broken", "failed"):
        assert "may have been uploaded" in texts[key]
    assert [text for text in texts.values() if "othing" in text] == []
