"""Tests of the selected rows of the admin's action."""

from __future__ import annotations

import pytest
from django.db.models import Value

from django_groupme_images.bulk.selection import SelectedRows
from tests.support.bulk import create_members, is_uploaded, save_file
from tests.support.urls_of_pictures import JPEG
from tests.testapp.models import Album, Member, Photo

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("emulator", "fallback")]


def test_count_of_annotated_rows_counts_each_kind():
    create_members("a.jpg", "b.jpg", "https://i.groupme.com/123456789", "")
    annotated = Member.objects.annotate(pending_0=Value(1), groupme_0=Value(2))
    assert SelectedRows(annotated).count() == {"groupme": 1, "pending": 2, "empty": 1, "other": 0}


def test_rows_that_a_join_returns_several_times_count_once():
    album = Album.objects.create()
    pending = Photo.objects.create(album=album, picture=save_file(), caption="x")
    for _ in range(2):
        Photo.objects.create(album=album, picture=JPEG, caption="x")
    rows = SelectedRows(Photo.objects.filter(album__photo__caption="x"))
    assert rows.count() == {"groupme": 2, "pending": 1, "empty": 0, "other": 0}
    results = list(rows.upload(rows.with_pending_files()))
    assert [result.outcome for _, result in results] == ["moved"]
    assert is_uploaded(pending, "picture")
