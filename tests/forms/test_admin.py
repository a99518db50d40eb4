"""The admin: its widget, uploads of its forms, and the admin mixin."""

from __future__ import annotations

from typing import Any

import pytest
from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AdminFileWidget
from django.contrib.auth.models import Permission, User
from django.db import models
from django.test import Client, RequestFactory
from django.urls import path, reverse

from django_groupme_images.admin import AdminGroupMeImageInput, GroupMeImageAdminMixin
from django_groupme_images.emulator.faults import Fault
from django_groupme_images.fields import GroupMeImageField
from django_groupme_images.forms import (
    GroupMeImageFormField,
    GroupMeImageFormSetMixin,
    GroupMeImageInput,
)
from django_groupme_images.forms.admin_widgets import admin_widget_for
from django_groupme_images.pictures import Picture
from django_groupme_images.signals import picture_uploaded
from tests.support.field_data import upload_count, uploaded_file
from tests.support.form_data import photo_set_data
from tests.support.html_forms import input_attribute, submitted
from tests.support.urls_of_pictures import JPEG, PNG
from tests.testapp.models import Album, Group, Local, Member, Photo, Unique

pytestmark = pytest.mark.django_db


def widget_of(model: Any, field: str, **attributes: Any) -> forms.Widget:
    model_admin = type("Admin", (admin.ModelAdmin,), attributes)(model, admin.site)
    request = RequestFactory().get("/")
    request.user = User(is_superuser=True)
    return model_admin.get_form(request)().fields[field].widget


# The widget


def test_admin_form_of_image_field_uses_admin_widget():
    widget = widget_of(Unique, "photo")
    assert type(widget) is AdminGroupMeImageInput
    assert isinstance(widget, AdminFileWidget)
    assert type(widget_of(Group, "banner")) is AdminGroupMeImageInput


def test_admin_form_of_other_field_or_overridden_widget_is_unchanged():
    class CustomInput(GroupMeImageInput):
        pass

    assert type(widget_of(Local, "photo")) is AdminFileWidget
    overrides = {GroupMeImageField: {"widget": CustomInput}}
    assert type(widget_of(Member, "photo", formfield_overrides=overrides)) is CustomInput


def test_admin_widget_renders_admin_markup_with_preview(editor):
    page = editor.get(reverse("admin:gallery_unique_add")).text
    assert '<p class="file-upload"><groupme-image-input' in page
    assert page.count("groupme_images/image_input.js") == 1
    assert page.count("groupme_images/image_input.css") == 1
    unique = Unique.objects.create(photo=JPEG)
    page = editor.get(reverse("admin:gallery_unique_change", args=[unique.pk])).text
    assert '<span class="clearable-file-input">' in page
    assert f'<img src="{JPEG}.preview"' in page
    assert f'src="{JPEG}"' not in page


class ThemeInput(AdminFileWidget):
    """The widget of an admin theme, which replaces Django's."""

    template_name = "django/forms/widgets/clearable_file_input.html"
    initial_text = "Now"


@pytest.mark.parametrize("widget", [ThemeInput, ThemeInput(attrs={"class": "wide"})])
def test_admin_theme_widget_keeps_template_and_upload(emulator, widget):
    class Form(forms.Form):
        title = forms.CharField()
        photo = GroupMeImageFormField(widget=widget)

    form = Form({}, {"photo": uploaded_file()})
    assert list(form.errors) == ["title"]
    assert isinstance(form.fields["photo"].widget, ThemeInput)
    html = str(form["photo"])
    assert html.startswith("Uploaded, not saved yet: <a")
    assert ('class="wide"' in html) is isinstance(widget, ThemeInput)
    assert 'accept="image/*"' in html
    assert "photo-url" not in html
    assert Form(submitted(html, title="x")).is_valid()
    assert str(Form(initial={"photo": Picture.parse(JPEG)})["photo"]).startswith("Now: <a")


def test_admin_widget_for_replaces_admin_file_widgets_only():
    for widget in (forms.FileInput, forms.ClearableFileInput, GroupMeImageInput, forms.TextInput):
        assert admin_widget_for(widget) is widget
        assert type(admin_widget_for(widget())) is widget
    assert admin_widget_for(AdminFileWidget) is AdminGroupMeImageInput
    assert admin_widget_for(AdminGroupMeImageInput) is AdminGroupMeImageInput
    assert admin_widget_for(ThemeInput) is admin_widget_for(ThemeInput)


def test_custom_form_class_in_admin_keeps_admin_file_widget():
    overrides = {models.ImageField: {"form_class": forms.ImageField, "widget": AdminFileWidget}}
    assert type(widget_of(Member, "photo", formfield_overrides=overrides)) is AdminFileWidget


# Uploads


def test_admin_form_redisplayed_after_error_uploads_once(editor, emulator, list_requests):
    url = reverse("admin:gallery_member_add")
    page = editor.post(url, {"name": "", "photo": uploaded_file()})
    token = input_attribute(page.text, "photo-uploaded", "value")
    assert editor.post(url, {"name": "Ada", "photo-uploaded": token}).status_code == 302
    assert upload_count(list_requests) == 1
    assert Member.objects.get().photo.width == 48


def test_admin_form_with_unchanged_image_sends_no_request(editor, emulator, list_requests):
    member = Member.objects.create(name="Ada", photo=JPEG)
    url = reverse("admin:gallery_member_change", args=[member.pk])
    editor.get(url)
    editor.post(url, {"name": "Eve", "photo-url": "", "photo-uploaded": ""})
    member.refresh_from_db()
    assert (member.name, member.photo.name) == ("Eve", JPEG)
    assert list_requests() == []


def test_admin_form_with_failed_upload_shows_field_error(editor, emulator):
    emulator.app.faults.add(Fault("status", status=503))
    page = editor.post(
        reverse("admin:gallery_member_add"), {"name": "Ada", "photo": uploaded_file()}
    )
    assert page.status_code == 200
    assert "The image service is not responding, so “cat.jpg” was not uploaded." in page.text
    assert input_attribute(page.text, "name", "value") == "Ada"
    assert not Member.objects.exists()


def test_admin_inlines_redisplayed_after_error_upload_once(editor, emulator, list_requests):
    url = reverse("admin:gallery_album_add")
    data = photo_set_data(
        {"caption": "one", "picture": uploaded_file()},
        {"caption": "two", "picture-url": PNG},
        {"caption": "", "picture-url": "", "picture-uploaded": ""},
    )
    page = editor.post(url, {"title": "", **data})
    assert upload_count(list_requests) == 1
    first_token, second_token = (
        input_attribute(page.text, f"photo_set-{number}-picture-uploaded", "value")
        for number in (0, 1)
    )
    data = photo_set_data(
        {"caption": "one", "picture-uploaded": first_token},
        {"caption": "two", "picture-uploaded": second_token},
    )
    assert editor.post(url, {"title": "x", **data}).status_code == 302
    assert upload_count(list_requests) == 1
    assert Photo.objects.get(caption="two").picture.name == PNG


def test_editable_list_redisplayed_after_error_uploads_once(editor, emulator, list_requests):
    ada = Member.objects.create(name="Ada", photo=JPEG)
    eve = Member.objects.create(name="Eve")
    url = reverse("admin:gallery_member_changelist")
    data = {
        "form-TOTAL_FORMS": 2,
        "form-INITIAL_FORMS": 2,
        "form-0-id": eve.pk,
        "form-0-photo": uploaded_file(),
        "form-1-id": ada.pk,
        "form-1-photo-url": "not a URL",
        "_save": "Save",
    }
    page = editor.post(url, data)
    assert page.status_code == 200
    token = input_attribute(page.text, "form-0-photo-uploaded", "value")
    data |= {"form-0-photo": "", "form-0-photo-uploaded": token, "form-1-photo-url": ""}
    assert editor.post(url, data).status_code == 302
    eve.refresh_from_db()
    assert (upload_count(list_requests), eve.photo.width) == (1, 48)
    assert Member.objects.get(name="Ada").photo.name == JPEG


# Uploads after validation, with ``upload_early=False``


def test_upload_early_off_uploads_when_admin_form_is_valid(
    editor, emulator, list_requests, upload_early_off
):
    url = reverse("admin:gallery_member_add")
    assert editor.post(url, {"name": "", "photo": uploaded_file()}).status_code == 200
    assert list_requests() == []
    assert editor.post(url, {"name": "Ada", "photo": uploaded_file()}).status_code == 302
    assert upload_count(list_requests) == 1
    assert Member.objects.get().photo.width == 48


def test_inlines_without_admin_mixin_upload_when_saved(
    editor, emulator, list_requests, upload_early_off
):
    url = reverse("admin:gallery_album_add")
    data = photo_set_data({"caption": "one", "picture": uploaded_file()})
    assert editor.post(url, {"title": "", **data}).status_code == 200
    assert list_requests() == []
    data = photo_set_data({"caption": "one", "picture": uploaded_file()})
    assert editor.post(url, {"title": "x", **data}).status_code == 302
    assert upload_count(list_requests) == 1


class CoverForm(forms.ModelForm):
    cover = GroupMeImageFormField(required=False)


class PhotoInline(admin.TabularInline):
    model = Photo
    extra = 1


class AlbumAdmin(GroupMeImageAdminMixin, admin.ModelAdmin):
    form = CoverForm
    inlines = [PhotoInline]


class UploadingFormSet(GroupMeImageFormSetMixin, forms.BaseInlineFormSet):
    pass


class UploadingInline(PhotoInline):
    formset = UploadingFormSet


class FormsetAlbumAdmin(AlbumAdmin):
    inlines = [UploadingInline]


class MemberAdmin(GroupMeImageAdminMixin, admin.ModelAdmin):
    list_display = ["name", "photo"]
    list_editable = ["photo"]


site, formset_site = admin.AdminSite("mixin"), admin.AdminSite("formset_mixin")
site.register(Album, AlbumAdmin)
site.register(Member, MemberAdmin)
formset_site.register(Album, FormsetAlbumAdmin)
urlpatterns = [
    path("admin/", admin.site.urls),
    path("mixin/", site.urls),
    path("formset_mixin/", formset_site.urls),
]


@pytest.fixture(params=["mixin", "formset_mixin"])
def add_album(editor: Client, upload_early_off: None, request: Any) -> Any:
    """Submit the add form of an album in an admin without and with a formset mixin."""

    def add(cover: Any = "", **photo: Any) -> Any:
        data = {"title": photo.pop("title", "x"), "cover": cover, **photo_set_data(photo)}
        return editor.post(f"/{request.param}/gallery/album/add/", data)

    return add


def test_admin_mixin_keeps_form_changes_of_base_class(rf):
    class ProjectAdmin(admin.ModelAdmin):
        def get_form(self, request: Any, *args: Any, **kwargs: Any) -> Any:
            form_class = super().get_form(request, *args, **kwargs)
            form_class.base_fields["name"].help_text = "As in the passport."
            form_class.base_fields.pop("photo", None)
            return form_class

    class MixinAdmin(GroupMeImageAdminMixin, ProjectAdmin):
        pass

    form_class = MixinAdmin(Member, admin.site).get_form(rf.get("/"))
    assert list(form_class().fields) == ["name"]
    assert form_class().fields["name"].help_text == "As in the passport."
    assert list(MixinAdmin(Member, admin.site).get_form(None)().fields) == ["name"]


@pytest.mark.urls(__name__)
def test_admin_mixin_uploads_when_form_and_inlines_are_valid(add_album, emulator, list_requests):
    assert add_album(uploaded_file(), caption="", picture=uploaded_file()).status_code == 200
    assert (
        add_album(uploaded_file(), caption="a", picture=uploaded_file(), title="").status_code
        == 200
    )
    assert list_requests() == []
    assert add_album(uploaded_file(), caption="a", picture=uploaded_file()).status_code == 302
    assert upload_count(list_requests) == 2
    assert Photo.objects.get().picture.width == 48


@pytest.mark.urls(__name__)
@pytest.mark.parametrize("uploaded", [0, 1])
def test_admin_mixin_with_failed_upload_shows_field_error_and_saves_nothing(
    add_album, emulator, list_requests, uploaded
):
    def fail(**kwargs: Any) -> None:
        picture_uploaded.disconnect(fail)
        emulator.app.faults.add(Fault("status", status=503))

    picture_uploaded.connect(fail) if uploaded else fail()
    page = add_album(uploaded_file(), caption="a", picture=uploaded_file())
    assert page.status_code == 200
    assert upload_count(list_requests) == uploaded + 1
    errors = page.context["adminform"].form.errors
    (inline,) = page.context["inline_admin_formsets"]
    assert list(errors) == ([] if uploaded else ["cover"])
    assert [list(errors) for errors in inline.formset.errors] == [["picture"] if uploaded else []]
    assert "The image service is not responding" in page.text
    assert not Album.objects.exists()
    assert bool(input_attribute(page.text, "cover-uploaded", "value")) is bool(uploaded)


@pytest.mark.urls(__name__)
def test_admin_mixin_without_inlines_uploads_during_form_validation(
    editor, upload_early_off, emulator, list_requests
):
    emulator.app.faults.add(Fault("status", status=503))
    page = editor.post("/mixin/gallery/member/add/", {"name": "Ada", "photo": uploaded_file()})
    assert list(page.context["adminform"].form.errors) == ["photo"]
    page = editor.post("/mixin/gallery/member/add/", {"name": "Ada", "photo": uploaded_file()})
    assert page.status_code == 302
    assert upload_count(list_requests) == 2


@pytest.mark.urls(__name__)
def test_admin_mixin_in_editable_list_shows_error_then_uploads(
    editor, upload_early_off, emulator, list_requests
):
    ids = [Member.objects.create(name=name, photo=JPEG).pk for name in "ab"]
    data = {"form-TOTAL_FORMS": 2, "form-INITIAL_FORMS": 2, "_save": "Save"}
    for number, pk in enumerate(reversed(ids)):
        data |= {f"form-{number}-id": pk, f"form-{number}-photo": uploaded_file()}
    emulator.app.faults.add(Fault("status", status=503))
    assert "is not responding" in editor.post("/mixin/gallery/member/", data).text
    assert upload_count(list_requests) == 1
    data |= {f"form-{number}-photo": uploaded_file() for number in range(2)}
    assert editor.post("/mixin/gallery/member/", data).status_code == 302
    assert upload_count(list_requests) == 3
    assert [member.photo.width for member in Member.objects.all()] == [48, 48]


@pytest.mark.urls(__name__)
def test_admin_mixin_change_form_shows_preview_without_request(
    editor, upload_early_off, emulator, list_requests
):
    album = Album.objects.create(title="x")
    Photo.objects.create(album=album, picture=JPEG, caption="a")
    page = editor.get(f"/mixin/gallery/album/{album.pk}/change/").text
    assert f'src="{JPEG}.preview"' in page
    assert list_requests() == []


def test_admin_page_with_view_permission_only_links_to_url(emulator):
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_unique"))
    client = Client()
    client.force_login(viewer)
    unique = Unique.objects.create(photo=JPEG)
    page = client.get(reverse("admin:gallery_unique_change", args=[unique.pk])).text
    assert f'<a href="{JPEG}">{JPEG}</a>' in page
