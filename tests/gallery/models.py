"""Models of every shape that the tests need."""

import uuid

from django.db import models

from django_groupme_images.fields import GroupMeImageField
from django_groupme_images.storage import GroupMeStorage


def make_storage() -> GroupMeStorage:
    return GroupMeStorage()


class Member(models.Model):
    """The plain case, and the one in the README."""

    name = models.CharField(max_length=50)
    photo = GroupMeImageField(blank=True)

    def __str__(self) -> str:
        return self.name


class Measured(models.Model):
    """With the dimensions in columns of their own."""

    photo = GroupMeImageField(width_field="width", height_field="height")
    width = models.PositiveIntegerField(null=True, editable=False)
    height = models.PositiveIntegerField(null=True, editable=False)


class MeasuredChild(Measured):
    """Its parent's dimensions."""


class Ticket(models.Model):
    """With a key that JSON has no word for."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    photo = GroupMeImageField()


class Unique(models.Model):
    """With a column that holds NULL where there is no picture."""

    photo = GroupMeImageField(null=True, blank=True, unique=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~models.Q(photo="x"), name="photo_is_not_x"),
        ]


class Pictured(models.Model):
    """An abstract parent."""

    photo = GroupMeImageField()

    class Meta:
        abstract = True


class Group(Pictured):
    """Has its field from an abstract parent, and a second one."""

    banner = GroupMeImageField(blank=True)


class Club(Group):
    """Multi-table inheritance."""

    motto = models.CharField(max_length=50, blank=True)


class Plain(models.Model):
    """Django's own field on our storage: given by a callable, and as an instance with a token."""

    photo = models.ImageField(storage=make_storage)
    other = models.ImageField(storage=GroupMeStorage(access_token="marked-t0ken"), blank=True)


class Local(models.Model):
    """Django's own field on a storage of this machine."""

    photo = models.ImageField(upload_to="local")


class Unmanaged(models.Model):
    """Whose table is not there."""

    file = models.FileField()

    class Meta:
        managed = False


class Label(models.Model):
    """One of two parents, with keys that differ."""

    label_id = models.BigAutoField(primary_key=True)


class Poster(models.Model):
    """The other, which has the picture."""

    poster_id = models.BigAutoField(primary_key=True)
    photo = GroupMeImageField()


class LabelledPoster(Label, Poster):
    """Of both."""


class FramedPoster(LabelledPoster):
    """Of both, by way of another."""


class Album(models.Model):
    """With pictures in rows of their own, for formsets."""

    title = models.CharField(max_length=50)

    def __str__(self) -> str:
        return self.title


class Photo(models.Model):
    """With a picture that has to be there."""

    album = models.ForeignKey(Album, models.CASCADE)
    picture = GroupMeImageField()
    caption = models.CharField(max_length=50)

    def __str__(self) -> str:
        return self.caption


def brand_logo() -> str:
    return "brands/logo.png"


class Profile(models.Model):
    """With a default file."""

    photo = GroupMeImageField(default="profiles/default.png", blank=True)
    other = models.ImageField(
        storage=GroupMeStorage(access_token="marked-t0ken"), default="profiles/default.png"
    )


class Brand(models.Model):
    """With the default files of Django's own fields, and a path."""

    logo = models.FileField(default=brand_logo)
    icon = models.FileField(db_default="brands/icon.png")
    banner = models.FileField(default="")
    manual = models.FilePathField(path="/srv/media", blank=True)


class VisibleManager(models.Manager[models.Model]):
    def get_queryset(self) -> models.QuerySet[models.Model]:
        return super().get_queryset().filter(is_hidden=False)


class Hidden(models.Model):
    """Whose managers all hide rows."""

    is_hidden = models.BooleanField(default=True)
    photo = GroupMeImageField(blank=True)
    document = models.FileField(blank=True)

    objects = VisibleManager()

    class Meta:
        base_manager_name = "objects"


class MemberView(models.Model):
    """Whose table is missing, or a view that a test creates."""

    photo = GroupMeImageField()

    class Meta:
        managed = False
        db_table = "gallery_member_view"
