from __future__ import annotations

import datetime
from collections.abc import Callable

from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from django_groupme_images.fields import GroupMeImageField


class Member(models.Model):
    name = models.CharField(_("name"), max_length=80)
    role = models.CharField(_("role"), max_length=80, blank=True)
    joined = models.DateField(_("joined"), default=datetime.date.today)
    avatar = GroupMeImageField(_("avatar"), blank=True)

    class Meta:
        ordering = ["joined", "pk"]
        verbose_name = _("member")
        verbose_name_plural = _("members")

    def __str__(self) -> str:
        return self.name

    @property
    def initials(self) -> str:
        """Return the text that replaces a missing avatar."""
        return "".join(word[0] for word in self.name.split()[:2]).upper()


class Album(models.Model):
    title = models.CharField(_("title"), max_length=80)
    slug = models.SlugField(_("slug"), unique=True)
    date = models.DateField(_("date"), default=datetime.date.today)
    description = models.TextField(_("description"), blank=True)

    class Meta:
        ordering = ["-date", "-pk"]
        verbose_name = _("album")
        verbose_name_plural = _("albums")

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("album", args=[self.slug])


class Photo(models.Model):
    album = models.ForeignKey(Album, models.CASCADE, related_name="photos", verbose_name=_("album"))
    picture = GroupMeImageField(_("picture"))
    caption = models.CharField(_("caption"), max_length=120)
    taken = models.DateField(_("taken"), default=datetime.date.today)
    by = models.ForeignKey(
        Member,
        models.SET_NULL,
        blank=True,
        null=True,
        related_name="photos",
        verbose_name=_("added by"),
    )

    class Meta:
        ordering = ["taken", "pk"]
        verbose_name = _("photo")
        verbose_name_plural = _("photos")

    def __str__(self) -> str:
        return self.caption

    def get_absolute_url(self) -> str:
        return reverse("photo", args=[self.pk])

    @property
    def previous(self) -> Photo | None:
        return self._adjacent(self.get_previous_by_taken)

    @property
    def next(self) -> Photo | None:
        return self._adjacent(self.get_next_by_taken)

    def _adjacent(self, step: Callable[..., Photo]) -> Photo | None:
        try:
            return step(album=self.album_id)
        except Photo.DoesNotExist:
            return None
