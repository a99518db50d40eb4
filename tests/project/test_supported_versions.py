"""Test that all lists of supported versions are the same, and that the lowest ones are tested."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from configparser import ConfigParser

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

from tests import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TOX = ConfigParser(interpolation=None)
TOX.read(ROOT / "tox.ini", encoding="utf-8")

pytestmark = pytest.mark.any_django


def expand(pattern: str) -> Iterator[str]:
    """Yield the names of environments, such as py312-a and py313-a for py{312,313}-a."""
    before, brace, rest = pattern.partition("{")
    if not brace:
        yield pattern
        return
    choices, _, after = rest.partition("}")
    for choice in choices.split(","):
        yield from expand(f"{before}{choice}{after}")


def dotted(digits: str) -> str:
    return f"{digits[0]}.{digits[1:]}"


# The Python version, the Django version, and the suffix of each environment, for example
# ("3.14", "6.1", "postgres"). They are in the order of tox.ini.
ENVIRONMENTS = [
    (dotted(match[1]), dotted(match[2]), match[3])
    for pattern in TOX["tox"]["env_list"].split()
    for match in [re.fullmatch(r"py(\d+)-django(\d+)-?(\w*)", name) for name in expand(pattern)]
    if match
]


def sorted_versions(versions: set[str]) -> list[str]:
    return sorted(versions, key=Version)


@pytest.mark.parametrize(("column", "framework"), [(0, "Python"), (1, "Django")])
def test_tox_environments_have_versions_of_classifiers(column: int, framework: str) -> None:
    tested = sorted_versions({environment[column] for environment in ENVIRONMENTS})
    classifiers = "\n".join(PROJECT["classifiers"])
    assert tested == re.findall(rf":: {framework} :: (\d+\.\d+)$", classifiers, re.MULTILINE)


def test_github_matrix_has_all_tox_environments() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text(encoding="utf-8"))
    matrix = workflow["jobs"]["tests"]["strategy"]["matrix"]["include"]
    names = [name for pattern in TOX["tox"]["env_list"].split() for name in expand(pattern)]
    assert [job["env"] for job in matrix] == names
    for job in matrix:
        name = job["env"]
        base = name if name.startswith("py") else TOX[f"testenv:{name}"]["base_python"]
        assert base.startswith(f"py{job['python'].replace('.', '')}"), name


def test_documented_tox_environments_exist() -> None:
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    documented = re.findall(r"tox run -e (\S+)", contributing)
    names = {name for pattern in TOX["tox"]["env_list"].split() for name in expand(pattern)}
    assert len(documented) == 5
    assert {*documented} <= names


def test_table_of_readme_has_versions_of_tox_environments() -> None:
    rows = re.findall(r"^\| (\d\.\d)\b.* \| ([\d., ]+) \|$", README, re.MULTILINE)
    assert rows == [
        (
            django,
            ", ".join(sorted_versions({each[0] for each in ENVIRONMENTS if each[1] == django})),
        )
        for django in sorted_versions({each[1] for each in ENVIRONMENTS})
    ]


def test_databases_are_tested_with_newest_django() -> None:
    suffixes = {suffix for _, django, suffix in ENVIRONMENTS if django == ENVIRONMENTS[-1][1]}
    assert {"mariadb", "postgres", "psycopg2"} <= suffixes


def test_readme_and_metadata_have_lowest_versions() -> None:
    assert PROJECT["requires-python"] == f">={ENVIRONMENTS[0][0]}"
    assert f"| 5.2 ({lowest(PROJECT['dependencies'])['django']} or newer) |" in README


def test_lowest_environment_has_lowest_versions_of_requirements() -> None:
    pins = re.findall(r"^lowest: (.+)$", TOX["testenv"]["deps"], re.MULTILINE)
    extras = PROJECT["optional-dependencies"].values()
    groups = [PROJECT["dependencies"], *extras, PYPROJECT["dependency-groups"]["test"]]
    requirements = [requirement for group in groups for requirement in group]
    assert lowest(pins) == lowest(requirements)


def lowest(requirements: list[str]) -> dict[str, Version]:
    """Return the only version in each of the requirements by the name of the package."""
    return {
        requirement.name: Version(specifier.version)
        for requirement in map(Requirement, requirements)
        for specifier in requirement.specifier
    }
