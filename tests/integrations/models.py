"""Models with the fields of each third-party app."""

from contextlib import contextmanager

from django.db import models
from django_cleanup import cleanup
from easy_thumbnails.fields import ThumbnailerImageField
from imagekit.models import ImageSpecField, ProcessedImageField
from imagekit.processors import ResizeToFill
from wagtail.images.models import (
    AbstractImage,
    AbstractRendition,
    Image,
    SourceImageIOError,
    WagtailImageField,
)

from django_groupme_images.exceptions import PictureNotFound
from django_groupme_images.fields import GroupMeImageField
from django_groupme_images.storage import groupme_storage


class Member(models.Model):
    name = models.CharField(max_length=50)
    photo = GroupMeImageField(blank=True)

    def __str__(self) -> str:
        return self.name


class ImageKitMember(models.Model):
    """Model with thumbnails of django-imagekit."""

    photo = GroupMeImageField()
    square = ImageSpecField([ResizeToFill(100, 100)], source="photo", format="JPEG")
    formatless = ImageSpecField([ResizeToFill(100, 100)], source="photo")
    on_groupme = ImageSpecField(
        [ResizeToFill(100, 100)], source="photo", format="JPEG", cachefile_storage=groupme_storage
    )


class ResizedMember(models.Model):
    """Model with fields that resize an image before it is uploaded."""

    processed = ProcessedImageField(
        [ResizeToFill(100, 100)], format="JPEG", storage=groupme_storage, blank=True
    )
    resized = ThumbnailerImageField(
        resize_source={"size": (100, 100), "crop": True}, storage=groupme_storage, blank=True
    )


class ThumbnailOnGroupMeMember(models.Model):
    """Model whose images and thumbnails of easy-thumbnails are both on GroupMe."""

    photo = ThumbnailerImageField(storage=groupme_storage, thumbnail_storage=groupme_storage)


@cleanup.select
class CleanupMember(models.Model):
    """Model whose files django-cleanup deletes."""

    photo = GroupMeImageField(blank=True)


class SitePicture(AbstractImage):
    file = GroupMeImageField(
        upload_to="original_images", width_field="width", height_field="height"
    )
    admin_form_fields = Image.admin_form_fields

    @contextmanager
    def open_file(self):
        try:
            with super().open_file() as file:
                yield file
        except PictureNotFound as error:  # Wagtail handles this exception only.
            raise SourceImageIOError(str(error)) from error


class SiteRendition(AbstractRendition):
    image = models.ForeignKey(SitePicture, models.CASCADE, related_name="renditions")

    class Meta:
        unique_together = [("image", "filter_spec", "focal_point_key")]


class PublicPicture(AbstractImage):
    """Wagtail image whose renditions are on GroupMe."""

    file = GroupMeImageField(width_field="width", height_field="height")


class PublicRendition(AbstractRendition):
    image = models.ForeignKey(PublicPicture, models.CASCADE, related_name="renditions")
    file = WagtailImageField(storage=groupme_storage, width_field="width", height_field="height")

    class Meta:
        unique_together = [("image", "filter_spec", "focal_point_key")]
