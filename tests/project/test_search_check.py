"""Tests of the check of the documentation's search, which ``make docs`` runs."""

from __future__ import annotations

import json

import pytest

from tests import ROOT
from tools.search_check import EXPECTED, find_problems, read_index, search

pytestmark = pytest.mark.any_django

INDEX = {
    "docnames": ["changelog", "faq", "installation"],
    "titles": ["Changelog", "Frequently asked questions", "Installation"],
    "terms": {"instal": [0, 1, 2], "heic": 0},
    "titleterms": {"instal": [1, 2]},
}


def test_search_ranks_headings_before_text():
    assert search(INDEX, "instal") == ["faq", "installation", "changelog"]
    assert search(INDEX, "heic") == ["changelog"]
    assert search(INDEX, "docker") == []


def test_find_problems_reports_words_that_find_no_expected_page():
    problems = [*find_problems(INDEX, lambda word: word.removesuffix("l"))]
    assert len(problems) == len(EXPECTED) - 1
    assert "Searching for 'heic' finds ['changelog'] instead of" in "\n".join(problems)


def test_read_index_returns_argument_of_the_call(tmp_path):
    path = tmp_path / "searchindex.js"
    path.write_text(f"Search.setIndex({json.dumps(INDEX)})", encoding="utf-8")
    assert read_index(path) == INDEX


def test_expected_pages_exist_and_make_docs_runs_the_check():
    for page in {page for pages in EXPECTED.values() for page in pages}:
        assert (ROOT / "docs" / f"{page}.md").exists()
    assert "-m tools.search_check build/docs/searchindex.js" in (ROOT / "Makefile").read_text()
