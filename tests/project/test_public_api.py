"""The page "Public API" lists the names in ``__all__`` of the public modules."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re

import pytest

import django_groupme_images
from tests import ROOT

pytestmark = pytest.mark.any_django

REFERENCE = ROOT / "docs/reference"
PAGE = (REFERENCE / "public_api.md").read_text(encoding="utf-8")
PUBLIC = {
    module: re.findall(r"`(\w+)`", names)
    for module, names in re.findall(r"^\| `([\w.]+)` \| (.+) \|$", PAGE, re.MULTILINE)
}
OLD_PATHS = re.findall(r"`(django_groupme_images\.[\w.]+\.\w+)`", PAGE.split("## Old paths")[1])


@pytest.mark.parametrize("module", PUBLIC)
def test_all_of_public_module_equals_names_on_page(module):
    assert sorted(importlib.import_module(module).__all__) == sorted(PUBLIC[module])


@pytest.mark.parametrize("module", PUBLIC)
def test_public_names_are_documented_in_the_reference(module):
    reference = "\n".join(page.read_text(encoding="utf-8") for page in REFERENCE.glob("*.rst"))
    automodule = re.search(rf"automodule:: {re.escape(module)}\n(   :no-members:)?", reference)
    has_members = automodule and not automodule[1]
    docstring = importlib.import_module(module).__doc__ if automodule else ""
    for name in PUBLIC[module]:
        is_listed = re.search(
            rf"^\.\. [\w:]+:: ({re.escape(module)}\.)?{name}\b", reference, re.MULTILINE
        )
        assert is_listed or has_members or f"``{name}``" in docstring, name


def written_signatures():
    """Yield the path and the arguments of each signature that is not read from the code."""
    for page in REFERENCE.glob("*.rst"):
        module = ""
        for directive, name, arguments in re.findall(
            r"^\.\. (\w+module|py:\w+):: ([\w.]+)(?:\((.*)\))?",
            page.read_text(encoding="utf-8"),
            re.MULTILINE,
        ):
            if directive.endswith("module"):
                module = name
            elif arguments:
                yield f"{module}.{name}", arguments


def arguments_of(function):
    return {*inspect.signature(function).parameters} - {"self", "args", "kwargs"}


@pytest.mark.parametrize(("path", "signature"), [*written_signatures()])
def test_written_signature_has_arguments_of_code(path, signature):
    arguments = ast.parse(f"def function({signature}): pass").body[0].args
    documented = {each.arg for each in [*arguments.args, *arguments.kwonlyargs]}
    module, _, name = path.rpartition(".")
    value = getattr(importlib.import_module(module), name)
    if isinstance(value, type):
        own, *inherited = (arguments_of(base.__init__) for base in value.__mro__)
        assert own <= documented <= own.union(*inherited)
    else:
        # A task has an attribute for its function.
        assert documented == arguments_of(getattr(value, "func", value))


@pytest.mark.parametrize("path", OLD_PATHS)
def test_old_import_path_returns_public_object(path):
    module, _, name = path.rpartition(".")
    (public,) = (found for found, names in PUBLIC.items() if name in names)
    value = getattr(importlib.import_module(module), name)
    assert value is getattr(importlib.import_module(public), name)


def test_modules_that_documentation_names_exist():
    modules = pkgutil.walk_packages(django_groupme_images.__path__, "django_groupme_images.")
    names = {module.name for module in modules}
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *REFERENCE.glob("*.rst")]
    for page in pages:
        if page.name == "CHANGELOG.md":
            continue
        for path in re.findall(
            r"(?<![/\w])django_groupme_images\.[\w.]*\w", page.read_text(encoding="utf-8")
        ):
            module, _, name = path.rpartition(".")
            is_name = module in names and hasattr(importlib.import_module(module), name)
            assert path in names or is_name or path.count(".") > 2, f"{page.name}: {path}"
