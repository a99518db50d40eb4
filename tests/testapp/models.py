"""Models with image fields in various configurations."""

import uuid

from django.db import models
from django.utils import timezone

from django_groupme_images.fields import GroupMeImageField
from django_groupme_images.storage import GroupMeStorage


def make_storage() -> GroupMeStorage:
    return GroupMeStorage()


class Member(models.Model):
    """The model of the README: an optional image."""

    name = models.CharField(max_length=50)
    photo = GroupMeImageField(blank=True)

    def __str__(self) -> str:
        return self.name


class Measured(models.Model):
    """Model with nullable fields for the dimensions."""

    photo = GroupMeImageField(width_field="width", height_field="height")
    width = models.PositiveIntegerField(null=True, editable=False)
    height = models.PositiveIntegerField(null=True, editable=False)


class MeasuredChild(Measured):
    """Model that inherits the dimension fields of its parent."""


class Sized(models.Model):
    """Model with required fields for the dimensions."""

    title = models.CharField(max_length=50, blank=True)
    photo = GroupMeImageField(width_field="width", height_field="height")
    width = models.PositiveIntegerField(editable=False)
    height = models.PositiveIntegerField(editable=False)


class Nullable(models.Model):
    """Model with a nullable image field that is not unique."""

    photo = GroupMeImageField(null=True, blank=True)


class Ticket(models.Model):
    """Model with a primary key that JSON cannot represent."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    photo = GroupMeImageField()


class Unique(models.Model):
    """Model with a unique image field, which stores NULL if it is empty."""

    photo = GroupMeImageField(null=True, blank=True, unique=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~models.Q(photo="x"), name="photo_is_not_x"),
        ]


class Pictured(models.Model):
    """An abstract model with an image field."""

    photo = GroupMeImageField()

    class Meta:
        abstract = True


class Group(Pictured):
    """Model with an inherited image field and a second one."""

    banner = GroupMeImageField(blank=True)


class Club(Group):
    """Model with multi-table inheritance."""

    motto = models.CharField(max_length=50, blank=True)


class Team(Club):
    """Model that has an image and a relation as its primary key."""

    crest = GroupMeImageField(blank=True)


class JuniorTeam(Team):
    """Child of a model whose primary key is a relation."""


class Plain(models.Model):
    """Django's ``ImageField`` with ``GroupMeStorage``, from a callable and as an instance."""

    photo = models.ImageField(storage=make_storage)
    other = models.ImageField(storage=GroupMeStorage(access_token="marked-t0ken"), blank=True)


class Local(models.Model):
    """Django's ``ImageField`` with the default storage."""

    photo = models.ImageField(upload_to="local")


class Unmanaged(models.Model):
    """Model without a database table."""

    file = models.FileField()

    class Meta:
        managed = False


class Label(models.Model):
    """The first of two parents with different primary keys."""

    label_id = models.BigAutoField(primary_key=True)


class Poster(models.Model):
    """The second parent, with an image field."""

    poster_id = models.BigAutoField(primary_key=True)
    photo = GroupMeImageField()


class LabelledPoster(Label, Poster):
    """Model that inherits from both parents."""


class FramedPoster(LabelledPoster):
    """Model that inherits from both parents indirectly."""


class Album(models.Model):
    """Model with images in a related model, for formsets."""

    title = models.CharField(max_length=50)

    def __str__(self) -> str:
        return self.title


class Photo(models.Model):
    """Model with a required image."""

    album = models.ForeignKey(Album, models.CASCADE)
    picture = GroupMeImageField()
    caption = models.CharField(max_length=50)

    def __str__(self) -> str:
        return self.caption


class Trip(models.Model):
    """Model with an image of its own, and images in a related model, for stacked inlines."""

    title = models.CharField(max_length=50)
    cover = GroupMeImageField(blank=True)

    def __str__(self) -> str:
        return self.title


class Stop(models.Model):
    """Model with a field that the admin displays as two inputs, with a hidden initial value."""

    trip = models.ForeignKey(Trip, models.CASCADE)
    picture = GroupMeImageField()
    place = models.CharField(max_length=50)
    visited = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.place


class Note(models.Model):
    """Model without an image."""

    trip = models.ForeignKey(Trip, models.CASCADE)
    text = models.CharField(max_length=50)


def brand_logo() -> str:
    return "brands/logo.png"


class Profile(models.Model):
    """Model with a default image."""

    photo = GroupMeImageField(default="profiles/default.png", blank=True)
    other = models.ImageField(
        storage=GroupMeStorage(access_token="marked-t0ken"), default="profiles/default.png"
    )


class Brand(models.Model):
    """Model with Django's file fields that have defaults, and a ``FilePathField``."""

    logo = models.FileField(default=brand_logo)
    icon = models.FileField(db_default="brands/icon.png")
    banner = models.FileField(default="")
    manual = models.FilePathField(path="/srv/media", blank=True)


class VisibleManager(models.Manager[models.Model]):
    def get_queryset(self) -> models.QuerySet[models.Model]:
        return super().get_queryset().filter(is_hidden=False)


class Hidden(models.Model):
    """Model whose managers all exclude hidden rows."""

    is_hidden = models.BooleanField(default=True)
    photo = GroupMeImageField(blank=True)
    document = models.FileField(blank=True)

    objects = VisibleManager()

    class Meta:
        base_manager_name = "objects"


class MemberView(models.Model):
    """Model without a table. A test may create a database view for it."""

    photo = GroupMeImageField()

    class Meta:
        managed = False
        db_table = "gallery_member_view"


class Shelf(models.Model):
    """Model with ordered images in a related model, for the admin's inlines."""

    title = models.CharField(max_length=50)

    def __str__(self) -> str:
        return self.title


class ShelfPhoto(models.Model):
    """Model with an image, a position, and fields whose admin widgets have scripts."""

    shelf = models.ForeignKey(Shelf, models.CASCADE)
    picture = GroupMeImageField()
    caption = models.CharField(max_length=50, blank=True)
    slug = models.SlugField(blank=True)
    taken = models.DateField(null=True, blank=True)
    album = models.ForeignKey(Album, models.SET_NULL, null=True, blank=True)
    position = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["position", "pk"]

    def __str__(self) -> str:
        return self.caption or "untitled"


class StackedShelf(Shelf):
    """Proxy model for a second admin class."""

    class Meta:
        proxy = True
