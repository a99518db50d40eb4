"""The widget for several images: its HTML, and the values that it reads from a submission."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django import forms
from django.contrib import admin
from django.forms.renderers import DjangoTemplates, Jinja2
from django.http import HttpRequest, HttpResponse
from django.template import Context, Template
from django.urls import path
from django.utils.datastructures import MultiValueDict

import django_groupme_images
from django_groupme_images.forms import GroupMeMultipleImageFormField, GroupMeMultipleImageInput
from django_groupme_images.forms.multiple_widget import BoundImages, SubmittedImages
from django_groupme_images.pictures import Picture
from tests.support.field_data import upload_count
from tests.support.html_forms import input_attribute, submitted
from tests.support.multiple_images import AlbumForm, images, submit, tokens_of
from tests.support.urls_of_pictures import JPEG, LEGACY
from tests.testapp.models import Member


def album(request: HttpRequest) -> HttpResponse:
    form = AlbumForm(request.POST or None, request.FILES or None)
    if form.is_valid():
        for photo in form.cleaned_data["photos"]:
            Member.objects.create(name=form.cleaned_data["title"], photo=photo)
        return HttpResponse("saved")
    return HttpResponse(form.as_div())


class MemberForm(forms.ModelForm):
    photos = GroupMeMultipleImageFormField(required=False)

    class Meta:
        model = Member
        fields = ["name"]


class MemberAdmin(admin.ModelAdmin):
    form = MemberForm

    def save_model(self, request: Any, obj: Any, form: Any, change: bool) -> None:
        for photo in form.cleaned_data["photos"]:
            Member.objects.create(name=obj.name, photo=photo)
        super().save_model(request, obj, form, change)


site = admin.AdminSite()
site.register(Member, MemberAdmin)
urlpatterns = [path("", album), path("admin/", site.urls)]


@pytest.mark.urls(__name__)
@pytest.mark.usefixtures("db")
def test_page_without_script_keeps_images_until_they_are_saved(client, emulator, list_requests):
    page = client.post("/", {"title": "", "photos": images("a.jpg", "b.jpg")}).content.decode()
    tokens = re.findall('name="photos-uploaded" value="([^"]*)"', page)
    boxes = re.findall('type="checkbox" name="photos-remove" value="([^"]*)"', page)
    assert tokens == boxes
    assert len(tokens) == 2
    data = {"title": "", "photos": images("c.jpg"), "photos-uploaded": tokens}
    page = client.post("/", data | {"photos-remove": tokens[:1]}).content.decode()
    tokens = re.findall('name="photos-uploaded" value="([^"]*)"', page)
    response = client.post("/", {"title": "Trip", "photos-uploaded": tokens})
    assert response.content == b"saved"
    assert [member.photo.width for member in Member.objects.order_by("pk")] == [2, 1]
    assert upload_count(list_requests) == 3


def test_widget_without_images_contains_labeled_file_input():
    html = str(AlbumForm()["photos"])
    assert '<label for="id_photos"><svg' in html
    assert "Choose images or drop them here</span>" in html
    assert " multiple" in html
    assert input_attribute(html, "photos", "accept").startswith("image/jpeg,")
    assert 'data-max-files="4"' in html
    assert "data-errors" not in html
    assert "groupme-grid" not in html
    assert " required" not in html
    assert 'type="hidden"' not in html
    assert "data-max-files" not in str(GroupMeMultipleImageInput().render("photos", None))


def test_widget_of_uploaded_images_contains_grid(emulator):
    form = submit(AlbumForm, images("a.jpg", "b.jpg"), title="")
    html = str(form["photos"])
    kept = [image.url for image in form["photos"].value()]
    assert re.findall(r'<img src="([^"]*)"', html) == [f"{url}.preview" for url in kept]
    assert re.findall(r'<a href="([^"]*)">([^<]*)</a>', html) == [
        (kept[0], "\u2068a.jpg\u2069: 1 × 1 pixels"),
        (kept[1], "\u2068b.jpg\u2069: 2 × 1 pixels"),
    ]
    assert html.count('role="list"') == 1
    assert html.count('role="listitem"') == 2
    assert html.count("> Remove</label>") == 2
    assert set(re.findall(r'aria-describedby="([^"]*)"', html)) == {
        "id_photos-image-1",
        "id_photos-image-2",
    }
    assert len(set(re.findall(r' id="([^"]*)"', html))) == 3


def test_widget_without_auto_id_has_no_dangling_references(emulator):
    html = str(submit(AlbumForm, images("a.jpg"), title="", auto_id=False)["photos"])
    assert not re.findall(r' (id|for|aria-describedby)="', html)


@pytest.mark.parametrize(
    "initial", [[JPEG, LEGACY], (Picture.parse(JPEG), LEGACY), iter([JPEG, LEGACY, "x.jpg", None])]
)
def test_widget_with_initial_images_displays_them_without_checkboxes(initial):
    html = str(AlbumForm(initial={"photos": initial})["photos"])
    assert re.findall(r'src="([^"]*)"', html) == [f"{JPEG}.preview", f"{LEGACY}.preview"]
    assert "Image 1: 480 × 325 pixels" in html
    assert ">Image 2</a>" in html
    assert "<strong>Current images</strong>" in html
    assert "checkbox" not in html


@pytest.mark.parametrize("initial", [JPEG, Picture.parse(JPEG), Member(photo=JPEG).photo])
def test_widget_with_one_initial_image_displays_it(initial):
    assert f'src="{JPEG}.preview"' in str(AlbumForm(initial={"photos": initial})["photos"])


def test_widget_of_pending_file_displays_its_name(outage):
    html = str(submit(AlbumForm, images("<a>.jpg"), title="")["photos"])
    assert ">&lt;a&gt;.jpg</a>" in html
    assert "<img" not in html


def test_jinja2_template_of_several_images_renders_same_html_as_django(emulator):
    templates = Path(django_groupme_images.__file__).parent
    name = "groupme_images/widgets/images_input.html"
    django_file, jinja2_file = (templates / kind / name for kind in ("templates", "jinja2"))
    assert django_file.read_text(encoding="utf-8") == jinja2_file.read_text(encoding="utf-8")
    form = submit(AlbumForm, images("a.jpg"), title="")
    assert not form.is_valid()
    value = BoundImages([JPEG], form["photos"].value().uploads, ["an <error>"])
    html = [
        unescape(form.fields["photos"].widget.render("photos", value, {"id": "x"}, renderer))
        for renderer in (DjangoTemplates(), Jinja2())
    ]
    assert html[0] == html[1]
    assert html[0].count("<img") == 2
    assert 'data-errors="["an <error>"]"' in html[0]


@pytest.mark.parametrize(
    "template",
    [
        "{{ form }}",
        "{{ form.as_p }}",
        "{{ form.as_table }}",
        "{% for each in form.photos %}{{ each }}{% endfor %}",
        """{% for each in form.photos.subwidgets %}
        <input type="{{ each.data.type }}" name="{{ each.data.name }}"
          value="{{ each.data.attrs.value }}">
        {% endfor %}""",
    ],
)
def test_rendered_form_contains_each_token_once(emulator, template):
    form = submit(AlbumForm, images("a.jpg", "b.jpg"), title="")
    html = Template(template).render(Context({"form": form}))
    found = re.findall('name="photos-uploaded"\n? *value="([^"]*)"', html)
    assert len(set(found)) == len(found) == 2


def test_third_party_template_without_tokens_gets_hidden_inputs(emulator):
    class Widget(GroupMeMultipleImageInput):
        template_name = "django/forms/widgets/file.html"

    class Form(AlbumForm):
        photos = GroupMeMultipleImageFormField(widget=Widget)

    assert len(tokens_of(submit(Form, images("a.jpg", "b.jpg"), title=""))) == 2


def test_form_as_p_contains_no_block_elements_in_paragraphs(emulator):
    html = submit(AlbumForm, images("a.jpg"), title="").as_p()
    for paragraph in re.findall(r"<p>(.*?)</p>", html, re.DOTALL):
        assert not re.findall(r"<(p|ul|ol|li|div|h\d)[ >]", paragraph)


def test_media_contains_grid_and_scripts():
    html = str(AlbumForm().media)
    assert "groupme_images/image_grid.css" in html
    assert "groupme_images/image_input.css" in html


@pytest.mark.parametrize(
    "data",
    [
        MultiValueDict({"photos-uploaded": ["a", "", "b", "a"], "photos-remove": ["b", "c"]}),
        {"photos-uploaded": ["a"]},
        {"photos-uploaded": "a"},
    ],
)
def test_widget_reads_tokens_of_any_mapping(data):
    widget = GroupMeMultipleImageInput()
    [file] = images("a.jpg")
    expected = SubmittedImages((file,), ("a",))
    assert widget.value_from_datadict(data, {"photos": file}, "photos") == expected
    assert not widget.value_omitted_from_data(data, {}, "photos")
    assert not widget.value_omitted_from_data({}, {"photos": [file]}, "photos")
    assert widget.value_omitted_from_data({"photos-remove": "a"}, {}, "photos")
    assert widget.value_from_datadict({"photos-remove": "a"}, {}, "photos") is None


def test_widget_with_lone_surrogate_in_token_is_rejected(emulator):
    form = submit(AlbumForm, [], ["\ud800"])
    assert [error.code for error in form.errors["photos"].as_data()] == ["forged"]


def test_disabled_widget_disables_its_inputs(emulator):
    class Form(AlbumForm):
        photos = GroupMeMultipleImageFormField(widget=GroupMeMultipleImageInput({"disabled": True}))

    html = str(submit(Form, images("a.jpg"), title="")["photos"])
    assert html.count(" disabled") == 2
    assert "photos-uploaded" in submitted(html)


@pytest.mark.urls(__name__)
def test_admin_form_with_several_images_saves_them(emulator, admin_client):
    page = admin_client.get("/admin/gallery/member/add/").content.decode()
    assert "<groupme-images-input" in page
    assert "image_grid.css" in page
    data = {"name": "Ada", "photos": images("a.jpg", "b.jpg")}
    assert admin_client.post("/admin/gallery/member/add/", data).status_code == 302
    assert Member.objects.filter(photo__startswith="http").count() == 2
