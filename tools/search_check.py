"""
Check that the search of the built documentation finds the right page for common words.

``make docs`` runs it with the search index, which needs Sphinx to stem the words.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

#: What people search for, with the expected pages. At least one of these pages must be
#: among the first results.
EXPECTED = {
    "install": ["installation"],
    "requirements": ["installation"],
    "docker": ["installation"],
    "upgrade": ["upgrading"],
    "celery": ["howto/background", "faq"],
    "troubleshooting": ["troubleshooting"],
    "heic": ["howto/conversion", "troubleshooting"],
    "collectstatic": ["troubleshooting", "installation"],
    "token": ["howto/tokens", "installation"],
    "delete": ["howto/cleanup", "faq"],
    "preview missing": ["howto/templates", "troubleshooting"],
    "production": ["howto/production"],
}

# The number of results that a reader looks at.
_FIRST_RESULTS = 2

# The scores of docs/_static/search_scorer.js: for a word in a heading and in the text of a page,
# for a word in the title of a page, and for kinds of pages.
_SCORES = {"titleterms": 15, "terms": 5}
_TITLE_SCORE = 10
_PAGE_SCORES = {
    r"(installation|tutorial|upgrading)$": 3,
    r"howto/": 2,
    r"(troubleshooting|faq)$": 1,
    r"(benchmarks|changelog|comparison|contributing)$": -3,
}


def read_index(path: Path) -> dict[str, Any]:
    """Return the content of a file ``searchindex.js``."""
    text = path.read_text(encoding="utf-8")
    index: dict[str, Any] = json.loads(text[text.index("(") + 1 : text.rindex(")")])
    return index


def search(index: dict[str, Any], stems: list[str]) -> list[str]:
    """Return the pages that contain all stemmed words, the best first, as Sphinx sorts them."""
    pages = range(len(index["docnames"]))
    scores = {page: score for page in pages if (score := _score(index, page, stems))}
    ranked = sorted(scores, key=lambda page: (-scores[page], index["titles"][page].lower()))
    return [index["docnames"][page] for page in ranked]


def _score(index: dict[str, Any], page: int, stems: list[str]) -> int:
    """Return the score of a page, or 0 if it does not contain all words."""
    word_scores = [
        max(score * (page in _pages(index, key, stem)) for key, score in _SCORES.items())
        for stem in stems
    ]
    if not all(word_scores):
        return 0
    title_words = re.split(r"\W+", index["titles"][page].lower())
    in_title = any(word.startswith(stem) for word in title_words for stem in stems)
    name = index["docnames"][page]
    kind = next((score for kind, score in _PAGE_SCORES.items() if re.match(kind, name)), 0)
    return max(word_scores) + _TITLE_SCORE * in_title + kind


def _pages(index: dict[str, Any], key: str, stem: str) -> list[int]:
    found = index[key].get(stem, [])
    return found if isinstance(found, list) else [found]


def find_problems(index: dict[str, Any], stem: Callable[[str], str]) -> Iterator[str]:
    """Yield a line for each query whose first results contain none of the expected pages."""
    for query, pages in EXPECTED.items():
        results = search(index, [stem(word) for word in query.split()])
        if not {*pages} & {*results[:_FIRST_RESULTS]}:
            yield f"Searching for {query!r} finds {results or 'nothing'} instead of {pages}."


if __name__ == "__main__":
    from sphinx.search.en import SearchEnglish

    parser = argparse.ArgumentParser(prog="python -m tools.search_check", description=__doc__)
    parser.add_argument("index", type=Path, help="the file searchindex.js")
    path = parser.parse_args().index
    sys.exit("\n".join(find_problems(read_index(path), SearchEnglish({}).stem)) or None)
