from typing import Any

from django.contrib.messages.views import SuccessMessageMixin
from django.db.models import Count
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.utils.html import format_html
from django.views.generic import CreateView, DeleteView, DetailView, ListView, UpdateView

from .forms import PhotoForm
from .models import Album, Member, Photo


class AlbumList(ListView):
    queryset = Album.objects.prefetch_related("photos")


class AlbumDetail(DetailView):
    queryset = Album.objects.prefetch_related("photos")


class PhotoDetail(DetailView):
    queryset = Photo.objects.select_related("album", "by")


class MemberList(ListView):
    queryset = Member.objects.annotate(photo_count=Count("photos"))


class PhotoAdd(SuccessMessageMixin, CreateView):
    form_class = PhotoForm
    template_name = "club/photo_add.html"

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        self.album = get_object_or_404(Album, slug=kwargs["slug"])

    def get_form_kwargs(self) -> dict[str, Any]:
        photo = Photo(album=self.album, position=self.album.last_position())
        return super().get_form_kwargs() | {"instance": photo}

    def get_success_message(self, cleaned_data: dict[str, Any]) -> str:
        url = self.object.get_absolute_url()
        return format_html('“<a href="{}">{}</a>” is in the album.', url, self.object.caption)

    def get_success_url(self) -> str:
        return self.album.get_absolute_url()


class PhotoEdit(SuccessMessageMixin, UpdateView):
    queryset = Photo.objects.select_related("album")
    form_class = PhotoForm
    template_name = "club/photo_edit.html"
    success_message = "Your changes were saved."


class PhotoDelete(SuccessMessageMixin, DeleteView):
    queryset = Photo.objects.select_related("album")

    def get_success_message(self, cleaned_data: dict[str, Any]) -> str:
        return f"“{self.object.caption}” was deleted from the album."

    def get_success_url(self) -> str:
        return self.object.album.get_absolute_url()
