"""The admin's change list, with a column of thumbnails and without."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from . import project
from .contest import OURS, Aim, Contest, Result, Verdict, Way
from .counting import asked_by
from .parsing import urls

_MOST = 10_000

_APPS = ("admin", "auth", "contenttypes", "messages", "staticfiles")

urlpatterns: list[Any] = []


def results(shorten: bool = False) -> Iterator[Result]:
    project.set_up(
        apps=[f"django.contrib.{app}" for app in _APPS],
        MIDDLEWARE=["django.contrib.messages.middleware.MessageMiddleware"],
        MESSAGE_STORAGE="django.contrib.messages.storage.cookie.CookieStorage",
        ROOT_URLCONF=__name__,
        STATIC_URL="static/",
        SECRET_KEY="none is needed",
    )
    change_list = _admin()
    # As Django's own list of users has them.
    usual = ["username", "email", "first_name", "last_name", "is_staff"]
    without, with_text = "without a column of thumbnails", "with a column of text in its place"
    ways = [
        Way(OURS, change_list([*usual, "photo"])),
        Way(without, change_list(usual)),
        Way(with_text, change_list([*usual, "text"])),
    ]
    aims = [Aim(without, 100, 1.1), Aim(with_text, 100, 1.1)]
    yield Contest("The admin's change list", "rows", ways, aims=aims).result(shorten)
    yield _counts(*(way.prepare(100) for way in ways[:2]))


def _counts(ours: Callable[[], object], without: Callable[[], object]) -> Result:
    asked = {OURS: asked_by(ours), "without": asked_by(without)}
    more = asked[OURS].queries - asked["without"].queries
    requests = asked[OURS].storage.total()
    return Result(
        "What the change list of 100 rows asks for",
        ["", "queries", "calls of the cache", "calls of the storage and its client"],
        [
            [name, str(each.queries), str(each.cache.total()), str(each.storage.total())]
            for name, each in asked.items()
        ],
        [{"way": name, **each.numbers()} for name, each in asked.items()],
        [Verdict("no further query, and no request", f"{more}, {requests}", more == requests == 0)],
    )


def _admin() -> Callable[[list[str]], Callable[[int], Callable[[], object]]]:
    """Gives the page with these columns, for a number of rows a page."""
    from django.contrib import admin
    from django.contrib.auth.models import User
    from django.contrib.contenttypes.models import ContentType
    from django.contrib.messages.storage import default_storage
    from django.db import models
    from django.test import RequestFactory
    from django.urls import path

    from django_groupme_images.admin import thumbnail
    from django_groupme_images.fields import GroupMeImageField

    class Member(models.Model):
        username = models.CharField()
        email = models.EmailField()
        first_name = models.CharField()
        last_name = models.CharField()
        is_staff = models.BooleanField()
        photo = GroupMeImageField()

    class MemberAdmin(admin.ModelAdmin):
        columns = {"photo": thumbnail("photo"), "text": admin.display(lambda row: row.last_name)}

        def __init__(self, shown: list[str], size: int) -> None:
            super().__init__(Member, admin.site)
            self.list_display = [self.columns.get(name, name) for name in shown]
            self.list_per_page = size

    project.create(User, ContentType, Member)
    Member.objects.bulk_create(_member(Member, n, url) for n, url in enumerate(urls(_MOST)))
    admin.site.register(Member)
    urlpatterns.append(path("admin/", admin.site.urls))
    request = RequestFactory().get("/admin/benchmarks/member/")
    request.user = User(is_staff=True, is_superuser=True, is_active=True)
    request._messages = default_storage(request)

    def change_list(shown: list[str]) -> Callable[[int], Callable[[], object]]:
        def prepare(size: int) -> Callable[[], object]:
            page = MemberAdmin(shown, size)
            return lambda: page.changelist_view(request).render()

        return prepare

    return change_list


def _member(model: Any, n: int, url: str) -> Any:
    return model(
        username=f"member{n}",
        email=f"{n}@example.com",
        first_name=f"First {n}",
        last_name=f"Last {n % 7}",
        is_staff=n % 3 == 0,
        photo=url,
    )
