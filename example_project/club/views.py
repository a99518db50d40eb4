from typing import Any

from django.contrib import messages
from django.contrib.messages.views import SuccessMessageMixin
from django.db import transaction
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.html import format_html
from django.utils.translation import ngettext
from django.views.generic import DeleteView, DetailView, FormView, ListView, UpdateView

from .forms import PhotoForm, PhotosForm
from .models import Album, Member, Photo


class AlbumList(ListView):
    queryset = Album.objects.prefetch_related("photos")


class AlbumDetail(DetailView):
    queryset = Album.objects.prefetch_related("photos")


class PhotoDetail(DetailView):
    queryset = Photo.objects.select_related("album", "by")


class MemberList(ListView):
    queryset = Member.objects.annotate(photo_count=Count("photos"))


class PhotosAdd(FormView):
    form_class = PhotosForm
    template_name = "club/photos_add.html"

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        self.album = get_object_or_404(Album, slug=kwargs["slug"])

    def form_valid(self, form: PhotosForm) -> HttpResponse:
        with transaction.atomic():
            photos = form.save_in(self.album)
        text = ngettext(
            "“{first}” was added.",
            "{count} photos were added, starting with “{first}”.",
            len(photos),
        )
        link = format_html('<a href="{}">{}</a>', photos[0].get_absolute_url(), photos[0].caption)
        messages.success(self.request, format_html(text, first=link, count=len(photos)))
        return redirect(self.album)


class PhotoEdit(SuccessMessageMixin, UpdateView):
    queryset = Photo.objects.select_related("album")
    form_class = PhotoForm
    template_name = "club/photo_edit.html"
    success_message = "Your changes have been saved."


class PhotoDelete(SuccessMessageMixin, DeleteView):
    queryset = Photo.objects.select_related("album")

    def get_success_message(self, cleaned_data: dict[str, Any]) -> str:
        return f"“{self.object.caption}” was deleted."

    def get_success_url(self) -> str:
        return self.object.album.get_absolute_url()
