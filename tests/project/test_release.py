"""Tests of ``tools.release_check``, which is a part of ``make release-check``."""

from __future__ import annotations

import pytest

from tools.release_check import find_problems

pytestmark = pytest.mark.any_django

CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n## [1.1.0] - 2026-11-27\n\n### Added\n\n- A thing.\n"
UNRELEASED = CHANGELOG.replace("## [Unreleased]\n", "## [Unreleased]\n\n### Added\n\n- A thing.\n")


def problems(changelog=CHANGELOG, version="1.1.0", tag="v1.1.0", allow_unreleased=False):
    return " ".join(find_problems(changelog, version, tag, allow_unreleased))


def test_valid_release_has_no_problems():
    assert problems() == problems(tag="") == problems(UNRELEASED, allow_unreleased=True) == ""


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"changelog": UNRELEASED}, "has unreleased entries"),
        ({"changelog": CHANGELOG.replace("2026-11-27", "unreleased")}, "must have “## [1.1.0] - "),
        ({"changelog": CHANGELOG.replace("## [Unreleased]\n", "")}, "must have “## [1.1.0] - "),
        ({"version": "1.2.0", "tag": ""}, "must have “## [1.2.0] - "),
        ({"tag": "1.1.0"}, "The tag is 1.1.0, but __version__ is 1.1.0."),
    ],
)
def test_invalid_release_reports_problem(arguments, problem):
    assert problem in problems(**arguments)
