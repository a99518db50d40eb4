"""CPU time and memory for hostile files, compared with ordinary files of the same size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.support.hostile_images import HOSTILE, ORDINARY
from tests.support.measuring import ACTIONS, Measured, Measurer

pytestmark = pytest.mark.any_django

# On a busy machine, some runs take longer than others. The memory that a run adds also differs,
# because the allocator reuses what an earlier run has freed.
_MAX_RUNS = 5
# The CPU time that a hostile file may need in addition to that of an ordinary file, in loops of
# measuring.py. The loop runs before each attempt, because a busy machine slows both down. The
# slowest file needs five loops.
_MAX_LOOPS = 8


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
    def measure(action: str, image_format: str) -> Measured:
        path.write_bytes(ORDINARY[image_format]())
        runs = [measurer(action, path) for _ in range(3)]
        fastest = min(runs, key=lambda run: run.seconds)
        return fastest._replace(megabytes=max(run.megabytes for run in runs))

    return measure


def format_of(kind: str) -> str:
    image_format = kind.partition(",")[0]
    return "jpeg" if image_format == "mpo" else image_format


@pytest.mark.parametrize("kind", HOSTILE)
def test_check_and_strip_of_hostile_file_take_little_time_and_memory(
    kind: str,
    measurer: Measurer,
    ordinary: Callable[[str, str], Measured],
    tmp_path: Path,
) -> None:
    path = tmp_path / "image"
    path.write_bytes(HOSTILE[kind]())
    for action in ACTIONS:
        expected = ordinary(action, format_of(kind))
        max_megabytes = expected.megabytes + 8
        for _ in range(_MAX_RUNS):
            loop = measurer("loop", path)
            max_seconds = 1.5 * expected.seconds + _MAX_LOOPS * loop.seconds
            run = measurer(action, path)
            if run.seconds <= max_seconds and run.megabytes <= max_megabytes:
                break
        assert run.seconds <= max_seconds, action
        assert run.megabytes <= max_megabytes, action


@pytest.mark.parametrize("image_format", ORDINARY)
def test_check_of_ordinary_file_accepts_it(
    image_format: str, ordinary: Callable[[str, str], Measured]
) -> None:
    assert ordinary("check", image_format).result == "accepted"
