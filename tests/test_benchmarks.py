"""That ``make bench`` works, and that the manual says what it found."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import TOPICS, report
from benchmarks.contest import OURS, Aim, Contest, Result, Verdict, Way

pytestmark = pytest.mark.any_django

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("topic", TOPICS)
def test_a_topic(topic):
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--shorten", topic],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert ran.returncode == 0, ran.stderr
    assert f"| {OURS}" in ran.stdout


def test_a_topic_that_there_is_not():
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks", "speed"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2
    assert "no topic speed: there are tags, " in ran.stderr


def test_the_readme_says_what_was_found():
    found = json.loads((report.FOLDER / "results.json").read_text())["results"]
    results = [
        Result(**each | {"verdicts": [Verdict(**one) for one in each["verdicts"]]})
        for each in found
    ]
    aims = report.summary(results)
    assert aims in report.PAGE.read_text(encoding="utf-8")
    assert aims in (report.FOLDER / "README.md").read_text()
    for result in results:
        assert report.table(result) in (report.FOLDER / "README.md").read_text()


def test_a_contest():
    turns = []

    def way(name, **options):
        return Way(name, lambda size: lambda: turns.append(name), **options)

    ways = [way("ours"), way("theirs"), way("absent", needs="no_such_package"), way("slow", most=1)]
    aims = [Aim("theirs", 1, 1e9), Aim("theirs", 10, 1e-9), Aim("absent", 1, 1)]
    result = Contest("Any", "things", ways, (1, 10, 100), aims).result(shorten=True)
    assert set(turns) == {"ours", "theirs", "slow"}
    assert [row[0] for row in result.rows] == ["ours", "theirs", "absent", "slow"]
    assert result.rows[2][1:] == ["", ""]
    assert result.rows[3][2] == ""
    assert sorted((figure["things"], figure["way"]) for figure in result.figures) == [
        *((1, "ours"), (1, "slow"), (1, "theirs"), (10, "ours"), (10, "theirs"))
    ]
    assert [(verdict.aim, verdict.met) for verdict in result.verdicts] == [
        ("1 things: at most 1e+09 times as long as theirs", True),
        ("10 things: at least 1e+09 times as fast as theirs", False),
        ("1 things: no longer than absent", False),
    ]
    assert result.verdicts[2].found == "not measured"
    assert {figure["ratio"] for figure in result.figures if figure["way"] == "ours"} == {1}
