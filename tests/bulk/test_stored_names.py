"""Tests of how bulk commands read the rows: once, regardless of their number."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from django_groupme_images.bulk.batches import StoredName, StoredNames
from django_groupme_images.bulk.columns import Column, find_columns
from django_groupme_images.bulk.runner import BulkRunner
from django_groupme_images.pictures import Picture
from tests.support.bulk import (
    create_members,
    fail_query,
    is_uploaded,
    read_names,
    read_rows_with,
    save_file,
)
from tests.support.urls_of_pictures import JPEG
from tests.testapp.models import Club, Group, Member, Plain, Ticket

pytestmark = [
    pytest.mark.django_db(databases=["default", "other"]),
    pytest.mark.usefixtures("fallback"),
]

MEMBER = "gallery.Member.photo"
GROUP = "gallery.Group.photo"


@pytest.fixture
def names() -> Iterator[StoredNames]:
    """Stored names that have not been read yet."""
    with StoredNames(BulkRunner(workers=1)) as names:
        yield names


def url(number: int) -> str:
    return f"https://i.groupme.com/480x325.jpeg.{number:032x}"


def pks(stored: StoredName) -> dict[str, list[Any]]:
    """Return the primary keys of a name by the label of the column."""
    return {str(column): found for column, found in stored.rows.items()}


@contextmanager
def counted_queries() -> Iterator[list[str]]:
    """Yield a list of the queries of the block, which is filled at its end."""
    queries: list[str] = []
    with CaptureQueriesContext(connections["default"]) as captured:
        yield queries
    queries += [query["sql"] for query in captured]


@pytest.mark.parametrize("count", [20, 200])
@pytest.mark.parametrize("urls", [True, False])
def test_read_of_many_names_reads_each_row_once(count, urls, names, monkeypatch):
    monkeypatch.setattr("django_groupme_images.bulk.columns.ROWS_PER_PAGE", 10)
    create_members(*[url(n) if urls else f"{n}.jpg" for n in range(count)])
    with counted_queries() as queries:
        names.read(find_columns([MEMBER]), urls=urls)
        assert len(names) == count
    assert len(queries) == count // 10 + 1
    pages = [query for query in queries[1:] if '"id" >' in query.replace("`", '"')]
    assert len(pages) == len(queries) - 1


@pytest.mark.parametrize("count", [20, 200])
def test_iteration_compares_names_with_one_query_per_page(count, names, monkeypatch):
    monkeypatch.setattr("django_groupme_images.bulk.batches.PAGE_SIZE", 10)
    create_members(*[url(n) for n in range(count)])
    names.read(find_columns([MEMBER]), urls=True)
    with counted_queries() as queries:
        assert len(list(names)) == count
    assert len(queries) == count // 10
    assert all(" IN (" in query for query in queries)  # They look up primary keys.


def test_read_adds_each_page_before_it_reads_the_next_one(names, monkeypatch):
    monkeypatch.setattr("django_groupme_images.bulk.columns.ROWS_PER_PAGE", 10)
    create_members(*[url(n) for n in range(30)])
    events: list[object] = []

    def note_query(execute: Any, sql: str, *args: Any) -> Any:
        events.append("query")
        return execute(sql, *args)

    monkeypatch.setattr(names._index, "add", lambda column, page: events.append(len(page)))
    with connections["default"].execute_wrapper(note_query):
        names.read(find_columns([MEMBER]), urls=True)
    assert events == ["query", 10] * 3 + ["query"]


def test_read_with_limit_above_maximum_reads_all_rows_once(names, monkeypatch):
    monkeypatch.setattr("django_groupme_images.bulk.batches.MAX_LIMIT", 2)
    create_members(*[url(n) for n in range(5)])
    with counted_queries() as queries:
        names.read(find_columns([MEMBER]), urls=True, limit=3)
    assert (len(queries), len(names)) == (1, 5)


def test_read_with_limit_reads_first_rows_and_rows_with_their_names(names, monkeypatch):
    create_members(*[url(n) for n in range(50)], url(1), url(1).upper())
    Group.objects.create(photo=url(0), banner="")
    monkeypatch.setattr("django_groupme_images.bulk.batches.PAGE_SIZE", 1)
    with counted_queries() as queries:
        names.read(find_columns([MEMBER, GROUP]), urls=True, limit=3)
    assert len(queries) == 3  # the first rows, and the rows of each column with their names
    found = {stored.name: pks(stored) for stored in names}
    first = list(Member.objects.order_by("pk").values_list("pk", flat=True))
    assert found == {
        url(0): {MEMBER: [first[0]], GROUP: [Group.objects.get().pk]},
        url(1): {MEMBER: [first[1], first[50]]},
        url(2): {MEMBER: [first[2]]},
    }


def test_read_with_limit_continues_in_next_columns(names, monkeypatch):
    monkeypatch.setattr("django_groupme_images.bulk.batches.PAGE_SIZE", 1)
    create_members("a.jpg", "a.jpg", "b.jpg")
    Group.objects.create(photo="b.jpg", banner="c.jpg")
    for name in ("a.jpg", "d.jpg"):
        Plain.objects.create(photo=name)
    # The storages of Plain.photo and of the other fields are not the same.
    columns = find_columns([MEMBER, "gallery.Group", "gallery.Plain.photo"])
    names.read(columns, urls=False, limit=4)
    assert sorted((stored.name, sorted(pks(stored))) for stored in names) == [
        ("a.jpg", [MEMBER]),
        ("a.jpg", ["gallery.Plain.photo"]),
        ("b.jpg", [GROUP, MEMBER]),
        ("c.jpg", ["gallery.Group.banner"]),
    ]
    assert len(names) == 4


def test_read_with_reached_limit_reads_no_other_columns(names, monkeypatch):
    monkeypatch.setattr("django_groupme_images.bulk.batches.PAGE_SIZE", 1)
    create_members("a.jpg")
    Plain.objects.create(photo="a.jpg")
    names.read(find_columns([MEMBER, "gallery.Plain.photo"]), urls=False, limit=1)
    assert len(list(names)) == 1


def test_read_with_limit_after_rows_that_do_not_count_reads_larger_pages(names, monkeypatch):
    monkeypatch.setattr("django_groupme_images.bulk.batches.PAGE_SIZE", 1)
    create_members(*["a.jpg"] * 1000, "b.jpg")
    with counted_queries() as queries:
        names.read(find_columns([MEMBER]), urls=False, limit=2)
    assert len(names) == 2
    assert len(queries) <= 8


def test_two_runs_with_limit_choose_different_names():
    create_members(*[f"{n}.jpg" for n in range(300)])
    first, second = [
        [stored.name for stored in read_names(find_columns([MEMBER]), urls=False, limit=10)[:10]]
        for _ in range(2)
    ]
    assert first != second


@pytest.mark.parametrize("urls", [True, False])
def test_read_of_child_table_reads_each_page_of_it_once(names, urls, monkeypatch):
    monkeypatch.setattr("django_groupme_images.bulk.columns.ROWS_PER_PAGE", 5)
    for number in range(20):
        name = url(number) if urls else f"{number}.jpg"
        (Club if number % 2 else Group).objects.create(photo=name, banner="")
    with counted_queries() as queries:
        names.read(find_columns(["gallery.Club.photo"]), urls=urls)
    assert not any("IN (SELECT" in query for query in queries)
    assert len(queries) == 9  # A page of each table, four times, and the last page is empty.
    assert {stored.name for stored in names} == {
        url(number) if urls else f"{number}.jpg" for number in range(1, 20, 2)
    }


def test_names_of_several_storages_are_sorted_by_storage(names):
    for number in range(20):
        create_members(f"{number}.jpg")
        Plain.objects.create(photo=f"{number}.jpg")
    names.read(find_columns([MEMBER, "gallery.Plain.photo"]), urls=False)
    columns = [next(iter(pks(stored))) for stored in names]
    assert columns in (sorted(columns), sorted(columns, reverse=True))
    assert len(columns) == 40


def test_names_that_changed_after_they_were_read_are_not_yielded(names):
    create_members("a.jpg", "b.jpg", "c.jpg", "c.jpg")
    changed, kept, half, other = Member.objects.order_by("pk")
    names.read(find_columns([MEMBER]), urls=False)
    Member.objects.filter(pk__in=[changed.pk, half.pk]).update(photo=JPEG)
    found = {stored.name: pks(stored)[MEMBER] for stored in names}
    assert found == {"b.jpg": [kept.pk], "c.jpg": [other.pk]}


def test_name_in_more_rows_than_in_memory_keeps_others_on_disk(names):
    create_members(*["a.jpg"] * 1203, "b.jpg")
    (column,) = find_columns([MEMBER])
    names.read([column], urls=False)
    stored = next(stored for stored in names if stored.name == "a.jpg")
    assert len(stored.rows[column]) == 500
    assert stored.truncated == {column}
    assert stored.count_rows(column) == 1203
    with counted_queries() as queries:
        results = list(stored.update_rows(Picture.parse(JPEG)))
    changed_rows = Member.objects.filter(photo=JPEG).order_by("pk")
    assert [pk for _, pk, _ in results] == list(changed_rows.values_list("pk", flat=True))
    assert all(changed is True for *_, changed in results)
    assert not any("WHERE" in query and "IN (" not in query for query in queries)


def test_name_whose_first_rows_have_changed_is_yielded_with_the_next_ones(names):
    create_members(*["a.jpg"] * 1203)
    (column,) = find_columns([MEMBER])
    names.read([column], urls=False)
    pks = list(Member.objects.order_by("pk").values_list("pk", flat=True))
    Member.objects.filter(pk__in=pks[:510]).update(photo="b.jpg")
    (stored,) = names
    assert stored.rows[column] == pks[510:1000]
    changed = {pk for _, pk, changed in stored.update_rows(Picture.parse(JPEG)) if changed}
    assert changed == set(pks[510:])


def test_row_count_of_name_in_few_rows_needs_no_query(names):
    create_members("a.jpg", "a.jpg")
    (column,) = find_columns([MEMBER])
    names.read([column], urls=False)
    (stored,) = names
    names.close()
    assert stored.count_rows(column) == 2


@pytest.mark.parametrize("count", [499, 500, 501])
def test_name_in_as_many_rows_as_in_memory_yields_all(count, names):
    create_members(*["a.jpg"] * count)
    (column,) = find_columns([MEMBER])
    names.read([column], urls=False)
    (stored,) = names
    assert bool(stored.truncated) == (count > 500)
    assert stored.count_rows(column) == count
    assert len(list(stored.update_rows(Picture.parse(JPEG)))) == count


def test_rows_with_uuid_keys_are_found_and_changed():
    tickets = [Ticket.objects.create(photo="a.jpg") for _ in range(3)]
    (column,) = find_columns(["gallery.Ticket"])
    for stored in (*read_names([column], urls=False), *read_rows_with(["a.jpg"], [column])):
        assert sorted(stored.rows[column]) == sorted(ticket.pk for ticket in tickets)
    assert {changed for *_, changed in stored.update_rows(Picture.parse(JPEG))} == {True}
    assert set(Ticket.objects.values_list("photo", flat=True)) == {JPEG}


@pytest.mark.skipif(connection.vendor != "sqlite", reason="other databases scan small tables")
def test_lookup_of_names_uses_index_of_column():
    (column,) = find_columns(["gallery.Unique.photo"])
    with counted_queries() as queries:
        list(column.pages_with(["a.jpg", "b.jpg"]))
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {queries[0]}")
        plan = [row[-1] for row in cursor.fetchall()]
    assert "INDEX" in plan[0]
    assert "(photo=?)" in plan[0]


def test_pages_of_rows_that_change_meanwhile_contain_each_row_once(monkeypatch):
    monkeypatch.setattr("django_groupme_images.bulk.columns.ROWS_PER_PAGE", 2)
    create_members(*[f"{n}.jpg" for n in range(6)])
    *others, last = Member.objects.order_by("pk")
    found = []
    for page in Column(Member, Member._meta.get_field("photo"), "default").name_pages(urls=False):
        found += [pk for pk, _ in page]
        Member.objects.filter(pk__in=found).update(photo=JPEG)
        Member.objects.filter(pk=last.pk).delete()
    assert found == [row.pk for row in others]


def test_upload_interrupted_while_rows_are_read_uploads_nothing(upload, list_requests, monkeypatch):
    monkeypatch.setattr("django_groupme_images.bulk.columns.ROWS_PER_PAGE", 2)
    rows = create_members(*[save_file() for _ in range(10)])
    queries: list[str] = []

    def interrupt(execute: Any, sql: str, *args: Any) -> Any:
        if "LOWER" in sql:
            queries.append(sql)
            if len(queries) == 2:
                os.kill(os.getpid(), signal.SIGINT)
        return execute(sql, *args)

    with connections["default"].execute_wrapper(interrupt):
        assert upload(MEMBER).startswith("exit 130: Stopped: interrupted by SIGINT.")
    assert len(queries) == 2
    assert list_requests() == []
    assert not any(map(is_uploaded, rows))


@pytest.mark.parametrize("options", [{}, {"enqueue": True}, {"limit": 1}, {"dry_run": True}])
def test_upload_after_lost_connection_while_rows_are_read_stops(upload, options, list_requests):
    create_members(save_file())

    def fail_read(execute: Any, sql: str, *args: Any) -> Any:
        return fail_query() if "LOWER" in sql else execute(sql, *args)

    with connections["default"].execute_wrapper(fail_read):
        output = upload(MEMBER, **options)
    assert output.startswith("exit 1: Stopped: OperationalError: the connection was lost.")
    assert list_requests() == []


def test_index_that_cannot_be_used_stops_the_work():
    create_members("a.jpg")
    runner = BulkRunner(workers=1)
    with StoredNames(runner) as names:
        names.close()
        names.read(find_columns([MEMBER]), urls=False)
        assert runner.stop_reason.startswith("OSError: The temporary database of stored names")
        assert list(runner.until_stopped(names)) == []


@pytest.mark.any_django
def test_upload_without_space_for_temporary_database_reports_variable(project):
    resource = pytest.importorskip("resource")  # It limits the size of files, on POSIX.
    project.create_table()
    project.insert_members(f"photos/{number:090}.jpg" for number in range(30_000))
    set_limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (100_000, 100_000))
    # The limit would truncate the data of coverage.
    environment = {
        name: value
        for name, value in project.environment.items()
        if not name.startswith("COVERAGE")
    }
    code, out, err = project.run(
        "groupme_upload", "gallery.Member", preexec_fn=set_limit, env=environment
    )
    assert code == 1, err
    assert "Stopped: OSError: The temporary database of stored names could not be used" in err
    assert "set the environment variable TMPDIR to a folder with more free space." in err
    assert out == ""
