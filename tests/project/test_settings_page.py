"""The reference page of the settings, which a Sphinx extension generates from the options."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from django_groupme_images.conf import ConfiguredStorage
from tests import ROOT

pytestmark = pytest.mark.any_django

OPTIONS = ConfiguredStorage.options()


@pytest.fixture(scope="module")
def details():
    path = ROOT / "docs/extensions/option_details.py"
    spec = importlib.util.spec_from_file_location("option_details", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_details_contain_every_option(details):
    assert {*details.DETAILS} == {*OPTIONS}


@pytest.mark.parametrize("name", OPTIONS)
def test_example_sets_a_valid_value_other_than_the_default(details, name):
    values = {}
    exec(details.DETAILS[name].example, values)
    value = values[OPTIONS[name].setting]
    assert OPTIONS[name].validator(value)
    assert value != OPTIONS[name].default


@pytest.mark.parametrize("name", OPTIONS)
def test_guide_mentions_the_option(details, name):
    guides = details.DETAILS[name].guides
    pages = [Path(ROOT / "docs" / f"{guide}.md").read_text(encoding="utf-8") for guide in guides]
    assert any(re.search(rf"(?i)\b(GROUPME_)?{name}\b", page) for page in pages)


def test_summary_is_first_sentence_of_comment(details):
    assert details.summary_of(["Size in bytes. See", "below."]) == "Size in bytes."
    assert details.summary_of(["The start of", "a URL (documented)."]) == (
        "The start of a URL (documented)."
    )


def test_default_is_shown_as_python_code_or_environment_variable(details):
    assert details.default_of(OPTIONS["max_pixels"]) == "``64_000_000``"
    assert details.default_of(OPTIONS["strip_metadata"]) == "``False``"
    assert details.default_of(OPTIONS["on_delete"]) == "``'ignore'``"
    assert details.default_of(OPTIONS["access_token"]) == "environment variable ``GM_TOKEN``"
