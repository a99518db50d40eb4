"""The admin's change list with and without a column of thumbnails."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from .measure import OURS, Result, Target, Way, compare, count_calls
from .project import create_tables, image_urls, set_up

WITHOUT = "without a thumbnail column"
WITH_TEXT = "with a text column instead"

ROWS = (1, 10, 100, 1_000)

urlpatterns: list[Any] = []


def results(quick: bool) -> Iterator[Result]:
    apps = ("admin", "auth", "contenttypes", "messages", "staticfiles")
    set_up(
        apps=[f"django.contrib.{app}" for app in apps],
        MIDDLEWARE=["django.contrib.messages.middleware.MessageMiddleware"],
        MESSAGE_STORAGE="django.contrib.messages.storage.cookie.CookieStorage",
        ROOT_URLCONF=__name__,
        STATIC_URL="static/",
        SECRET_KEY="any",
    )
    from django.contrib.admin import display

    from django_groupme_images.admin import thumbnail

    @display(ordering="last_name")  # The column of thumbnails is also sortable.
    def text(row: Any) -> str:
        return row.last_name

    prepare = _change_list()
    ways = {
        OURS: partial(prepare, [thumbnail("photo")]),
        WITHOUT: partial(prepare, []),
        WITH_TEXT: partial(prepare, [text]),
    }
    targets = [(WITHOUT, 100, 1.1), (WITH_TEXT, 100, 1.05)]
    # The number of rounds is high, because the difference is small.
    yield compare(
        "Admin change list", "rows", ways, sizes=ROWS, targets=targets, rounds=25, quick=quick
    )
    yield _count_calls({name: ways[name] for name in (OURS, WITHOUT)})


def _count_calls(ways: Mapping[str, Way]) -> Result:
    counts = {name: count_calls(prepare(100)) for name, prepare in ways.items()}
    more = counts[OURS]["queries"] - counts[WITHOUT]["queries"]
    calls = counts[OURS]["storage calls"]
    text = "no additional queries, and no storage calls"
    return Result(
        "Queries and calls for an admin change list of 100 rows",
        ["", *counts[OURS]],
        [[name, *map(str, each.values())] for name, each in counts.items()],
        [
            Target(
                text,
                f"{more}, {calls}",
                more == calls == 0,
            )
        ],
    )


def _change_list() -> Callable[[list[Any], int], Callable[[], object]]:
    """Create users with photos, and return a function that prepares pages with extra columns."""
    from django.contrib import admin
    from django.contrib.auth.models import User
    from django.contrib.messages.storage import default_storage
    from django.test import RequestFactory
    from django.urls import path

    _create_users()
    urlpatterns.append(path("admin/", admin.site.urls))
    request = RequestFactory().get("/admin/auth/user/")
    request.user = User(is_staff=True, is_superuser=True, is_active=True)
    request._messages = default_storage(request)

    def prepare(columns: list[Any], size: int) -> Callable[[], object]:
        page = admin.ModelAdmin(User, admin.site)
        # The first columns are those of Django's UserAdmin.
        page.list_display = ["username", "email", "first_name", "last_name", "is_staff", *columns]
        page.list_per_page = size
        return lambda: page.changelist_view(request).render()

    return prepare


def _create_users() -> None:
    from django.contrib.auth.models import User
    from django.contrib.contenttypes.models import ContentType

    from django_groupme_images.fields import GroupMeImageField

    User.add_to_class("photo", GroupMeImageField())
    create_tables(User, ContentType)
    User.objects.bulk_create(
        User(
            username=f"member{n}",
            email=f"{n}@example.com",
            first_name=f"First {n}",
            last_name=f"Last {n % 7}",
            is_staff=n % 3 == 0,
            photo=url,
        )
        for n, url in enumerate(image_urls(ROWS[-1]))
    )
