"""Admin classes: a default one, and ones with thumbnails, inlines, and editable lists."""

from django.contrib import admin

from django_groupme_images.admin import thumbnail, upload_now

from .models import (
    Album,
    Member,
    Note,
    Photo,
    Shelf,
    ShelfPhoto,
    StackedShelf,
    Stop,
    Trip,
    Unique,
)

admin.site.register(Unique)


@admin.register(Member)
class MemberAdmin(admin.ModelAdmin):
    list_display = ["name", thumbnail("photo"), "photo"]
    list_editable = ["photo"]
    list_filter = ["photo"]
    search_fields = ["name"]
    actions = [upload_now]


class PhotoInline(admin.TabularInline):
    model = Photo
    extra = 1


@admin.register(Album)
class AlbumAdmin(admin.ModelAdmin):
    inlines = [PhotoInline]
    search_fields = ordering = ["title"]


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


class ShelfPhotoInline(admin.TabularInline):
    model = ShelfPhoto
    extra = 0
    fields = ["picture", "caption", "slug", "taken", "album", "position"]
    prepopulated_fields = {"slug": ["caption"]}
    autocomplete_fields = ["album"]


@admin.register(Shelf)
class ShelfAdmin(admin.ModelAdmin):
    inlines = [ShelfPhotoInline]


class StackedShelfPhotoInline(admin.StackedInline):
    model = ShelfPhoto
    extra = 2
    max_num = 6
    fields = ["picture", "caption", "album", "position"]
    raw_id_fields = ["album"]


@admin.register(StackedShelf)
class StackedShelfAdmin(admin.ModelAdmin):
    inlines = [StackedShelfPhotoInline]
