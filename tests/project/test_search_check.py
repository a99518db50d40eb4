"""Tests of the check of the documentation's search, which ``make docs`` runs."""

from __future__ import annotations

import json

import pytest

from tests import ROOT
from tools.search_check import (
    _PAGE_SCORES,
    _SCORES,
    _TITLE_SCORE,
    EXPECTED,
    find_problems,
    read_index,
    search,
)

pytestmark = pytest.mark.any_django

INDEX = {
    "docnames": ["changelog", "faq", "howto/tokens", "installation", "reference/forms"],
    "titles": ["Changelog", "Frequently asked questions", "Tokens", "Installation", "Forms"],
    "terms": {"instal": [0, 1, 3], "heic": 0, "token": [0, 1, 2, 4], "form": [0, 4]},
    "titleterms": {"instal": [1, 3], "form": [1], "token": [2]},
}


def test_search_of_one_word_ranks_titles_before_headings_before_text():
    assert search(INDEX, ["instal"]) == ["installation", "faq", "changelog"]
    assert search(INDEX, ["form"]) == ["faq", "reference/forms", "changelog"]
    assert search(INDEX, ["heic"]) == ["changelog"]
    assert search(INDEX, ["docker"]) == []


def test_search_of_two_words_finds_pages_with_both():
    assert search(INDEX, ["token", "form"]) == ["faq", "reference/forms", "changelog"]


def test_scores_equal_those_of_the_script():
    script = (ROOT / "docs/_static/search_scorer.js").read_text(encoding="utf-8")
    for pattern, score in _PAGE_SCORES.items():
        escaped = pattern.replace("/", r"\/")
        assert f"[/^{escaped}/, {score}]," in script
    assert f"hasSearchedWord(title) ? {_TITLE_SCORE} : 0" in script
    assert f"  title: {_SCORES['titleterms']},\n" in script
    assert f"  term: {_SCORES['terms']},\n" in script


def test_find_problems_reports_words_that_find_no_expected_page():
    problems = [*find_problems(INDEX, lambda word: word.removesuffix("l"))]
    assert len(problems) == len(EXPECTED) - 2
    assert "Searching for 'heic' finds ['changelog'] instead of" in "\n".join(problems)


def test_read_index_returns_argument_of_the_call(tmp_path):
    path = tmp_path / "searchindex.js"
    path.write_text(f"Search.setIndex({json.dumps(INDEX)})", encoding="utf-8")
    assert read_index(path) == INDEX


def test_expected_pages_exist_and_make_docs_runs_the_check():
    for page in {page for pages in EXPECTED.values() for page in pages}:
        assert (ROOT / "docs" / f"{page}.md").exists()
    assert "-m tools.search_check build/docs/searchindex.js" in (ROOT / "Makefile").read_text(
        encoding="utf-8"
    )
