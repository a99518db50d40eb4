"""That ``make release-check`` tells what is wrong, and that this changelog is not."""

from __future__ import annotations

import io
import tarfile
import zipfile

import pytest

from django_groupme_images import __version__
from release import ROOT, changelog, distributions, links, tree
from release.__main__ import CHANGELOG
from release.running import fault

pytestmark = pytest.mark.any_django

GOOD = """# Changelog

## [Unreleased]

## [1.1.0] - 2026-11-27

### Added

- A thing that takes
  two lines.
- Another.

## [1.0.0] - 2026-01-31 [YANKED]

### Fixed

- All of it.
"""

ENTRY = "## [Unreleased]\n\n### Added\n\n- Something.\n"


def told(text, version="1.1.0", **options):
    return " ".join(changelog.faults(text, version, **options))


def test_this_changelog():
    assert told(CHANGELOG.read_text(), __version__, allow_unreleased=True) == ""


def test_a_good_changelog():
    assert told(GOOD) == ""


@pytest.mark.parametrize(
    ("right", "wrong", "what"),
    [
        ("## [Unreleased]\n", "", "no heading “## [Unreleased]”"),
        ("## [Unreleased]\n", ENTRY, "entries under “[Unreleased]”"),
        ("[1.1.0] - 2026-11-27", "[1.1.0] - unreleased", "“## [1.1.0] - unreleased”"),
        ("[1.1.0] - 2026-11-27", "[1.1.0]", "“## [1.1.0]”"),
        ("[1.1.0] - 2026-11-27", "1.1.0 - 2026-11-27", "“## 1.1.0 - 2026-11-27”"),
        ("[1.1.0] - 2026-11-27", "[1.1.0] - 2026-11-31", "“## [1.1.0] - 2026-11-31”"),
        ("[1.1.0] - 2026-11-27", "[1.2.0] - 2026-11-27", "newest version is [1.2.0]"),
        ("### Fixed", "### Mended", "“### Mended” is none of Added, "),
        ("- A thing that takes\n  two lines.\n- Another.\n", "", "says nothing of 1.1.0"),
        (GOOD.partition("\n")[2], "", "newest version is none"),
    ],
)
def test_a_bad_changelog(right, wrong, what):
    assert right in GOOD
    assert what in told(GOOD.replace(right, wrong))


def test_entries_between_two_releases():
    assert told(GOOD.replace("## [Unreleased]\n", ENTRY), allow_unreleased=True) == ""


def test_the_notes():
    assert changelog.notes(GOOD) == "### Added\n\n- A thing that takes two lines.\n- Another."


@pytest.fixture
def repository(tmp_path, monkeypatch):
    monkeypatch.setattr(tree, "ROOT", tmp_path)
    tree._git("init", "--quiet")
    return tmp_path


@pytest.mark.parametrize("tag", [None, "v1.1.0"])
def test_a_clean_tree(repository, tag):
    assert list(tree.faults(tag, "1.1.0")) == []


@pytest.mark.parametrize("tag", ["1.1.0", "v1.1", "v1.0.0", ""])
def test_another_tag(repository, tag):
    (found,) = tree.faults(tag, "1.1.0")
    assert f"The tag is {tag}, and __version__ is 1.1.0" in found


def test_what_is_not_committed(repository):
    (repository / "new.py").touch()
    (found,) = tree.faults(None, "1.1.0")
    assert "not committed" in found
    assert "?? new.py" in found


def test_what_git_knows(repository):
    for name in ("größer.py", "two words.py", "new.py"):
        (repository / name).touch()
    tree._git("add", "größer.py", "two words.py")
    assert tree.tracked() == {"größer.py", "two words.py"}


def wheel(folder, *names):
    path = folder / "a-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("a-1.0.dist-info/METADATA", *names):
            archive.writestr(name, "")
    return path


def sdist(folder, *names):
    path = folder / "a-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name in ("PKG-INFO", *names):
            archive.addfile(tarfile.TarInfo(f"a-1.0/{name}"), io.BytesIO())
    return path


@pytest.mark.parametrize("distribution", [wheel, sdist])
def test_what_a_distribution_holds(tmp_path, distribution):
    path = distribution(tmp_path, "a/__init__.py", "a/secrets.txt")
    assert list(distributions.differences(path, {"a/__init__.py", "a/secrets.txt"})) == []
    missing, surplus = distributions.differences(path, {"a/__init__.py", "a/py.typed"})
    assert missing.startswith(f"{path.name} lacks ")
    assert missing.endswith(":\n    a/py.typed")
    assert surplus.startswith(f"{path.name} has ")
    assert surplus.endswith(":\n    a/secrets.txt")


def test_a_command_that_fails():
    assert fault("It fails:", "git", "--version") == []
    (found,) = fault("It fails:", "git", "no-such-command")
    assert found.startswith("It fails:\n    git: 'no-such-command' is not")


REPOSITORY = "https://github.com/somebody/something"


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("[a page](docs/a.md)", "blob/v1.1.0/docs/a.md"),
        ("[a section](docs/a.md#one)", "blob/v1.1.0/docs/a.md#one"),
        ("[`code`](docs/a.md)", "blob/v1.1.0/docs/a.md"),
        ('[a title](docs/a.md "A page")', "blob/v1.1.0/docs/a.md"),
        ("[name]: docs/a.md", "blob/v1.1.0/docs/a.md"),
        ("![a picture](docs/images/a.png)", "raw/v1.1.0/docs/images/a.png"),
        ('<img src="docs/images/a.svg" width="300">', "raw/v1.1.0/docs/images/a.svg"),
        ('<a href="docs/a.md">a page</a>', "blob/v1.1.0/docs/a.md"),
    ],
)
def test_a_relative_link(text, target):
    written = target.split("/", 2)[2]
    expected = text.replace(written, f"{REPOSITORY}/{target}")
    assert links.absolute(text, REPOSITORY, "v1.1.0") == expected
    assert list(links.faults(text, {"docs/a.md", "docs/images/a.png", "docs/images/a.svg"})) == []
    (found,) = links.faults(text, {"docs/b.md"})
    assert f"README.md links to {written}, which is not committed" in found


def test_a_picture_that_is_a_link():
    assert links.absolute("[![a](b.png)](docs/)", REPOSITORY, "v1") == (
        f"[![a]({REPOSITORY}/raw/v1/b.png)]({REPOSITORY}/blob/v1/docs/)"
    )
    assert list(links.faults("[![a](b.png)](docs/)", {"b.png", "docs/a.md"})) == []


@pytest.mark.parametrize(
    "text",
    [
        "[elsewhere](https://example.com/docs/a.md)",
        '<img src="//example.com/a.png">',
        "[mail](mailto:ada@example.com)",
        "[here](#one)",
        "`[code](docs/a.md)`",
        "``a ` and\n[code](docs/a.md)``",
        '```html\n<img src="docs/a.png">\n```',
        '1. A step\n\n   ```html\n   <img src="docs/a.png">\n   ```',
    ],
)
def test_what_is_no_relative_link(text):
    assert links.absolute(text, REPOSITORY, "v1.1.0") == text


def test_a_second_time_changes_nothing():
    once = links.absolute((ROOT / "README.md").read_text(), REPOSITORY, "v1.1.0")
    assert links.absolute(once, REPOSITORY, "v1.1.0") == once
    assert list(links.faults(once, set())) == []
