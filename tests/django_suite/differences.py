"""The tests of Django that fail with ``GroupMeImageField``, and the reason for each failure."""

from __future__ import annotations

from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Difference:
    """Tests that raise ``error`` in these states and with these classes of field values."""

    states: frozenset[str]
    values: frozenset[str]
    tests: tuple[str, ...]
    error: pytest.RaisesExc[Exception]
    reason: str


DIFFERENCES = [
    Difference(
        states=frozenset({"up"}),
        values=frozenset({"django", "groupme"}),
        tests=(
            "ImageFieldTests::test_delete_when_missing",
            "ImageFieldTests::test_instantiate_missing",
        ),
        error=pytest.RaisesExc(NotImplementedError, match="no local path"),
        reason="The test moves the file at mugshot.path. An uploaded image has no local path.",
    ),
    Difference(
        states=frozenset({"up"}),
        values=frozenset({"groupme"}),
        tests=(
            "ImageFieldNoDimensionsTests::test_dimensions",
            "ImageFieldOneDimensionTests::test_dimensions",
        ),
        error=pytest.RaisesExc(AssertionError, match="False is not True"),
        reason="The test requires that width opens the file. The URL contains it.",
    ),
    Difference(
        states=frozenset({"up", "down", "deferred"}),
        values=frozenset({"groupme"}),
        tests=(
            "ImageFieldDimensionsFirstTests::test_dimensions",
            "ImageFieldTwoDimensionsTests::test_dimensions",
            "ImageFieldUsingFileTests::test_dimensions",
            "TwoImageFieldTests::test_dimensions",
        ),
        error=pytest.RaisesExc(AssertionError, match="False is not True"),
        reason="The test requires that width opens the file. The URL or the row contains it.",
    ),
]


def expected(state: str, values: str) -> dict[str, Difference]:
    """Return the expected differences in a state, by the name of the test."""
    return {
        test: difference
        for difference in DIFFERENCES
        if state in difference.states and values in difference.values
        for test in difference.tests
    }
