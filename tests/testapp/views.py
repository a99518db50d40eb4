"""Views for the tests of forms, with the test client and in browsers."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.generic import CreateView, DetailView, FormView, UpdateView

from .forms import CardForm, PhotoFormSet, PhotosForm
from .models import Album, Member


class MemberAdd(CreateView):
    model = Member
    fields = ["name", "photo"]
    template_name = "gallery/form.html"
    success_url = "/members/{id}/"


class MemberChange(UpdateView):
    model = Member
    fields = ["name", "photo"]
    template_name = "gallery/form.html"
    success_url = "/members/{id}/"


class MemberPage(DetailView):
    model = Member
    template_name = "gallery/member.html"


class Card(FormView):
    form_class = CardForm
    template_name = "gallery/form.html"

    def form_valid(self, form: CardForm) -> HttpResponse:
        images = form.cleaned_data["picture"], form.cleaned_data["logo"]
        return HttpResponse(" ".join(image.url for image in images if image))


class PhotosAdd(FormView):
    form_class = PhotosForm
    template_name = "gallery/form.html"

    def form_valid(self, form: PhotosForm) -> HttpResponse:
        for photo in form.cleaned_data["photos"]:
            Member.objects.create(name=form.cleaned_data["title"], photo=photo)
        return HttpResponse(f"{len(form.cleaned_data['photos'])} photos were saved.")


def album_photos(request: HttpRequest, pk: int) -> HttpResponse:
    album = get_object_or_404(Album, pk=pk)
    formset = PhotoFormSet(request.POST or None, request.FILES or None, instance=album)
    if request.method == "POST" and formset.is_valid():
        formset.save()
        return redirect("album_photos", pk)
    return render(request, "gallery/form.html", {"form": formset})
