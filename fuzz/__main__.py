"""
Every target for its share of some seconds, two at a time::

    python -m fuzz --seconds 600

What leads further is kept in ``build/fuzz``, and the next run starts from it. The exit code
is 1 if a property does not hold; the log's end then names the input, which

    python -m fuzz.one TARGET FILE

runs again.
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
FOUND = HERE.parent / "build" / "fuzz"
TARGETS = sorted(path.name for path in (HERE / "seeds").iterdir())
AT_ONCE = 2


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m fuzz")
    parser.add_argument("--seconds", type=int, default=600, help="in all; 600 by default")
    parser.add_argument("targets", nargs="*", metavar="target", help=f"of {', '.join(TARGETS)}")
    arguments = parser.parse_args()
    if unknown := set(arguments.targets).difference(TARGETS):
        parser.error(f"no target {', '.join(unknown)}: there are {', '.join(TARGETS)}")
    if find_spec("atheris") is None:
        parser.error("there is no atheris for this Python or machine")
    targets = arguments.targets or TARGETS
    share = max(1, arguments.seconds * min(AT_ONCE, len(targets)) // len(targets))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return max(pool.map(lambda target: fuzz(target, share), targets))


def fuzz(target: str, seconds: int) -> int:
    """Fuzz one target for so many seconds; 1 if a property did not hold."""
    folder = FOUND / target
    (folder / "corpus").mkdir(parents=True, exist_ok=True)
    options = [
        f"-max_total_time={seconds}",
        f"-artifact_prefix={folder}/",
        f"-dict={HERE / 'words' / target}",
        "-timeout=20",  # seconds for one input
        "-max_len=4096",
        *map(str, (folder / "corpus", HERE / "seeds" / target)),
    ]
    with tempfile.TemporaryDirectory() as scratch, (folder / "log").open("w+b") as log:
        code = subprocess.run(
            [sys.executable, "-m", "fuzz.one", target, *options],
            env=os.environ | {"TMPDIR": scratch},
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        ).returncode
        log.seek(0)
        text = log.read().decode(errors="replace")
    told = (
        ["failed", *text.splitlines()[-40:]]
        if code
        else re.findall("^.*(?:INITED|DONE).*$", text, re.MULTILINE)
    )
    print(f"{target}:", *told, sep="\n  ", flush=True)
    return min(abs(code), 1)


if __name__ == "__main__":
    sys.exit(main())
