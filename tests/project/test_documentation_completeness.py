"""
Everything that users can set, call, or see is documented, and everything documented exists.

The names are read from the code. Sphinx checks links, ``test_public_api`` the public names of
modules, and ``test_translations`` the words of messages.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import inspect
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from django.core.management import get_commands, load_command_class
from jinja2 import Environment

from django_groupme_images import exceptions, signals
from django_groupme_images.conf import ConfiguredStorage
from django_groupme_images.forms.validation import _MESSAGES
from django_groupme_images.jinja2 import GroupMeImages
from django_groupme_images.templatetags.groupme_images import register
from tests import ROOT
from tests.support.words import ARCHAIC_WORDS

from .manual.pages import blocks

pytestmark = pytest.mark.any_django

PACKAGE = ROOT / "django_groupme_images"
APP = "django_groupme_images"

#: The README and the pages of the documentation. The changelog also has names of the past.
PAGES = sorted(
    {ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")}
    | {path for suffix in ("md", "rst") for path in (ROOT / "docs").rglob(f"*.{suffix}")}
)

COMMANDS = sorted(
    path.stem for path in (PACKAGE / "management/commands").glob("*.py") if path.stem != "__init__"
)
OPTIONS = ConfiguredStorage.options()
SETTINGS = [option.setting for option in OPTIONS.values()]
CHECK_IDS = sorted(
    {
        check_id
        for path in PACKAGE.rglob("*.py")
        for check_id in re.findall(
            r'"(groupme_images\.[A-Z]\d{3})"', path.read_text(encoding="utf-8")
        )
    }
)
# The excluded key is that of a second message for the code "format_not_allowed".
REJECTIONS = sorted({*_MESSAGES} - {"new_format_not_allowed"})
VARIABLES = [option.environment for option in OPTIONS.values() if option.environment]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "optional-dependencies"
]
JINJA = Environment(extensions=[GroupMeImages], autoescape=True)
JINJA_NAMES = [name for name in {**JINJA.globals, **JINJA.filters} if name.startswith("groupme_")]
# The classes of elements outside of the widgets, which a style sheet of the project may select.
CLASSES = sorted(
    set(
        re.findall(
            r'classList\.add\("([\w-]+)"\)',
            (PACKAGE / "static/groupme_images/late_thumbnails.js").read_text(encoding="utf-8"),
        )
    )
)


def command_parser(name: str) -> argparse.ArgumentParser:
    """Return a parser with the options of a command, without those of every command."""
    parser = argparse.ArgumentParser(add_help=False)
    load_command_class(APP, name).add_arguments(parser)
    return parser


def command_options(name: str) -> list[str]:
    actions = command_parser(name)._actions
    return [option for action in actions for option in action.option_strings]


@cache
def page_text(path: Path) -> str:
    """Return the source of a page, followed by the text that its directives generate."""
    text = path.read_text(encoding="utf-8")
    return "\n".join([text, *_generated_text(text)])


def _generated_text(text: str) -> Iterator[str]:
    if re.search(r"^\.\. groupme-(options|settings)::", text, re.MULTILINE):
        yield from OPTIONS
        yield from SETTINGS
        yield from VARIABLES
    for name in re.findall(r"^\.\. groupme-command:: (groupme_\w+)$", text, re.MULTILINE):
        yield f"manage.py {name}"
        yield from command_options(name)
    current = ""
    for kind, name, has_no_members in re.findall(
        r"^\.\. (currentmodule|auto\w+):: ([\w.]+).*\n(?:   :.*\n)*?(   :no-members:)?",
        text,
        re.MULTILINE,
    ):
        if kind in ("currentmodule", "automodule"):
            current = name
        if kind == "currentmodule":
            continue
        value = find(name, f"{current}.{name}")
        yield inspect.getdoc(value) or ""
        if kind == "automodule" and not has_no_members:
            yield from value.__all__


def find(*paths: str) -> Any:
    """Return the module or object at the first of these dotted paths that exists."""
    for path in paths:
        parts = path.split(".")
        for length in range(len(parts), 0, -1):
            try:
                value = importlib.import_module(".".join(parts[:length]))
                for part in parts[length:]:
                    value = getattr(value, part)
            except (ImportError, AttributeError):
                continue
            return value
    raise LookupError(paths)


def is_documented(name: str, folder: str) -> bool:
    """Return whether a page below a folder, or this page, contains the name."""
    pattern = re.compile(rf"(?<![\w-]){re.escape(name)}(?![\w-])")
    return any(
        pattern.search(page_text(path)) for path in PAGES if path.is_relative_to(ROOT / folder)
    )


def python_blocks(path: Path) -> Iterator[ast.Module]:
    for block in blocks(str(path.relative_to(ROOT))):
        if block.language == "python":
            yield ast.parse(block.text)


@cache
def sent_arguments() -> dict[str, set[str]]:
    """Return the arguments of each signal, besides ``sender``, in the calls of ``send()``."""
    arguments: dict[str, set[str]] = {name: set() for name in signals.__all__}
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Name(id="send"), args=[ast.Name(id=name), _]):
                    arguments[name] |= {str(keyword.arg) for keyword in node.keywords}
    return arguments


# Everything is documented.


@pytest.mark.parametrize("name", [*OPTIONS, *SETTINGS, *VARIABLES])
def test_option_setting_or_variable_is_documented(name):
    assert is_documented(name, "docs/reference")


@pytest.mark.parametrize("command", COMMANDS)
def test_command_and_its_options_are_documented(command):
    missing = {
        name
        for name in (f"manage.py {command}", *command_options(command))
        if not is_documented(name, "docs/reference")
    }
    assert not missing


@pytest.mark.parametrize("command", COMMANDS)
def test_outcomes_of_command_are_documented(command):
    outcomes = getattr(load_command_class(APP, command), "outcomes", ())
    page = page_text(ROOT / "docs/reference/commands.rst")
    assert {name for name in outcomes if not re.search(rf"\b{name}\b", page)} == set()


@pytest.mark.parametrize("check_id", CHECK_IDS)
def test_check_is_documented_with_cause_and_fix(check_id):
    page = (ROOT / "docs/reference/checks.rst").read_text(encoding="utf-8")
    anchor = re.sub(r"[._]", "-", check_id.lower())
    assert f":ref:`{check_id} <troubleshooting#{anchor}>`" in page
    assert_has_cause_and_fix(check_id)


@pytest.mark.parametrize("name", exceptions.__all__)
def test_exception_is_documented_with_cause_and_fix(name):
    assert is_documented(name, "docs/reference/errors.rst")
    if name not in ("GroupMeImageError", "ServiceError"):  # They are only base classes.
        assert_has_cause_and_fix(name)


def assert_has_cause_and_fix(name: str) -> None:
    """Check the section of the page about troubleshooting with this name as its heading."""
    page = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    section = page.partition(f"\n### `{name}`\n")[2].partition("\n### ")[0]
    assert "**Cause:**" in section, name
    assert "**Fix:**" in section, name


@pytest.mark.parametrize("code", REJECTIONS)
def test_code_of_rejected_image_is_documented(code):
    assert f"| `{code}` |" in (ROOT / "docs/howto/conversion.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", signals.__all__)
def test_signal_and_its_arguments_are_documented(name):
    page = page_text(ROOT / "docs/reference/signals.rst")
    section = re.search(rf"^``{name}``\n((?: .*\n|\n(?= ))+)", page, re.MULTILINE)[1]
    arguments = sent_arguments()[name]
    assert arguments
    assert {*re.findall(r"``(\w+)``", section)} >= {"sender", *arguments}


@pytest.mark.parametrize(
    "name", sorted({*register.tags, *register.filters, *JINJA_NAMES, "jinja2.GroupMeImages"})
)
def test_template_tag_or_filter_is_documented(name):
    assert is_documented(name, "docs/reference/templates.rst")


@pytest.mark.parametrize("name", CLASSES)
def test_css_class_is_documented(name):
    assert is_documented(name, "docs/howto")


@pytest.mark.parametrize("extra", EXTRAS)
def test_extra_is_documented(extra):
    for folder in ("docs/installation.md", "docs/howto"):
        assert is_documented(f"django-groupme-images[{extra}]", folder)


# Everything documented exists.


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
class TestPage:
    def test_settings_exist(self, path):
        assert {*re.findall(r"\bGROUPME_[A-Z_]*[A-Z]\b", page_text(path))} <= {*SETTINGS}

    def test_check_ids_exist(self, path):
        assert {*re.findall(r"\bgroupme_images\.[A-Z]\d{3}\b", page_text(path))} <= {*CHECK_IDS}

    def test_commands_and_their_options_exist(self, path):
        for command, arguments in re.findall(
            r"\b(?:manage\.py|python -m) (groupme_\w+|django_groupme_images\.emulator)([^`\n]*)",
            page_text(path),
        ):
            name = "groupme_emulator" if "." in command else command
            assert name in COMMANDS
            known = {*command_options(name), *django_options("check")}
            assert {*re.findall(r"(?<!\S)--[a-z-]+", arguments)} <= known, command

    def test_options_in_prose_exist(self, path):
        known = {option for name in COMMANDS for option in command_options(name)}
        known |= {option for name in get_commands() for option in django_options(name)}
        # Options of third-party commands, which the page uses in an example.
        for name, arguments in re.findall(r"\bmanage\.py (\w+)([^`\n]*)", page_text(path)):
            if name not in get_commands():
                known |= {*re.findall(r"(?<!\S)--[a-z-]+", arguments)}
        # "--groupme-" is the prefix of the custom properties in CSS.
        for option in re.findall(r"(?<!`)`+(--(?!groupme-)[a-z-]+)", page_text(path)):
            if path.name not in ("CONTRIBUTING.md", "contributing.md"):  # Options of other tools.
                assert option in known

    def test_names_of_the_app_exist(self, path):
        names = re.findall(r"(?<!`)`+(groupme_\w+|GroupMe\w+)", page_text(path))
        assert {name for name in names if not is_in_source(name)} == set()

    def test_imported_names_exist(self, path):
        for module, names in re.findall(
            rf"from ({APP}[\w.]*) import ([\w, ]+)(?<! as)", page_text(path)
        ):
            for name in re.split(r",\s*", names.partition(" as ")[0].strip()):
                find(f"{module}.{name}")

    def test_css_classes_exist(self, path):
        names = re.findall(r"(?<!`)`+\.?(groupme-[\w-]+)", page_text(path))
        assert {name for name in names if not is_in_source(name)} == set()

    def test_make_targets_exist(self, path):
        targets = re.findall(
            r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE
        )
        assert {*re.findall(r"(?:`|^\$ )make ([a-z-]+)", page_text(path), re.MULTILINE)} <= {
            *targets
        }

    def test_options_of_storages_exist(self, path):
        for tree in python_blocks(path):
            assert {*options_of_storages(tree)} <= {*OPTIONS}

    def test_arguments_of_receivers_exist(self, path):
        sent = sent_arguments()
        for tree in python_blocks(path):
            for signal, names in arguments_of_receivers(tree):
                assert signal not in sent or names <= {"sender", "signal", *sent[signal]}

    def test_console_blocks_have_no_comments(self, path):
        # zsh, the shell of macOS, passes a comment to the command.
        for block in blocks(str(path.relative_to(ROOT))):
            prompt = {"console": r"\$ ", "sh": ""}.get(block.language)
            if prompt is not None:
                assert not re.search(rf"^{prompt}.*\s#", block.text, re.MULTILINE), block.location


def test_exceptions_of_troubleshooting_exist():
    page = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    names = re.findall(r"^### `(\w+)`$", page.partition("\n## Exceptions\n")[2], re.MULTILINE)
    assert len(names) >= len(exceptions.__all__)
    for name in names:
        find(f"{APP}.exceptions.{name}", f"django.core.exceptions.{name}", f"builtins.{name}")


@pytest.mark.parametrize("path", [*PAGES, ROOT / "CHANGELOG.md"], ids=lambda path: path.name)
def test_words_are_modern_english(path):
    assert not ARCHAIC_WORDS.findall(path.read_text(encoding="utf-8"))


@cache
def django_options(command: str) -> frozenset[str]:
    """Return the options of a command of Django or of an installed app."""
    if (app := get_commands()[command]) != "django.core" and not app.startswith("django."):
        return frozenset()
    parser = load_command_class(app, command).create_parser("manage.py", command)
    return frozenset(option for action in parser._actions for option in action.option_strings)


@cache
def source() -> str:
    """Return the text of all files of the package that are not translations."""
    suffixes = {".py", ".js", ".css", ".html"}
    return "\n".join(
        path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*") if path.suffix in suffixes
    )


def is_in_source(name: str) -> bool:
    return bool(re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", source()))


def options_of_storages(tree: ast.Module) -> Iterator[str]:
    """Yield the options that Python code gives to a ``GroupMeStorage``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            entries = {
                key.value: value
                for key, value in zip(node.keys, node.values, strict=True)
                if isinstance(key, ast.Constant)
            }
            backend, options = entries.get("BACKEND"), entries.get("OPTIONS")
            is_groupme = isinstance(backend, ast.Constant) and "GroupMeStorage" in backend.value
            if is_groupme and isinstance(options, ast.Dict):
                yield from (key.value for key in options.keys if isinstance(key, ast.Constant))
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "GroupMeStorage":
            yield from (keyword.arg for keyword in node.keywords if keyword.arg)


def test_options_of_storages_finds_options():
    code = '{"BACKEND": "x.GroupMeStorage", "OPTIONS": {"a": 1}}, GroupMeStorage(b=1), Other(c=1)'
    assert [*options_of_storages(ast.parse(code))] == ["a", "b"]


def arguments_of_receivers(tree: ast.Module) -> Iterator[tuple[str, set[str]]]:
    """Yield the signal and the names of the arguments of each function with ``@receiver``."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(
                args=arguments,
                decorator_list=[ast.Call(func=ast.Name(id="receiver"), args=[ast.Name(id=signal)])],
            ):
                yield signal, {each.arg for each in [*arguments.args, *arguments.kwonlyargs]}


def test_arguments_of_receivers_finds_arguments():
    code = "@receiver(saved)\ndef react(sender, *, name, **kwargs): pass\ndef other(a): pass"
    assert [*arguments_of_receivers(ast.parse(code))] == [("saved", {"sender", "name"})]
