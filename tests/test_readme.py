"""The README says what the code does."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

import pytest
from django.core.checks import run_checks
from django.core.files.base import ContentFile
from django.core.management import load_command_class
from django.template import Context, Template

from django_groupme_images import exceptions
from django_groupme_images.emulator.faults import _OPTIONS as FAULTS
from django_groupme_images.signals import picture_uploaded, upload_postponed
from django_groupme_images.storage import GroupMeStorage

from . import emulator_pictures as pictures
from .gallery.models import Member
from .urls_of_pictures import JPEG

README = Path(__file__).parent.parent / "README.md"


def blocks(language):
    found = re.findall(rf"^ *```{language}\n.*?```", README.read_text(), re.DOTALL | re.MULTILINE)
    return [dedent(block).partition("\n")[2].removesuffix("```") for block in found]


def test_the_html_is_what_the_template_renders():
    (template,), (html,) = blocks("django"), blocks("html")
    member = Member(name="Ada", photo=JPEG)
    assert Template(template).render(Context({"member": member})).strip() == html.strip()


def test_the_model_is_a_model_of_the_tests():
    declared = re.findall(r"    (\w+) = (.*)\n", blocks("python")[0])
    assert [name for name, _ in declared] == ["name", "photo"]
    for name, code in declared:
        field = Member._meta.get_field(name)
        assert type(field).__name__ in code
        assert field.blank == ("blank=True" in code)


def test_what_a_value_says():
    block = next(block for block in blocks("python") if "preview_url" in block)
    member = Member(photo=JPEG)
    for code, comment in re.findall(r"^(\S+)\s+# (.*)$", block, re.MULTILINE):
        value = eval(code, {"member": member})
        if comment.startswith("…"):
            assert str(value).endswith(comment.split()[1])
        elif comment[0] in '"0123456789':
            assert value == eval(comment.split(", ")[0])
        else:
            assert value is not None


@pytest.mark.django_db
def test_the_example_of_a_test(settings, tmp_path, monkeypatch):
    """The fixture and the test in the README, run as pytest would."""
    block = next(block for block in blocks("python") if "pytest.fixture" in block)
    names = {"Member": Member}
    exec(block.replace("@pytest.fixture\n", ""), names)
    (tmp_path / "cat.jpg").write_bytes(pictures.plain())
    monkeypatch.chdir(tmp_path)
    for emulator in names["emulator"](settings):
        names["test_a_photo"](emulator, None)


def test_the_table_of_options():
    table = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", README.read_text(), re.MULTILINE))
    options = {name: option.default for name, option in GroupMeStorage.options().items()}
    assert options.keys() == table.keys() & options.keys()
    for name, default in options.items():
        words = {"access_token": "GM_TOKEN", "max_upload_size": "none", "fallback": "none"}
        assert words.get(name, str(default).replace("'", '"')) in table[name]


def test_the_table_of_errors():
    names = set(re.findall(r"^\| `(\w+)` \|", README.read_text(), re.MULTILINE))
    assert set(exceptions.__all__) - {"GroupMeImageError"} <= names


def test_the_kinds_of_faults():
    section = README.read_text().partition("The kinds are")[2].partition("\n\n")[0]
    assert set(FAULTS) <= set(re.findall(r"`(\w+)`", section))


@pytest.mark.parametrize("index", range(len(blocks("python"))))
def test_the_code_compiles(index):
    compile(blocks("python")[index], "README.md", "exec")


@pytest.mark.django_db
def test_the_form_and_the_column():
    names = {"__name__": "readme"}
    for block in blocks("python"):
        if "class CardForm" in block or "class MemberAdmin" in block:
            exec(block, names)
    form = names["CardForm"]({"title": "A card", "picture-url": JPEG})
    assert form.is_valid()
    assert repr(form.cleaned_data["picture"]) == f"<Picture {JPEG}>"
    name, column = names["MemberAdmin"].list_display
    assert (name, JPEG in column(Member(photo=JPEG))) == ("name", True)


def test_the_commands():
    """Each command that is to be typed is one, and takes what it is given."""
    typed = re.findall(
        r"^ *\$ python manage\.py (groupme_\S+)(.*)$", README.read_text(), re.MULTILINE
    )
    assert {name for name, _ in typed} == {"groupme_upload", "groupme_check"}
    for name, arguments in typed:
        command = load_command_class("django_groupme_images", name)
        command.create_parser("manage.py", name).parse_args(arguments.split())


def test_the_table_of_options_of_groupme_upload():
    table = README.read_text().partition("| `groupme_upload` | |")[2].partition("\n\n")[0]
    told = dict(re.findall(r"`(--[a-z-]+) ?(\S*?)`", table))
    parser = load_command_class("django_groupme_images", "groupme_upload").create_parser("", "")
    for option, value in told.items():
        default = parser.get_default(option[2:].replace("-", "_"))
        assert str(default) == value or value in ("", "N", "ALIAS", "FILE")
    ours = parser.format_help().partition("--workers")[2].partition("--version")[0]
    assert set(re.findall(r"\s(--[a-z-]+) ", f" --workers {ours}")) <= told.keys()


@pytest.mark.parametrize("block", [block for block in blocks("python") if "STORAGES" in block])
def test_the_settings_make_sense(block, settings):
    names = {"INSTALLED_APPS": []}
    exec(block, names)
    settings.STORAGES = settings.STORAGES | names["STORAGES"]
    assert run_checks(tags=["files"]) == []


def test_the_receivers_take_what_is_sent(emulator):
    block = next(block for block in blocks("python") if "@receiver" in block)
    told = []
    names = {"told": told}
    exec(block.replace("): ...", "): told.append((sender, name))"), names)
    try:
        GroupMeStorage().save("cat.jpg", ContentFile(pictures.plain()))
        assert told == [(GroupMeStorage, "cat.jpg")]
    finally:
        assert picture_uploaded.disconnect(names["count"])
        assert upload_postponed.disconnect(names["warn"])


def test_the_options_of_privacy():
    block = next(block for block in blocks("python") if "strip_metadata" in block)
    names = {}
    exec(block, names)
    assert GroupMeStorage(**names["STORAGES"]["groupme"]["OPTIONS"]).strip_metadata is True
