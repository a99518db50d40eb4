from __future__ import annotations

import datetime

from django.db import models
from django.db.models import Max, Q
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
        """Return the initials that replace a missing avatar."""
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

    def last_position(self) -> int:
        """Return the position of the last photo, or 0."""
        return self.photos.aggregate(last=Max("position", default=0))["last"]


class Photo(models.Model):
    album = models.ForeignKey(Album, models.CASCADE, related_name="photos", verbose_name=_("album"))
    picture = GroupMeImageField(_("image"), alt_field="alt")
    caption = models.CharField(_("caption"), max_length=120)
    alternative_text = models.CharField(
        _("alternative text"),
        max_length=200,
        blank=True,
        help_text=_(
            "What the image shows, for people who cannot see it. If empty, the caption is used."
        ),
    )
    taken = models.DateField(_("taken"), default=datetime.date.today)
    by = models.ForeignKey(
        Member,
        models.SET_NULL,
        blank=True,
        null=True,
        related_name="photos",
        verbose_name=_("added by"),
    )
    position = models.PositiveIntegerField(_("position"), default=0)

    class Meta:
        ordering = ["position", "pk"]
        verbose_name = _("photo")
        verbose_name_plural = _("photos")

    def __str__(self) -> str:
        return self.caption

    def get_absolute_url(self) -> str:
        return reverse("photo", args=[self.pk])

    @property
    def alt(self) -> str:
        return self.alternative_text or self.caption

    @property
    def previous(self) -> Photo | None:
        is_before = Q(position__lt=self.position) | Q(position=self.position, pk__lt=self.pk)
        return self.album.photos.filter(is_before).last()

    @property
    def next(self) -> Photo | None:
        is_after = Q(position__gt=self.position) | Q(position=self.position, pk__gt=self.pk)
        return self.album.photos.filter(is_after).first()
