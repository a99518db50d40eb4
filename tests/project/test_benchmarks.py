"""Tests of ``make bench`` and its results."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.support.deadlines import DEADLINE
from tools.benchmarks import report
from tools.benchmarks.measure import OURS, compare
from tools.benchmarks.processes import TOPICS

pytestmark = pytest.mark.any_django


def run(topic):
    command = [sys.executable, "-m", "tools.benchmarks", "--quick", topic]
    return subprocess.run(
        command, cwd=report.ROOT, capture_output=True, text=True, check=False, timeout=DEADLINE
    )


@pytest.mark.parametrize("topic", TOPICS)
def test_quick_run_of_topic_prints_a_table(topic):
    process = run(topic)
    assert process.returncode == 0, process.stderr
    assert f"| {OURS}" in process.stdout


def test_run_with_unknown_topic_is_an_error():
    process = run("speed")
    assert process.returncode == 2
    assert "unknown topic: speed" in process.stderr


def test_page_contains_the_environment_and_the_targets_of_the_results():
    page = report.PAGE.read_text(encoding="utf-8")
    summary = page.partition(report.BEGIN)[2].partition(report.END)[0]
    assert summary.startswith("Measured on ")
    assert "| Target " in summary
    assert summary in report.README.read_text(encoding="utf-8")


def test_compare_reports_each_target_as_met_or_missed():
    runs = []
    ways = {name: lambda size, name=name: lambda: runs.append(name) for name in ("ours", "theirs")}
    targets = [("theirs", 1, 1e9), ("theirs", 10, 1e-9), ("absent", 1, 1), ("theirs", 100, 1)]
    result = compare("Any", "things", ways, targets=targets, quick=True)
    assert set(runs) == {"ours", "theirs"}
    assert [row[0] for row in result.rows] == ["ours", "theirs"]
    assert [len(row) for row in result.rows] == [3, 3]
    assert [(target.text, target.is_met) for target in result.targets] == [
        ("1 things: at most 1e+09 times as long as theirs", True),
        ("10 things: at least 1e+09 times as fast as theirs", False),
        ("1 things: no slower than absent", False),
    ]
    assert result.targets[2].result == "not measured"


def test_compare_reports_added_milliseconds():
    ways = {name: lambda size: lambda: None for name in ("ours", "theirs")}
    added = [("theirs", 1, 60_000), ("theirs", 10, -60_000)]
    result = compare("Any", "things", ways, added=added, quick=True)
    assert [(target.text, target.is_met) for target in result.targets] == [
        ("1 things: at most 60,000 ms longer than theirs", True),
        ("10 things: at most -60,000 ms longer than theirs", False),
    ]
    assert re.fullmatch(r"\S+ ms \(\S+ to \S+\)", result.targets[0].result)
