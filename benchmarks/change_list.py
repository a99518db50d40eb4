"""The admin's change list, with a column of thumbnails and without."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from . import project
from .contest import OURS, Aim, Contest, Result, Way
from .parsing import urls

_MOST = 1_000

_APPS = ("admin", "auth", "contenttypes", "messages", "staticfiles")

urlpatterns: list[Any] = []


def results(shorten: bool = False) -> Iterator[Result]:
    project.set_up(
        apps=[f"django.contrib.{app}" for app in _APPS],
        MIDDLEWARE=["django.contrib.messages.middleware.MessageMiddleware"],
        MESSAGE_STORAGE="django.contrib.messages.storage.cookie.CookieStorage",
        ROOT_URLCONF=__name__,
        STATIC_URL="static/",
        SECRET_KEY="none is needed",  # noqa: S106
    )
    change_list = _admin()
    # As many, and of such kinds, as Django's own list of users has.
    usual = ["name", "email", "town", "joined", "active"]
    yield Contest(
        "The admin's change list",
        "rows",
        [
            Way(OURS, change_list([*usual, "photo"])),
            Way("without a column of thumbnails", change_list(usual)),
            Way("with the town once more in its place", change_list([*usual, "town_again"])),
        ],
        sizes=(1, 10, 100, _MOST),
        aims=[
            Aim("without a column of thumbnails", 100, 1.1),
            Aim("with the town once more in its place", 100, 1.1),
        ],
        notes=["That it asks for no query and no request more is tested in `tests/test_admin.py`."],
    ).result(shorten)


def _admin() -> Callable[[list[str]], Callable[[int], Callable[[], object]]]:
    """Gives the page with these columns, for a number of rows a page."""
    from django.contrib import admin
    from django.contrib.auth.models import User
    from django.contrib.messages.storage import default_storage
    from django.db import models
    from django.test import RequestFactory
    from django.urls import path

    from django_groupme_images.admin import thumbnail
    from django_groupme_images.fields import GroupMeImageField

    class Member(models.Model):
        name = models.CharField()
        email = models.EmailField()
        town = models.CharField()
        active = models.BooleanField()
        joined = models.DateField()
        photo = GroupMeImageField()

    class MemberAdmin(admin.ModelAdmin):
        columns = {"photo": thumbnail("photo"), "town_again": admin.display(lambda row: row.town)}

        def __init__(self, shown: list[str], size: int) -> None:
            super().__init__(Member, admin.site)
            self.list_display = [self.columns.get(name, name) for name in shown]
            self.list_per_page = size

    from django.contrib.contenttypes.models import ContentType

    project.create(User, ContentType, Member)
    Member.objects.bulk_create(
        Member(
            name=f"Member {n}",
            email=f"{n}@example.com",
            town=f"Town {n % 7}",
            joined="2026-01-02",
            active=n % 3 > 0,
            photo=url,
        )
        for n, url in enumerate(urls(_MOST))
    )
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
