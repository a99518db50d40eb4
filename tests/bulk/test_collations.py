"""Tests of bulk commands on columns whose collation ignores case or accents."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from itertools import cycle
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, storages
from django.db import connection

from django_groupme_images.bulk.batches import StoredName, StoredNames
from django_groupme_images.bulk.columns import Column
from django_groupme_images.bulk.references import referenced_names
from django_groupme_images.bulk.runner import BulkRunner
from django_groupme_images.pictures import Picture
from tests.support import emulator_pictures as pictures
from tests.support.bulk import read_names, read_rows_with
from tests.support.urls_of_pictures import JPEG
from tests.testapp.models import Group, Member

pytestmark = pytest.mark.django_db(databases=["default", "other"])


def collation_key(name: str) -> str:
    """
    Return a key that is equal for names that differ in case, accents, or trailing spaces.

    MySQL's default collation ignores case and accents. Older ones also ignore trailing spaces.
    """
    return unicodedata.normalize("NFD", name).encode("ascii", "ignore").decode().lower().rstrip(" ")


def compare_loosely(left: str, right: str) -> int:
    left, right = collation_key(left), collation_key(right)
    return (left > right) - (left < right)


CREATE_COLUMN = {
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
        "CHARACTER SET utf8mb4 COLLATE {collation} NOT NULL",
    ),
}


COLLATIONS = {
    "sqlite": ("nocase", "loose"),
    "postgresql": ("loose",),
    # The first is the default of MariaDB before 11.5, the second since then.
    "mysql": ("utf8mb4_general_ci", "utf8mb4_uca1400_ai_ci"),
}


@pytest.fixture(params=COLLATIONS[connection.vendor], autouse=True)
def collation(request: Any) -> str:
    """Recreate the column ``Member.photo`` with this collation."""
    if connection.vendor == "sqlite":
        connection.ensure_connection()
        connection.connection.create_collation("loose", compare_loosely)
    for statement in CREATE_COLUMN[connection.vendor]:
        with connection.cursor() as cursor:
            cursor.execute(statement.format(collation=request.param))
    return request.param


@pytest.fixture
def similar_names(collation: str) -> list[str]:
    """Names that are equal to "a.png" in this collation."""
    names = ["A.PNG", "A.png", "a.PNG"]
    if collation != "nocase":
        names.append("á.png")
        # The ICU collations of PostgreSQL compare trailing spaces.
        names += ["a.png ", "A.png "] if connection.vendor != "postgresql" else []
    return names


@pytest.fixture
def column() -> Column:
    """The column ``Member.photo``."""
    return Column(Member, Member._meta.get_field("photo"), "default")


@pytest.fixture
def names() -> Iterator[StoredNames]:
    """Stored names that have not been read yet."""
    with StoredNames(BulkRunner(workers=1)) as names:
        yield names


def insert_names(*names: str) -> list[Any]:
    """Create a row with each stored name, and return the primary keys of all rows."""
    for name in names:
        Member.objects.bulk_create([Member(photo=name)])
    return list(Member.objects.order_by("pk").values_list("pk", flat=True))


def sorted_names(names: Iterable[StoredName]) -> list[str]:
    return sorted(name.name for name in names)


def test_filter_with_loose_collation_matches_similar_names(similar_names):
    insert_names(*similar_names)
    assert Member.objects.filter(photo="a.png").count() == len(similar_names)


@pytest.mark.parametrize("size", [1, 2, 3, 500])
def test_read_names_with_similar_names_yields_each_exact_name_once(
    similar_names, size, monkeypatch
):
    monkeypatch.setattr("django_groupme_images.bulk.columns.ROWS_PER_PAGE", size)
    monkeypatch.setattr("django_groupme_images.bulk.batches.PAGE_SIZE", size)
    names = ["a.png", *similar_names, "b.png", "B.png", "c.png"]
    insert_names(*names, *names)
    Group.objects.bulk_create(
        [Group(photo=name, banner="") for name in ("A.png", "b.png", "D.png")]
    )
    columns = [
        Column(model, model._meta.get_field("photo"), "default") for model in (Member, Group)
    ]
    found = read_names(columns, urls=False)
    assert sorted(name.name for name in found) == sorted([*names, "D.png"])
    for name in found:
        for column, pks in name.rows.items():
            rows = column.model.objects.filter(pk__in=pks).values_list("photo", flat=True)
            assert set(rows) == {name.name}
    assert sum(len(pks) for name in found for pks in name.rows.values()) == 2 * len(names) + 3


def test_read_names_with_uppercase_names_separates_urls_from_files(column):
    names = [JPEG, JPEG.replace("9", "8"), JPEG.upper(), "HTTPS://i.groupme.com/123456789"]
    insert_names(*names, "http.png", "HTTPS.PNG", "https")
    assert sorted_names(read_names([column], urls=True)) == sorted(names)
    assert sorted_names(read_names([column], urls=False)) == ["HTTPS.PNG", "http.png", "https"]


def test_column_lookups_with_similar_names_compare_exactly(column, similar_names):
    first, *pks = insert_names("a.png", *similar_names)
    assert list(column.pages_with(["a.png"])) == [[(first, "a.png")]]
    assert column.filter_current("a.png", [first, *pks]) == [first]
    assert sorted_names(read_rows_with(["a.png"], [column])) == ["a.png"]
    assert referenced_names(storages["default"], ["a.png", "x.png"]) == {"a.png"}


def test_column_lookups_of_missing_name_find_nothing(column, similar_names):
    insert_names(*similar_names)
    assert not any(column.pages_with(["a.png"]))


def test_update_rows_with_similar_names_changes_only_exact_rows(column, similar_names):
    first, *pks = insert_names("a.png", *similar_names)
    picture = Picture.parse(JPEG)
    assert column.update_rows("a.png", picture, [first, *pks]) == [first]
    names = list(Member.objects.order_by("pk").values_list("photo", flat=True))
    assert names == [JPEG, *similar_names]
    assert column.update_rows("a.png", picture, [first, *pks]) == []


@pytest.mark.skipif(connection.vendor != "mysql", reason="needs a character set per connection")
def test_update_rows_on_latin1_connection_changes_row(column):
    pks = insert_names("á.png")
    connection.connection.set_character_set("latin1")
    try:
        assert column.update_rows("á.png", Picture.parse(JPEG), pks) == pks
    finally:
        connection.connection.set_character_set("utf8mb4")


def test_update_rows_of_row_changed_after_select_changes_nothing(column, similar_names):
    pks = insert_names(*similar_names)
    other_names = cycle(similar_names)

    def change_after_select(execute: Any, sql: str, *args: Any) -> Any:
        result = execute(sql, *args)
        if sql.startswith("SELECT"):
            with connection.cursor() as cursor:
                cursor.execute("UPDATE gallery_member SET photo = %s", [next(other_names)])
        return result

    for pk in pks:
        Member.objects.update(photo="a.png")
        with connection.execute_wrapper(change_after_select):
            assert column.update_rows("a.png", Picture.parse(JPEG), [pk]) == []
        assert not Member.objects.filter(photo=JPEG).exists()


def test_update_rows_of_more_rows_than_one_batch_changes_all(column, names, similar_names):
    all_names = ["a.png", *similar_names, "b.png"]
    Member.objects.bulk_create([Member(photo=all_names[n % len(all_names)]) for n in range(550)])
    Member.objects.bulk_create([Member(photo="a.png") for _ in range(1203)])
    expected = {*Member.objects.values_list("pk", "photo")}
    expected = {(pk, JPEG if name == "a.png" else name) for pk, name in expected}
    names.read_rows_with(["a.png"], [column])
    (found,) = names
    done = list(found.update_rows(Picture.parse(JPEG)))
    assert all(changed is True for _, _, changed in done)
    assert len({pk for _, pk, _ in done}) == len(done)
    assert {*Member.objects.values_list("pk", "photo")} == expected


def test_update_rows_after_change_of_one_row_changes_all_others(column, names):
    Member.objects.bulk_create([Member(photo="a.png") for _ in range(700)])
    names.read_rows_with(["a.png"], [column])
    (found,) = names
    Member.objects.filter(pk=found.rows[column][0]).update(photo="A.png")
    assert len(list(found.current().update_rows(Picture.parse(JPEG)))) == 699
    assert Member.objects.filter(photo=JPEG).count() == 699


def test_update_rows_in_database_that_changes_no_row_ends(column, names):
    """A trigger can keep a row unchanged."""
    Member.objects.bulk_create([Member(photo="a.png") for _ in range(600)])
    names.read_rows_with(["a.png"], [column])
    (found,) = names

    def skip_updates(execute: Any, sql: str, *args: Any) -> Any:
        return None if sql.startswith("UPDATE") else execute(sql, *args)

    with connection.execute_wrapper(skip_updates):
        done = list(found.update_rows(Picture.parse(JPEG)))
    assert [changed for _, _, changed in done] == [False] * 600


def test_upload_with_similar_names_gives_each_row_its_own_image(
    similar_names, upload, on_upload, fallback: FileSystemStorage
):
    """More rows than one batch have the name, and one row is changed during the upload."""
    names = ["a.png", *similar_names]
    widths = {
        name: 20 + number
        for number, name in enumerate(names)
        if fallback.save(name, ContentFile(pictures.plain("PNG", size=(20 + number, 10)))) == name
    }
    rows = [Member(photo=names[n % len(names)]) for n in range(1300)]
    Member.objects.bulk_create([*rows, *(Member(photo="a.png") for _ in range(600))])
    expected = {pk: widths[name] for pk, name in Member.objects.values_list("pk", "photo")}
    changed: list[Any] = []

    def change_row(**kwargs: Any) -> None:
        if kwargs["name"] == "a.png":
            similar_rows = Member.objects.filter(photo="a.png").values_list("pk", "photo")
            changed.append(next(pk for pk, name in similar_rows if name == "a.png"))
            Member.objects.filter(pk=changed[0]).update(photo="A.png")

    on_upload(change_row)
    upload("gallery.Member", verbosity=0)
    assert changed
    for member in Member.objects.all():
        if member.pk == changed[0]:
            assert member.photo.width in (None, widths["A.png"])
        else:
            assert member.photo.width == expected[member.pk], member.photo.name
