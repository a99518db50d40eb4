"""
Mutation testing with Cosmic Ray::

    python -m tools.mutants [MODULE ...]

This shows a diff for each change of a module that no test detects. The changes are made in a clone
of the committed files, in ``build/mutants``.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
CLONE = ROOT / "build" / "mutants"

CLIENT = "tests/client -k 'not test_model_save'"
STORAGE = "tests/storage tests/test_secrets.py tests/test_checks.py"
BULK = "tests/bulk"

# Arguments of pytest that select the tests of each module.
TESTS = {
    "pictures": "tests/test_pictures.py tests/rendering/test_templates.py",
    "client/client": CLIENT,
    "client/session": CLIENT,
    "client/transport": CLIENT,
    "client/responses": CLIENT,
    "client/retries": CLIENT,
    "storage/backend": STORAGE,
    "storage/fallback": STORAGE,
    "bulk/columns": BULK,
    "bulk/batches": BULK,
    "bulk/upload": BULK,
}

SETTINGS = """
[cosmic-ray]
module-path = "django_groupme_images/{module}.py"
timeout = 120.0
excluded-modules = []
test-command = "{python} -m pytest -x -q -p no:randomly -p no:cacheprovider {tests}"
distributor.name = "local"

[cosmic-ray.filters.operators-filter]
exclude-operators = ["core/ReplaceBinaryOperator_BitOr_.*"]  # Type hints are not evaluated.
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.mutants")
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=f"one of {', '.join(TESTS)}")
    for module in parser.parse_args().modules or TESTS:
        print(find_survivors(module), flush=True)


def find_survivors(module: str) -> str:
    """Return the changes that no test detects. Fail if the tests fail without a change."""
    shutil.rmtree(CLONE, ignore_errors=True)
    subprocess.run(["git", "clone", "--quiet", ROOT, CLONE], check=True)
    text = SETTINGS.format(module=module, python=sys.executable, tests=TESTS[module])
    (CLONE / "settings.toml").write_text(text)
    run("cosmic-ray", "init", "settings.toml", "session.sqlite")
    run("cosmic-ray", "baseline", "settings.toml")
    run("cr-filter-operators", "session.sqlite", "settings.toml")
    run("cosmic-ray", "exec", "settings.toml", "session.sqlite")
    return run("cr-report", "session.sqlite", "--show-diff", "--surviving-only")


def run(command: str, *args: str) -> str:
    path = Path(sys.executable).with_name(command)
    output = subprocess.run([path, *args], cwd=CLONE, check=True, text=True, stdout=subprocess.PIPE)
    return output.stdout


if __name__ == "__main__":
    main()
