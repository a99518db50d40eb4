"""Admin classes: a default one, and ones with thumbnails, inlines, and editable lists."""

from django.contrib import admin

from django_groupme_images.admin import thumbnail

from .models import Album, Member, Note, Photo, Stop, Trip, Unique

admin.site.register(Unique)


@admin.register(Member)
class MemberAdmin(admin.ModelAdmin):
    list_display = ["name", thumbnail("photo"), "photo"]
    list_editable = ["photo"]


class PhotoInline(admin.TabularInline):
    model = Photo
    extra = 1


@admin.register(Album)
class AlbumAdmin(admin.ModelAdmin):
    inlines = [PhotoInline]


@admin.register(Photo)
class PhotoAdmin(admin.ModelAdmin):
    list_display = [thumbnail("picture", alt=str), "caption", "album"]
    list_select_related = ["album"]
    readonly_fields = [thumbnail("picture", variant="preview")]


class StopInline(admin.StackedInline):
    model = Stop
    extra = 1


class NoteInline(admin.TabularInline):
    model = Note
    extra = 1


@admin.register(Trip)
class TripAdmin(admin.ModelAdmin):
    inlines = [StopInline, NoteInline]
    save_as = True
