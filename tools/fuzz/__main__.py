"""
Fuzz each target for its share of the time, two targets at a time::

    python -m tools.fuzz --seconds 600

Input that reaches new code is kept in ``build/fuzz``, and the next run starts with it. The exit
code is 1 if a property is violated. The end of the log contains the path of the input. This command
runs it again::

    python -m tools.fuzz.run_target TARGET FILE
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parent
BUILD = HERE.parents[1] / "build" / "fuzz"
TARGETS = sorted(path.name for path in (HERE / "seeds").iterdir())
WORKERS = 2


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.fuzz")
    parser.add_argument(
        "--seconds", type=int, default=600, help="time for all targets (default: %(default)s)"
    )
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"one of {', '.join(TARGETS)}")
    options = parser.parse_args()
    if unknown := set(options.targets).difference(TARGETS):
        parser.error(f"unknown target: {', '.join(unknown)}")
    if find_spec("atheris") is None:
        parser.error("atheris is not available for this Python or machine")
    targets = options.targets or TARGETS
    share = max(1, options.seconds * min(WORKERS, len(targets)) // len(targets))
    with ThreadPoolExecutor(WORKERS) as pool:
        return max(pool.map(lambda target: fuzz(target, share), targets))


def fuzz(target: str, seconds: int) -> int:
    """Fuzz one target, and return 1 if a property is violated."""
    folder = BUILD / target
    (folder / "corpus").mkdir(parents=True, exist_ok=True)
    options = [
        f"-max_total_time={seconds}",
        f"-artifact_prefix={folder}/",
        f"-dict={HERE / 'dictionaries' / target}",
        "-timeout=20",  # seconds for one input
        "-max_len=4096",
        *map(str, (folder / "corpus", HERE / "seeds" / target)),
    ]
    with tempfile.TemporaryDirectory() as scratch, (folder / "log").open("w+b") as log:
        code = subprocess.run(
            [sys.executable, "-m", "tools.fuzz.run_target", target, *options],
            env=os.environ | {"TMPDIR": scratch},
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        ).returncode
        log.seek(0)
        text = log.read().decode(errors="replace")
    lines = (
        ["failed", *text.splitlines()[-40:]]
        if code
        else re.findall("^.*(?:INITED|DONE).*$", text, re.MULTILINE)
    )
    print(f"{target}:", *lines, sep="\n  ", flush=True)
    return min(abs(code), 1)


if __name__ == "__main__":
    sys.exit(main())
