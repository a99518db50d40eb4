"""Columns whose collation ignores case, accents, or trailing spaces: names are compared exactly."""

from __future__ import annotations

import unicodedata
from functools import partial
from itertools import cycle
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, storages
from django.db import connection

from django_groupme_images.columns import Column
from django_groupme_images.pictures import Picture
from django_groupme_images.references import referenced
from django_groupme_images.selection import Named, named, pages
from django_groupme_images.signals import picture_uploaded

from . import emulator_pictures as pictures
from .commands import said_by
from .gallery.models import Group, Member
from .urls_of_pictures import JPEG

pytestmark = pytest.mark.django_db(databases=["default", "other"])


def loose(name: str) -> str:
    """A name as MySQL's default collation sees it, and as older ones do with trailing spaces."""
    return unicodedata.normalize("NFD", name).encode("ascii", "ignore").decode().lower().rstrip(" ")


def compare_loosely(left: str, right: str) -> int:
    left, right = loose(left), loose(right)
    return (left > right) - (left < right)


CREATE = {
    "sqlite": (
        'ALTER TABLE "gallery_member" RENAME TO "gallery_exact"',
        'CREATE TABLE "gallery_member" ("id" integer PRIMARY KEY AUTOINCREMENT, '
        '"name" varchar(50) NOT NULL, "photo" varchar(100) COLLATE {collation} NOT NULL)',
    ),
    "postgresql": (
        "CREATE COLLATION {collation} "
        "(provider = icu, locale = 'und-u-ks-level1', deterministic = false)",
        "ALTER TABLE gallery_member ALTER COLUMN photo TYPE varchar(100) COLLATE {collation}",
    ),
    "mysql": (
        "ALTER TABLE gallery_member MODIFY photo varchar(100) "
        "CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL",
    ),
}


@pytest.fixture(params=["nocase", "loose"], autouse=True)
def collation(request: Any) -> str:
    if connection.vendor == "sqlite":
        connection.ensure_connection()
        connection.connection.create_collation("loose", compare_loosely)
    elif request.param == "nocase":
        pytest.skip("this collation is SQLite's")
    for statement in CREATE[connection.vendor]:
        with connection.cursor() as cursor:
            cursor.execute(statement.format(collation=request.param))
    return request.param


@pytest.fixture
def others(collation: str) -> list[str]:
    """Other names that the collation takes for a.png."""
    names = ["A.PNG", "A.png", "a.PNG"]
    if collation == "loose":
        names.append("á.png")
        # ICU ignores no trailing spaces.
        names += ["a.png ", "A.png "] if connection.vendor != "postgresql" else []
    return names


@pytest.fixture
def column() -> Column:
    return Column(Member, Member._meta.get_field("photo"), "default")


def members(*names: str) -> list[Any]:
    for name in names:
        Member.objects.bulk_create([Member(photo=name)])
    return list(Member.objects.order_by("pk").values_list("pk", flat=True))


def names_of(batches: Any) -> list[str]:
    return sorted(name.name for page in batches for name in page)


def test_collation_takes_names_for_each_other(others):
    members(*others)
    assert Member.objects.filter(photo="a.png").count() == len(others)


@pytest.mark.parametrize("size", [1, 2, 3, 500])
def test_pages_contain_each_exact_name_once(others, size, monkeypatch):
    monkeypatch.setattr("django_groupme_images.columns.PAGE", size)
    names = ["a.png", *others, "b.png", "B.png", "c.png"]
    members(*names, *names)
    Group.objects.bulk_create(
        [Group(photo=name, banner="") for name in ("A.png", "b.png", "D.png")]
    )
    columns = [
        Column(model, model._meta.get_field("photo"), "default") for model in (Member, Group)
    ]
    found = [name for page in pages(columns, addresses=False) for name in page]
    assert sorted(name.name for name in found) == sorted([*names, "D.png"])
    for each in found:
        for column, pks in each.rows.items():
            rows = column.model.objects.filter(pk__in=pks).values_list("photo", flat=True)
            assert set(rows) == {each.name}
    assert sum(len(pks) for each in found for pks in each.rows.values()) == 2 * len(names) + 3


def test_pages_contain_addresses_of_every_case():
    names = [JPEG, JPEG.replace("9", "8"), JPEG.upper(), "HTTPS://i.groupme.com/123456789"]
    members(*names, "http.png", "HTTPS.PNG", "https")
    columns = [Column(Member, Member._meta.get_field("photo"), "default")]
    assert names_of(pages(columns, addresses=True)) == sorted(names)
    assert names_of(pages(columns, addresses=False)) == ["HTTPS.PNG", "http.png", "https"]


def test_column_lookups_compare_exactly(column, others):
    first, *pks = members("a.png", *others)
    assert column.holders(["a.png"]) == {"a.png": [first]}
    assert column.holding("a.png") == 1
    assert list(column.batches("a.png")) == [[first]]
    assert column.still("a.png", [first, *pks]) == [first]
    assert [each.name for each in named(["a.png"], [column])] == ["a.png"]
    assert referenced(storages["default"], ["a.png", "x.png"]) == {"a.png"}


def test_column_lookups_of_name_that_no_row_has(column, others):
    members(*others)
    assert column.holders(["a.png"]) == {}
    assert column.holding("a.png") == 0
    assert not any(column.batches("a.png"))


def test_swap_changes_only_rows_that_hold_exactly_the_name(column, others):
    first, *pks = members("a.png", *others)
    picture = Picture.parse(JPEG)
    assert column.swap("a.png", picture, [first, *pks]) == [first]
    held = list(Member.objects.order_by("pk").values_list("photo", flat=True))
    assert held == [JPEG, *others]
    assert column.swap("a.png", picture, [first, *pks]) == []


def test_update_of_swap_compares_exactly(column, others):
    """The row was changed after it was read."""
    pks = members(*others)
    changing = cycle(others)

    def change(execute: Any, sql: str, *args: Any) -> Any:
        result = execute(sql, *args)
        if sql.startswith("SELECT"):
            with connection.cursor() as cursor:
                cursor.execute("UPDATE gallery_member SET photo = %s", [next(changing)])
        return result

    for pk in pks:
        Member.objects.update(photo="a.png")
        with connection.execute_wrapper(change):
            assert column.swap("a.png", Picture.parse(JPEG), [pk]) == []
        assert not Member.objects.filter(photo=JPEG).exists()


def test_swap_of_more_rows_than_are_held_at_once(column, others):
    names = ["a.png", *others, "b.png"]
    Member.objects.bulk_create([Member(photo=names[n % len(names)]) for n in range(550)])
    Member.objects.bulk_create([Member(photo="a.png") for _ in range(1203)])
    expected = {*Member.objects.values_list("pk", "photo")}
    expected = {(pk, JPEG if name == "a.png" else name) for pk, name in expected}
    (found,) = named(["a.png"], [column])
    done = list(found.swap(Picture.parse(JPEG)))
    assert all(changed is True for _, _, changed in done)
    assert len({pk for _, pk, _ in done}) == len(done)
    assert {*Member.objects.values_list("pk", "photo")} == expected


def test_swap_goes_beyond_rows_held_at_once_after_one_of_them_changed(column):
    Member.objects.bulk_create([Member(photo="a.png") for _ in range(700)])
    (found,) = named(["a.png"], [column])
    Member.objects.filter(pk=found.rows[column][0]).update(photo="A.png")
    assert len(list(found.still().swap(Picture.parse(JPEG)))) == 699
    assert Member.objects.filter(photo=JPEG).count() == 699


def test_swap_ends_where_a_database_changes_no_row(column):
    """As with a trigger that keeps a row as it was."""
    Member.objects.bulk_create([Member(photo="a.png") for _ in range(600)])
    (found,) = named(["a.png"], [column])

    def keep(execute: Any, sql: str, *args: Any) -> Any:
        return None if sql.startswith("UPDATE") else execute(sql, *args)

    with connection.execute_wrapper(keep):
        done = list(Named(found.name, found.rows, found.more).swap(Picture.parse(JPEG)))
    assert [changed for _, _, changed in done] == [False] * 600


def test_upload_gives_each_row_the_image_of_its_own_file(
    others, emulator, waiting_files: FileSystemStorage
):
    """Beyond 500 rows of a name, too, and where a row is changed to another case meanwhile."""
    names = ["a.png", *others]
    widths = {
        name: 20 + number
        for number, name in enumerate(names)
        if waiting_files.save(name, ContentFile(pictures.plain("PNG", size=(20 + number, 10))))
        == name
    }
    rows = [Member(photo=names[n % len(names)]) for n in range(1300)]
    Member.objects.bulk_create([*rows, *(Member(photo="a.png") for _ in range(600))])
    expected = {pk: widths[name] for pk, name in Member.objects.values_list("pk", "photo")}
    edited: list[Any] = []

    def edit(**kwargs: Any) -> None:
        if kwargs["name"] == "a.png":
            pk = Member.objects.filter(photo="a.png").values_list("pk", "photo")
            edited.append(next(pk for pk, name in pk if name == "a.png"))
            Member.objects.filter(pk=edited[0]).update(photo="A.png")

    picture_uploaded.connect(edit)
    try:
        partial(said_by, "groupme_upload", "gallery.Member", rate=0, verbosity=0)()
    finally:
        picture_uploaded.disconnect(edit)
    assert edited
    for member in Member.objects.all():
        if member.pk == edited[0]:
            assert member.photo.width in (None, widths["A.png"])
        else:
            assert member.photo.width == expected[member.pk], member.photo.name
