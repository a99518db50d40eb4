"""
One small change at a time to each of these modules, which some test has to notice::

    python -m mutants [module]...

What lives is shown as a diff, to be killed by a test or judged to do no harm. The changes
are made to a clone of what is committed, in ``build/mutants``. A module takes up to an hour.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
CLONE = ROOT / "build" / "mutants"

_MOVE = "tests/test_groupme_upload.py tests/test_groupme_check.py tests/test_tasks.py"

#: The modules, and the tests that have to notice, which run until one does.
TESTS = {
    "pictures": "tests/test_pictures.py tests/test_templates.py",
    "client": "tests/test_client.py tests/test_client_on_sockets.py tests/faults"
    " -k 'not test_a_row and not test_a_new_row'",
    "storage": "tests/test_storage.py tests/test_storage_contract.py tests/test_fallback.py"
    " tests/test_secrets.py tests/test_checks.py",
    # The compare-and-swap of the bulk move.
    "columns": _MOVE,
    "selection": _MOVE,
    "report": _MOVE,
}

_SETTINGS = """
[cosmic-ray]
module-path = "django_groupme_images/{module}.py"
timeout = 120.0
excluded-modules = []
test-command = "{python} -m pytest -x -q -p no:randomly -p no:cacheprovider {tests}"
distributor.name = "local"

[cosmic-ray.filters.operators-filter]
exclude-operators = ["core/ReplaceBinaryOperator_BitOr_.*"]  # of types, which nobody runs
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m mutants")
    parser.add_argument("modules", nargs="*", metavar="module", help=f"of {', '.join(TESTS)}")
    for module in parser.parse_args().modules or TESTS:
        print(survivors(module), flush=True)


def survivors(module: str) -> str:
    """What Cosmic Ray reports of a module; raises if its tests fail without any change."""
    shutil.rmtree(CLONE, ignore_errors=True)
    subprocess.run(["git", "clone", "--quiet", ROOT, CLONE], check=True)
    settings, session = f"{module}.toml", f"{module}.sqlite"
    text = _SETTINGS.format(module=module, python=sys.executable, tests=TESTS[module])
    (CLONE / settings).write_text(text)
    _run("cosmic-ray", "init", settings, session)
    _run("cosmic-ray", "baseline", settings)
    _run("cr-filter-operators", session, settings)
    _run("cosmic-ray", "exec", settings, session)
    return _run("cr-report", session, "--show-diff", "--surviving-only")


def _run(command: str, *arguments: str) -> str:
    path = Path(sys.executable).parent / command
    return subprocess.run(
        [path, *arguments], cwd=CLONE, check=True, text=True, stdout=subprocess.PIPE
    ).stdout


if __name__ == "__main__":
    main()
