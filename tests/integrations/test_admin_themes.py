"""Test uploads in the admin with third-party themes."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AdminFileWidget
from django.contrib.auth.models import User
from django.urls import include, path
from unfold.admin import ModelAdmin as UnfoldModelAdmin
from unfold.sites import UnfoldAdminSite
from unfold.widgets import UnfoldAdminImageFieldWidget, UnfoldAdminImageSmallFieldWidget

from django_groupme_images.admin import AdminGroupMeImageInput
from django_groupme_images.forms import GroupMeImageFormField
from tests.support.html_forms import submitted

from .documentation import documented_block
from .helpers import displayed_urls, upload_count, uploaded_jpeg
from .models import Member

pytestmark = pytest.mark.django_db

ADD_URL = "/admin/integrations/member/add/"
LIST_URL = "/admin/integrations/member/"

# A string that only the pages of the theme contain.
MARKUP = {"unfold": "material-symbols-outlined", "jazzmin": "jazzmin/", "grappelli": "grp-"}


@pytest.fixture(params=MARKUP)
def theme(request: Any, settings: Any) -> str:
    """Install a theme, and register ``Member`` as the theme's documentation describes."""
    theme: str = request.param
    site = UnfoldAdminSite() if theme == "unfold" else admin.AdminSite()
    site.register(User, UnfoldModelAdmin if theme == "unfold" else admin.ModelAdmin)
    site.register(Member, UnfoldModelAdmin if theme == "unfold" else admin.ModelAdmin)
    # Wagtail is left out, because its apps cannot be loaded twice.
    others = [name for name in settings.INSTALLED_APPS if name.startswith("django")]
    settings.INSTALLED_APPS = [theme, *others, "tests.integrations"]
    settings.ROOT_URLCONF = ModuleType("urls")
    settings.ROOT_URLCONF.urlpatterns = [
        path("grappelli/", include("grappelli.urls")),
        path("admin/", site.urls),
    ]
    return theme


def test_add_form_with_invalid_field_keeps_upload_until_saved(admin_client, list_requests, theme):
    page = admin_client.post(ADD_URL, {"name": "", "photo": uploaded_jpeg()})
    assert page.status_code == 200
    assert MARKUP[theme] in page.text
    (url,) = displayed_urls(page.text)
    page = admin_client.post(ADD_URL, submitted(page.text, name=""))
    assert displayed_urls(page.text) == {url}
    page = admin_client.post(ADD_URL, submitted(page.text, name="Ada", _save=""))
    assert page.headers["Location"] == LIST_URL
    assert Member.objects.get().photo.url == url
    assert upload_count(list_requests) == 1


def test_change_form_with_saved_image_displays_keeps_and_clears_it(
    admin_client, photo_url, list_requests, theme
):
    member = Member.objects.create(name="Ada", photo=photo_url)
    url = f"{LIST_URL}{member.pk}/change/"
    page = admin_client.get(url)
    assert displayed_urls(page.text) == {photo_url}
    assert admin_client.post(url, submitted(page.text, name="Eve")).headers["Location"] == LIST_URL
    member.refresh_from_db()
    assert (member.name, member.photo.url) == ("Eve", photo_url)
    admin_client.post(url, submitted(page.text, **{"photo-clear": "on"}))
    member.refresh_from_db()
    assert not member.photo
    assert list_requests() == []


def test_add_form_with_failed_upload_shows_field_error(admin_client, theme):
    # No emulator is running, so the image service is unavailable.
    page = admin_client.post(ADD_URL, {"name": "Ada", "photo": uploaded_jpeg()})
    assert "The image service is not responding, so “cat.jpg” was not uploaded." in page.text
    assert displayed_urls(page.text) == set()
    assert not Member.objects.exists()


@pytest.mark.parametrize("theme", ["unfold"], indirect=True)
def test_unfold_widgets_with_kept_uploads_submit_them_again(list_requests, theme):
    class Form(forms.Form):
        name = forms.CharField()
        large = GroupMeImageFormField(widget=UnfoldAdminImageFieldWidget)
        small = GroupMeImageFormField(widget=UnfoldAdminImageSmallFieldWidget())

    form = Form({}, {"large": uploaded_jpeg(), "small": uploaded_jpeg()})
    assert list(form.errors) == ["name"]
    html = str(form)
    for name, value in form.cleaned_data.items():
        url = value.picture.url
        assert isinstance(form.fields[name].widget, AdminFileWidget)
        assert f"url('{url}')" in html if name == "small" else f'<img src="{url}"' in html
    assert Form(submitted(html, name="Ada")).is_valid()
    assert upload_count(list_requests) == 2


@pytest.mark.parametrize("theme", ["unfold"], indirect=True)
def test_documented_model_admin_in_unfold_uses_full_widget(theme):
    documented: dict[str, Any] = {}
    exec(documented_block("unfold.admin"), documented)
    model_admin = documented["MemberAdmin"](Member, admin.AdminSite())
    field = model_admin.formfield_for_dbfield(Member._meta.get_field("photo"), request=None)
    assert type(field.widget) is AdminGroupMeImageInput
