"""
Check that the search of the built documentation finds the right page for common words.

``make docs`` runs it with the search index, which needs Sphinx to stem the words.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

#: Words that people search for, with the expected pages. At least one of these pages must be
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
}

# The number of results that a reader looks at.
_FIRST_RESULTS = 3

# The scores of Sphinx's searchtools.js for a word in a heading and in the text of a page.
_SCORES = {"titleterms": 15, "terms": 5}


def read_index(path: Path) -> dict[str, Any]:
    """Return the content of a file ``searchindex.js``."""
    text = path.read_text(encoding="utf-8")
    index: dict[str, Any] = json.loads(text[text.index("(") + 1 : text.rindex(")")])
    return index


def search(index: dict[str, Any], stem: str) -> list[str]:
    """Return the pages that contain a stemmed word, the best first, as Sphinx sorts them."""
    scores: dict[int, int] = {}
    for key, score in _SCORES.items():
        found = index[key].get(stem, [])
        for page in found if isinstance(found, list) else [found]:
            scores[page] = max(score, scores.get(page, 0))
    ranked = sorted(scores, key=lambda page: (-scores[page], index["titles"][page].lower()))
    return [index["docnames"][page] for page in ranked]


def find_problems(index: dict[str, Any], stem: Callable[[str], str]) -> Iterator[str]:
    """Yield a line for each word whose first results contain none of the expected pages."""
    for word, pages in EXPECTED.items():
        results = search(index, stem(word))
        if not {*pages} & {*results[:_FIRST_RESULTS]}:
            yield f"Searching for {word!r} finds {results or 'nothing'} instead of {pages}."


if __name__ == "__main__":
    from sphinx.search.en import SearchEnglish

    parser = argparse.ArgumentParser(prog="python -m tools.search_check", description=__doc__)
    parser.add_argument("index", type=Path, help="the file searchindex.js")
    path = parser.parse_args().index
    sys.exit("\n".join(find_problems(read_index(path), SearchEnglish({}).stem)) or None)
