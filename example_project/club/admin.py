from django.contrib import admin

from django_groupme_images.admin import thumbnail, upload_now

from .models import Album, Member, Photo


class PhotoInline(admin.TabularInline):
    model = Photo
    fields = ["picture", "caption", "position"]
    extra = 1


@admin.register(Member)
class MemberAdmin(admin.ModelAdmin):
    list_display = ["name", thumbnail("avatar"), "role", "joined"]
    list_filter = ["avatar"]
    actions = [upload_now]
    search_fields = ["name", "role"]


@admin.register(Album)
class AlbumAdmin(admin.ModelAdmin):
    list_display = ["title", "date"]
    prepopulated_fields = {"slug": ["title"]}
    inlines = [PhotoInline]


@admin.register(Photo)
class PhotoAdmin(admin.ModelAdmin):
    fields = ["album", "picture", "caption", "alternative_text", "taken", "by"]
    list_display = ["caption", thumbnail("picture"), "album", "taken", "by"]
    list_filter = ["picture", "album", "by"]
    actions = [upload_now]
    list_select_related = ["album", "by"]
    search_fields = ["caption"]
