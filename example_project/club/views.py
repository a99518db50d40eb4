from typing import Any

from django.contrib.messages.views import SuccessMessageMixin
from django.db.models import Count
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.views.generic import CreateView, DetailView, ListView

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
    template_name = "club/photo_form.html"
    success_message = "“%(caption)s” is in the album."

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        self.album = get_object_or_404(Album, slug=kwargs["slug"])

    def get_form_kwargs(self) -> dict[str, Any]:
        return super().get_form_kwargs() | {"instance": Photo(album=self.album)}

    def get_success_url(self) -> str:
        return self.album.get_absolute_url()
