"""The time and the memory that hostile files take, compared with ordinary files of that size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from .hostile_images import HOSTILE, ORDINARY
from .measuring import ACTIONS, Measured, Measurer

pytestmark = pytest.mark.any_django

# On a busy machine, some runs take longer than others. They also need more or less memory, because
# the allocator can use again what an earlier run has freed.
_MOST_RUNS = 5


@pytest.fixture(scope="module")
def measurer() -> Iterator[Measurer]:
    measurer = Measurer()
    yield measurer
    measurer.close()


@pytest.fixture(scope="module")
def ordinary(
    measurer: Measurer, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, str], Measured]:
    path = tmp_path_factory.mktemp("ordinary") / "image"

    @cache
    def measured(action: str, image_format: str) -> Measured:
        path.write_bytes(ORDINARY[image_format]())
        runs = [measurer(action, path) for _ in range(3)]
        fastest = min(runs, key=lambda run: run.seconds)
        return fastest._replace(megabytes=max(run.megabytes for run in runs))

    return measured


def format_of(kind: str) -> str:
    word = kind.partition(",")[0]
    return "jpeg" if word == "mpo" else word


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_file_takes_little_time_and_memory(
    kind: str,
    measurer: Measurer,
    ordinary: Callable[[str, str], Measured],
    tmp_path: Path,
) -> None:
    path = tmp_path / "image"
    path.write_bytes(HOSTILE[kind]())
    for action in ACTIONS:
        expected = ordinary(action, format_of(kind))
        most_seconds, most_megabytes = 1.5 * expected.seconds + 0.3, expected.megabytes + 8
        for _ in range(_MOST_RUNS):
            run = measurer(action, path)
            if run.seconds <= most_seconds and run.megabytes <= most_megabytes:
                break
        assert run.seconds <= most_seconds, action
        assert run.megabytes <= most_megabytes, action


@pytest.mark.parametrize("image_format", ORDINARY)
def test_ordinary_file_is_accepted(
    image_format: str, ordinary: Callable[[str, str], Measured]
) -> None:
    assert ordinary("check", image_format).result == "accepted"
