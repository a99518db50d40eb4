"""Tests of ``groupme_upload``: which files it uploads, and which rows it changes."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.management import CommandError, call_command
from django.db import connections

from tests.support.bulk import (
    PHOTO,
    create_members,
    is_uploaded,
    member_view,
    save_file,
    save_file_as,
)
from tests.support.urls_of_pictures import JPEG
from tests.testapp.models import (
    Club,
    FramedPoster,
    Group,
    Hidden,
    JuniorTeam,
    LabelledPoster,
    Local,
    Measured,
    MeasuredChild,
    Member,
    Plain,
    Poster,
    Team,
    Unique,
)

pytestmark = [
    pytest.mark.django_db(databases=["default", "other"]),
    pytest.mark.usefixtures("fallback"),
]


def test_upload_without_labels_changes_all_fields_on_groupme(upload, list_requests):
    rows = [
        *create_members(save_file()),
        Plain.objects.create(photo=save_file(), other=save_file()),
        Group.objects.create(photo=save_file(), banner=save_file()),
        Club.objects.create(photo=save_file(), motto="All for one"),
        Unique.objects.create(photo=save_file()),
        MeasuredChild.objects.create(photo=save_file()),
    ]
    untouched = [
        Local.objects.create(photo="local/cat.jpg"),
        Member.objects.create(photo=JPEG),
        Member.objects.create(photo=""),
        Unique.objects.create(photo=None),
        Member.objects.create(photo="https://example.com/cat.jpg"),
    ]
    before = [row.photo.name for row in untouched]
    assert upload() == "8 moved, 0 skipped, 0 failed\n"
    assert all(map(is_uploaded, rows))
    assert is_uploaded(rows[1], "other")
    assert is_uploaded(rows[2], "banner")
    assert list_requests() == ["POST /pictures"] * 8
    for row, photo in zip(untouched, before, strict=True):
        row.refresh_from_db()
        assert row.photo.name == photo
    assert upload() == ""
    assert len(list_requests()) == 8


def test_upload_of_file_stores_same_bytes(upload, fallback):
    (member,) = create_members(save_file())
    upload()
    member.refresh_from_db()
    with member.photo.open() as photo:
        assert photo.read() == PHOTO
    assert fallback.exists("photos/cat.jpg")


def test_upload_with_dimension_columns_fills_them(upload):
    row = Measured.objects.create(photo=save_file())
    child = MeasuredChild.objects.create(photo=save_file())
    Measured.objects.update(width=None, height=None)
    upload()
    for each in (Measured.objects.get(pk=row.pk), MeasuredChild.objects.get(pk=child.pk)):
        assert (each.width, each.height) == (48, 32)


def test_upload_of_shared_file_sends_one_request(upload, list_requests):
    rows = create_members(*[save_file()] * 5)
    group = Group.objects.create(photo=rows[0].photo.name, banner=rows[0].photo.name)
    assert upload() == "7 moved, 0 skipped, 0 failed\n"
    for row in rows:
        row.refresh_from_db()
    group.refresh_from_db()
    assert len({*(row.photo.name for row in rows), group.photo.name, group.banner.name}) == 1
    assert list_requests() == ["POST /pictures"]


def test_upload_of_file_shared_by_1203_rows_sends_one_request(upload, list_requests):
    create_members(*[save_file()] * 1203)
    assert upload() == "1,203 moved, 0 skipped, 0 failed\n"
    assert len(set(Member.objects.values_list("photo"))) == 1
    assert list_requests() == ["POST /pictures"]


def test_upload_of_several_pages_uploads_all_files(upload, list_requests, monkeypatch):
    monkeypatch.setattr("django_groupme_images.bulk.columns.ROWS_PER_PAGE", 7)
    monkeypatch.setattr("django_groupme_images.bulk.batches.PAGE_SIZE", 4)
    rows = create_members(*[save_file() for _ in range(30)])
    assert upload() == "30 moved, 0 skipped, 0 failed\n"
    assert len(set(Member.objects.values_list("photo"))) == len(rows) == len(list_requests())


def test_upload_of_unusual_file_names_changes_all_rows(upload):
    names = ["ä ö.jpg", "A.JPG", "a.jpg", "%.jpg", "_.jpg", "'\".jpg", "https.jpg", "z" * 90]
    rows = create_members(*map(save_file, names))
    assert upload() == f"{len(names)} moved, 0 skipped, 0 failed\n"
    assert all(map(is_uploaded, rows))


def test_upload_with_labels_changes_only_those_fields(upload, list_requests):
    member, *_ = create_members(save_file())
    group = Group.objects.create(photo=save_file(), banner=save_file())
    club = Club.objects.create(photo=save_file(), banner=save_file())
    assert upload("gallery.Group.banner") == "2 moved, 0 skipped, 0 failed\n"
    assert is_uploaded(group, "banner")
    assert not is_uploaded(group)
    assert upload("gallery.Club") == "1 moved, 0 skipped, 0 failed\n"
    assert is_uploaded(club)
    assert not is_uploaded(group)
    assert upload("gallery.Member", "gallery.Group") == "2 moved, 0 skipped, 0 failed\n"
    assert is_uploaded(member)
    assert is_uploaded(group)
    assert len(list_requests()) == 5


def test_upload_of_model_with_two_parents_changes_only_its_rows(upload):
    others = Poster.objects.bulk_create(Poster(photo=save_file()) for _ in range(3))
    labelled = LabelledPoster.objects.create(photo=save_file())
    framed = FramedPoster.objects.create(photo=save_file())
    assert len({labelled.label_id, framed.label_id, labelled.poster_id, framed.poster_id}) == 4
    output = upload("gallery.FramedPoster", verbosity=2)
    assert f"gallery.Poster.photo pk={framed.poster_id} {framed.photo.name}: moved" in output
    assert is_uploaded(framed)
    assert not is_uploaded(labelled)
    assert upload("gallery.LabelledPoster.photo") == "1 moved, 0 skipped, 0 failed\n"
    assert is_uploaded(labelled)
    assert not any(map(is_uploaded, others))


@pytest.mark.parametrize("options", [{}, {"limit": 5}])
def test_upload_of_model_with_relation_as_primary_key_changes_only_its_rows(upload, options):
    team = Team.objects.create(crest=save_file())
    junior = JuniorTeam.objects.create(crest=save_file())
    assert "1 row, 1 file" in upload("gallery.JuniorTeam", dry_run=True, **options)
    assert upload("gallery.JuniorTeam", **options) == "1 moved, 0 skipped, 0 failed\n"
    assert is_uploaded(junior, "crest")
    assert not is_uploaded(team, "crest")


def test_upload_with_app_label_changes_all_models_of_app(upload):
    create_members(save_file())
    Club.objects.create(photo=save_file())
    assert upload("gallery") == "2 moved, 0 skipped, 0 failed\n"


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        ("nowhere", "No installed app with label 'nowhere'."),
        ("nowhere.Member", "No installed app with label 'nowhere'."),
        ("gallery.Nobody", "App 'gallery' doesn't have a 'Nobody' model."),
        ("gallery.Member.face", "Member has no field named 'face'."),
        ("gallery.Member.photo.url", "'gallery.Member.photo.url' is not a valid label."),
        ("gallery.Local", "gallery.Local has no field that uses GroupMeStorage."),
        ("gallery.Member.name", "gallery.Member.name does not use GroupMeStorage."),
    ],
)
def test_upload_with_invalid_label_raises(upload, label, reason, list_requests):
    create_members(save_file())
    assert reason in upload(label)
    assert list_requests() == []


def test_upload_with_database_option_changes_only_that_database(upload, list_requests):
    (member,) = create_members(save_file())
    Member(photo=save_file()).save(using="other")
    assert upload(database="other") == "1 moved, 0 skipped, 0 failed\n"
    assert not is_uploaded(member)
    assert "48x32" in Member.objects.using("other").get().photo.name
    assert len(list_requests()) == 1


class OtherDatabaseRouter:
    """A router to the database "other"."""

    def db_for_write(self, model: Any, **hints: Any) -> str:
        return "other"

    def allow_migrate(self, database: str, app_label: str, **hints: Any) -> bool:
        return database == "other"


def test_upload_with_router_changes_its_database(upload, settings):
    Member(photo=save_file()).save(using="other")
    settings.DATABASE_ROUTERS = [f"{__name__}.OtherDatabaseRouter"]
    assert upload() == "1 moved, 0 skipped, 0 failed\n"
    assert upload(database="default") == ""


class UnmigratedDatabaseRouter(OtherDatabaseRouter):
    """A router to a database whose tables are not managed by migrations."""

    def allow_migrate(self, database: str, app_label: str, **hints: Any) -> bool:
        return False


def test_upload_to_unmigrated_database_changes_existing_tables(upload, settings):
    Member(photo=save_file()).save(using="other")
    settings.DATABASE_ROUTERS = [f"{__name__}.UnmigratedDatabaseRouter"]
    assert upload() == "1 moved, 0 skipped, 0 failed\n"


def test_upload_to_database_without_tables_raises(upload):
    with connections["other"].cursor() as cursor:
        cursor.execute("ALTER TABLE gallery_member RENAME TO elsewhere")
    assert upload("gallery.Member", database="other") == ("exit 1: No field uses GroupMeStorage.")


def test_upload_with_source_option_reads_that_storage(upload, settings):
    settings.STORAGES = settings.STORAGES | {
        "old": {"BACKEND": "django.core.files.storage.InMemoryStorage"}
    }
    name = storages["old"].save("old.jpg", ContentFile(PHOTO))
    (member,) = create_members(name)
    settings.GROUPME_FALLBACK = None
    assert "Pass --source ALIAS" in upload()
    assert not is_uploaded(member)
    assert upload(source="old") == "1 moved, 0 skipped, 0 failed\n"
    assert is_uploaded(member)


@pytest.mark.parametrize(
    ("alias", "reason"),
    [
        ("groupme", "is a GroupMeStorage. Choose"),
        ("nowhere", "Could not find config"),
    ],
)
def test_upload_with_invalid_source_raises(upload, alias, reason):
    assert reason in upload(source=alias)


def test_upload_of_field_without_source_storage_raises(upload, settings, capsys):
    create_members(save_file())
    settings.GROUPME_FALLBACK = None
    Plain._meta.get_field("photo").storage.fallback = "default"
    try:
        plain = Plain.objects.create(photo=save_file())
        call_command("groupme_upload", verbosity=0)
        assert capsys.readouterr() == ("", "")
        assert is_uploaded(plain)
        call_command("groupme_upload")
        assert "configured for gallery.Member.photo, " in capsys.readouterr().err
        assert "configured for gallery.Member.photo." in upload("gallery.Member")
    finally:
        del Plain._meta.get_field("photo").storage.__dict__["fallback"]


def test_upload_with_unknown_fallback_raises(upload, settings):
    settings.GROUPME_FALLBACK = "nowhere"
    assert "Could not find config for 'nowhere'" in upload(skip_checks=True)


def test_upload_from_storage_without_times_changes_row(upload, settings):
    settings.STORAGES = settings.STORAGES | {
        "default": {"BACKEND": "tests.support.bulk.StorageWithoutTimes"}
    }
    (member,) = create_members(save_file())
    upload()
    assert is_uploaded(member)


def test_upload_with_limit_uploads_that_many_files(upload, list_requests):
    rows = create_members(*[save_file() for _ in range(5)])
    assert upload(limit=2) == "2 moved, 0 skipped, 0 failed\n"
    assert sum(map(is_uploaded, rows)) == 2
    assert upload(limit=9) == "3 moved, 0 skipped, 0 failed\n"
    assert len(list_requests()) == 5


def test_upload_of_shared_file_sends_one_signal(upload, on_upload):
    signals = []

    def receiver(**kwargs: Any) -> None:
        signals.append((kwargs["name"], kwargs["picture"].url))
        # A query works only in the thread of the test, because of its transaction.
        Member.objects.count()

    create_members(*[name := save_file()] * 2)
    on_upload(receiver)
    upload()
    assert signals == [(name, Member.objects.first().photo.name)]


@pytest.mark.parametrize(
    "arguments",
    [["--workers=0"], ["--workers=x"], ["--rate=-1"], ["--rate=x"], ["--rate=nan"], ["--limit=0"]],
)
def test_upload_with_invalid_argument_raises(arguments):
    with pytest.raises(CommandError, match="argument --"):
        call_command("groupme_upload", *arguments)


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_upload_of_row_hidden_by_manager_changes_it(upload):
    Hidden(photo=save_file_as()).save()
    assert upload() == "1 moved, 0 skipped, 0 failed\n"
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT photo FROM gallery_hidden")
        assert "48x32.jpeg" in cursor.fetchone()[0]


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_upload_of_table_without_primary_key_skips_it(upload):
    create_members(save_file_as())
    with member_view("default", "SELECT 'photos/cat.jpg' AS photo"):
        assert upload() == "1 moved, 0 skipped, 0 failed\n"


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_upload_of_view_of_unmanaged_model_skips_it(upload):
    (member,) = create_members(save_file_as())
    with member_view("default", "SELECT id, photo FROM gallery_member"):
        assert upload() == "1 moved, 0 skipped, 0 failed\n"
        assert "unmanaged: it is a database view" in upload("gallery.MemberView", verbosity=0)
    assert is_uploaded(member)
