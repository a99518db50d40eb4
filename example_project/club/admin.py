from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.html import format_html

from django_groupme_images.exceptions import ServiceError
from django_groupme_images.fields import GroupMeImageFieldFile

from .forms import apology
from .models import Album, Member, Photo


class UploadAdmin(admin.ModelAdmin):
    """Tells of a picture that the image service did not take, instead of failing."""

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return super().changeform_view(request, *args, **kwargs)
        except ServiceError as error:
            self.message_user(request, apology(error), messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())


def thumbnail(picture: GroupMeImageFieldFile) -> str:
    if not picture:
        return ""
    return format_html('<img src="{}" width="60" height="60" alt="">', picture.avatar_url)


@admin.register(Member)
class MemberAdmin(UploadAdmin):
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
    list_display = ["thumbnail", "caption", "album", "taken", "by"]
    list_display_links = ["caption"]
    list_filter = ["album", "by"]
    list_select_related = ["album", "by"]
    search_fields = ["caption"]

    @admin.display(description="picture")
    def thumbnail(self, photo: Photo) -> str:
        return thumbnail(photo.picture)
