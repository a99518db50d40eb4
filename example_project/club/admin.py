from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html

from django_groupme_images.exceptions import ServiceError
from django_groupme_images.fields import GroupMeImageFieldFile

from .forms import apology
from .models import Album, Member, Photo


class UploadForm(forms.ModelForm):
    #: The field whose upload failed, and what to say of it.
    failure: tuple[str, str] | None = None

    def clean(self) -> dict[str, Any] | None:
        cleaned_data = super().clean()
        if self.failure:
            self.add_error(*self.failure)
        return cleaned_data


class UploadAdmin(admin.ModelAdmin):
    """Tells of a picture that the image service did not take, instead of failing."""

    form = UploadForm
    picture_field: str

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        # Saving uploads, and only then does the service say whether it takes the picture.
        try:
            return super().changeform_view(request, *args, **kwargs)
        except ServiceError as error:
            request.upload_failure = self.picture_field, apology(error)
        # Once more, with a form that is not valid: nothing is saved, and all input is kept.
        return super().changeform_view(request, *args, **kwargs)

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> type[UploadForm]:
        form = super().get_form(request, *args, **kwargs)  # a new class at every call
        form.failure = getattr(request, "upload_failure", None)
        return form


def thumbnail(picture: GroupMeImageFieldFile) -> str:
    if not picture:
        return ""
    return format_html('<img src="{}" width="60" height="60" alt="">', picture.avatar_url)


@admin.register(Member)
class MemberAdmin(UploadAdmin):
    picture_field = "avatar"
    list_display = ["thumbnail", "name", "role", "joined"]
    list_display_links = ["name"]
    search_fields = ["name", "role"]

    @admin.display(description="avatar")
    def thumbnail(self, member: Member) -> str:
        return thumbnail(member.avatar)


@admin.register(Album)
class AlbumAdmin(admin.ModelAdmin):
    list_display = ["title", "date"]
    prepopulated_fields = {"slug": ["title"]}


@admin.register(Photo)
class PhotoAdmin(UploadAdmin):
    picture_field = "picture"
    list_display = ["thumbnail", "caption", "album", "taken", "by"]
    list_display_links = ["caption"]
    list_filter = ["album", "by"]
    list_select_related = ["album", "by"]
    search_fields = ["caption"]

    @admin.display(description="picture")
    def thumbnail(self, photo: Photo) -> str:
        return thumbnail(photo.picture)
