from __future__ import annotations

import re
from typing import Any

import pytest
from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AdminFileWidget
from django.contrib.auth.models import User
from django.test import Client, RequestFactory
from django.urls import path, reverse
from django.utils.translation import gettext_lazy, override

from django_groupme_images.admin import (
    AdminGroupMeImageInput,
    GroupMeImageAdminMixin,
    thumbnail,
)
from django_groupme_images.emulator.faults import Fault
from django_groupme_images.forms import (
    GroupMeImageFormField,
    GroupMeImageFormSetMixin,
    GroupMeImageInput,
)
from django_groupme_images.signals import picture_uploaded

from .gallery.models import Album, Group, Local, Measured, Member, Photo, Unique
from .test_forms import attribute, posts, rows, upload
from .urls_of_pictures import JPEG, LEGACY, PNG

pytestmark = pytest.mark.django_db


@pytest.fixture
def editor() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("editor"))
    return client


def widget_of(model: Any, field: str, **attributes: Any) -> forms.Widget:
    model_admin = type("Admin", (admin.ModelAdmin,), attributes)(model, admin.site)
    request = RequestFactory().get("/")
    request.user = User(is_superuser=True)
    return model_admin.get_form(request)().fields[field].widget


# The widget


def test_the_field_has_the_admins_widget_by_itself():
    widget = widget_of(Unique, "photo")
    assert type(widget) is AdminGroupMeImageInput
    assert isinstance(widget, AdminFileWidget)
    assert type(widget_of(Group, "banner")) is AdminGroupMeImageInput


def test_other_fields_and_other_wishes_are_left_alone():
    class Own(GroupMeImageInput):
        pass

    from django_groupme_images.fields import GroupMeImageField

    assert type(widget_of(Local, "photo")) is AdminFileWidget
    overrides = {GroupMeImageField: {"widget": Own}}
    assert type(widget_of(Member, "photo", formfield_overrides=overrides)) is Own


def test_the_markup_is_the_admins(editor):
    page = editor.get(reverse("admin:gallery_unique_add")).text
    assert '<p class="file-upload"><groupme-image-input' in page
    assert page.count("groupme_images/image_input.js") == 1
    assert page.count("groupme_images/image_input.css") == 1
    unique = Unique.objects.create(photo=JPEG)
    page = editor.get(reverse("admin:gallery_unique_change", args=[unique.pk])).text
    assert '<span class="clearable-file-input">' in page
    assert f'<img src="{JPEG}.preview"' in page
    assert f'src="{JPEG}"' not in page


# Uploads


def test_a_picture_is_uploaded_once(editor, emulator, arrived):
    url = reverse("admin:gallery_member_add")
    page = editor.post(url, {"name": "", "photo": upload()})
    carried = attribute(page.text, "photo-uploaded", "value")
    assert editor.post(url, {"name": "Ada", "photo-uploaded": carried}).status_code == 302
    assert posts(arrived) == 1
    assert Member.objects.get().photo.width == 48


def test_a_change_that_does_not_touch_the_picture_causes_no_request(editor, emulator, arrived):
    member = Member.objects.create(name="Ada", photo=JPEG)
    url = reverse("admin:gallery_member_change", args=[member.pk])
    editor.get(url)
    editor.post(url, {"name": "Eve", "photo-url": "", "photo-uploaded": ""})
    member.refresh_from_db()
    assert (member.name, member.photo.name) == ("Eve", JPEG)
    assert arrived() == []


def test_a_failure_of_the_service_is_told_at_the_field(editor, emulator):
    emulator.app.faults.add(Fault("status", status=503))
    page = editor.post(reverse("admin:gallery_member_add"), {"name": "Ada", "photo": upload()})
    assert page.status_code == 200
    assert "The image service does not answer, so “cat.jpg” was not uploaded." in page.text
    assert attribute(page.text, "name", "value") == "Ada"
    assert not Member.objects.exists()


def test_inlines(editor, emulator, arrived):
    url = reverse("admin:gallery_album_add")
    data = rows(
        {"caption": "one", "picture": upload()},
        {"caption": "two", "picture-url": PNG},
        {"caption": "", "picture-url": "", "picture-uploaded": ""},
    )
    page = editor.post(url, {"title": "", **data})
    assert posts(arrived) == 1
    first, second = (
        attribute(page.text, f"photo_set-{number}-picture-uploaded", "value") for number in (0, 1)
    )
    data = rows(
        {"caption": "one", "picture-uploaded": first},
        {"caption": "two", "picture-uploaded": second},
    )
    assert editor.post(url, {"title": "x", **data}).status_code == 302
    assert posts(arrived) == 1
    assert Photo.objects.get(caption="two").picture.name == PNG


def test_an_editable_list(editor, emulator, arrived):
    ada = Member.objects.create(name="Ada", photo=JPEG)
    eve = Member.objects.create(name="Eve")
    url = reverse("admin:gallery_member_changelist")
    data = {
        "form-TOTAL_FORMS": 2,
        "form-INITIAL_FORMS": 2,
        "form-0-id": eve.pk,
        "form-0-photo": upload(),
        "form-1-id": ada.pk,
        "form-1-photo-url": "no address",
        "_save": "Save",
    }
    page = editor.post(url, data)
    assert page.status_code == 200
    carried = attribute(page.text, "form-0-photo-uploaded", "value")
    data |= {"form-0-photo": "", "form-0-photo-uploaded": carried, "form-1-photo-url": ""}
    assert editor.post(url, data).status_code == 302
    eve.refresh_from_db()
    assert (posts(arrived), eve.photo.width) == (1, 48)
    assert Member.objects.get(name="Ada").photo.name == JPEG


# Uploads after validation, with upload_early=False


@pytest.fixture
def late(settings: Any) -> None:
    settings.GROUPME_UPLOAD_EARLY = False


def test_upload_early_off_uploads_a_change_form_once(editor, emulator, arrived, late):
    url = reverse("admin:gallery_member_add")
    assert editor.post(url, {"name": "", "photo": upload()}).status_code == 200
    assert arrived() == []
    assert editor.post(url, {"name": "Ada", "photo": upload()}).status_code == 302
    assert posts(arrived) == 1
    assert Member.objects.get().photo.width == 48


def test_admin_without_mixin_uploads_inlines_when_they_are_saved(editor, emulator, arrived, late):
    url = reverse("admin:gallery_album_add")
    data = rows({"caption": "one", "picture": upload()})
    assert editor.post(url, {"title": "", **data}).status_code == 200
    assert arrived() == []
    data = rows({"caption": "one", "picture": upload()})
    assert editor.post(url, {"title": "x", **data}).status_code == 302
    assert posts(arrived) == 1


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


class OtherAlbumAdmin(AlbumAdmin):
    inlines = [UploadingInline]


class MemberAdmin(GroupMeImageAdminMixin, admin.ModelAdmin):
    list_display = ["name", "photo"]
    list_editable = ["photo"]


site, other_site = admin.AdminSite("late"), admin.AdminSite("later")
site.register(Album, AlbumAdmin)
site.register(Member, MemberAdmin)
other_site.register(Album, OtherAlbumAdmin)
urlpatterns = [
    path("admin/", admin.site.urls),
    path("late/", site.urls),
    path("later/", other_site.urls),
]


@pytest.fixture(params=["late", "later"])
def add_album(editor: Client, late: None, request: Any) -> Any:
    def add(cover: Any = "", **photo: Any) -> Any:
        data = {"title": photo.pop("title", "x"), "cover": cover, **rows(photo)}
        return editor.post(f"/{request.param}/gallery/album/add/", data)

    return add


def test_mixin_keeps_what_another_admin_changed_in_the_form(rf):
    class ProjectAdmin(admin.ModelAdmin):
        def get_form(self, request: Any, *args: Any, **kwargs: Any) -> Any:
            form_class = super().get_form(request, *args, **kwargs)
            form_class.base_fields["name"].help_text = "As in the passport."
            form_class.base_fields.pop("photo", None)
            return form_class

    class Mixed(GroupMeImageAdminMixin, ProjectAdmin):
        pass

    form_class = Mixed(Member, admin.site).get_form(rf.get("/"))
    assert list(form_class().fields) == ["name"]
    assert form_class().fields["name"].help_text == "As in the passport."
    assert list(Mixed(Member, admin.site).get_form(None)().fields) == ["name"]


@pytest.mark.urls(__name__)
def test_mixin_uploads_once_form_and_inlines_are_valid(add_album, emulator, arrived):
    assert add_album(upload(), caption="", picture=upload()).status_code == 200
    assert add_album(upload(), caption="a", picture=upload(), title="").status_code == 200
    assert arrived() == []
    assert add_album(upload(), caption="a", picture=upload()).status_code == 302
    assert posts(arrived) == 2
    assert Photo.objects.get().picture.width == 48


@pytest.mark.urls(__name__)
@pytest.mark.parametrize("uploaded", [0, 1])
def test_mixin_shows_failures_at_their_fields_and_saves_nothing(
    add_album, emulator, arrived, uploaded
):
    def fail(**kwargs: Any) -> None:
        picture_uploaded.disconnect(fail)
        emulator.app.faults.add(Fault("status", status=503))

    picture_uploaded.connect(fail) if uploaded else fail()
    page = add_album(upload(), caption="a", picture=upload())
    assert page.status_code == 200
    assert posts(arrived) == uploaded + 1
    errors = page.context["adminform"].form.errors
    (inline,) = page.context["inline_admin_formsets"]
    assert list(errors) == ([] if uploaded else ["cover"])
    assert [list(errors) for errors in inline.formset.errors] == [["picture"] if uploaded else []]
    assert "The image service does not answer" in page.text
    assert not Album.objects.exists()
    assert bool(attribute(page.text, "cover-uploaded", "value")) is bool(uploaded)


@pytest.mark.urls(__name__)
def test_mixin_without_inlines_uploads_in_the_form(editor, late, emulator, arrived):
    emulator.app.faults.add(Fault("status", status=503))
    page = editor.post("/late/gallery/member/add/", {"name": "Ada", "photo": upload()})
    assert list(page.context["adminform"].form.errors) == ["photo"]
    page = editor.post("/late/gallery/member/add/", {"name": "Ada", "photo": upload()})
    assert page.status_code == 302
    assert posts(arrived) == 2


@pytest.mark.urls(__name__)
def test_mixin_uploads_an_editable_list(editor, late, emulator, arrived):
    ids = [Member.objects.create(name=name, photo=JPEG).pk for name in "ab"]
    data = {"form-TOTAL_FORMS": 2, "form-INITIAL_FORMS": 2, "_save": "Save"}
    for number, pk in enumerate(reversed(ids)):
        data |= {f"form-{number}-id": pk, f"form-{number}-photo": upload()}
    emulator.app.faults.add(Fault("status", status=503))
    assert "does not answer" in editor.post("/late/gallery/member/", data).text
    assert posts(arrived) == 1
    data |= {f"form-{number}-photo": upload() for number in range(2)}
    assert editor.post("/late/gallery/member/", data).status_code == 302
    assert posts(arrived) == 3
    assert [member.photo.width for member in Member.objects.all()] == [48, 48]


@pytest.mark.urls(__name__)
def test_mixin_shows_a_change_form(editor, late, emulator, arrived):
    album = Album.objects.create(title="x")
    Photo.objects.create(album=album, picture=JPEG, caption="a")
    page = editor.get(f"/late/gallery/album/{album.pk}/change/").text
    assert f'src="{JPEG}.preview"' in page
    assert arrived() == []


# The column


def test_the_column_costs_no_query_and_no_request(
    editor, emulator, arrived, django_assert_num_queries, django_assert_max_num_queries
):
    album = Album.objects.create(title="x")
    url = reverse("admin:gallery_photo_changelist")
    with django_assert_max_num_queries(10) as few:
        editor.get(url)
    Photo.objects.bulk_create(
        Photo(album=album, picture=JPEG, caption=str(number)) for number in range(50)
    )
    with django_assert_num_queries(len(few)):
        page = editor.get(url).text
    assert page.count(f'<img src="{JPEG}.avatar" width="60" height="60"') == 50
    assert arrived() == []


def test_the_column_is_lazy_sized_labelled_and_sortable(editor):
    Member.objects.create(name="Ada", photo=JPEG)
    Member.objects.create(name="Eve")
    page = editor.get(reverse("admin:gallery_member_changelist")).text
    assert (
        f'<td class="field-thumbnail_photo"><img src="{JPEG}.avatar" width="60" height="60" '
        'alt="Photo" loading="lazy" decoding="async"></td>'
    ) in page
    assert '<td class="field-thumbnail_photo">-</td>' in page
    assert re.search(
        r'class="sortable column-thumbnail_photo">.*?\?o=2">Photo</a>', page, re.DOTALL
    )


def test_the_column_in_other_words():
    column: Any = thumbnail(
        "photo", variant="preview", alt=lambda member: member.name, description=gettext_lazy("Yes")
    )
    assert column.short_description == "Yes"
    assert column.admin_order_field == "photo"
    assert 'alt="&lt;Ada&gt;"' in column(Member(name="<Ada>", photo=JPEG))
    assert f'src="{LEGACY}.preview"' in column(Member(photo=LEGACY))
    assert 'alt="A face"' in thumbnail("photo", alt="A face")(Member(photo=JPEG))
    with pytest.raises(ValueError, match="no variant"):
        thumbnail("photo", variant="huge")


@pytest.mark.parametrize(("variant", "height"), [("avatar", 60), ("preview", 200), ("large", 960)])
def test_a_thumbnail_of_a_file_that_waits_is_no_larger(fallback, variant, height):
    html = thumbnail("photo", variant=variant)(Member(photo="photos/cat.jpg"))
    assert f'src="/media/photos/cat.jpg" height="{height}" alt="Photo"' in html
    measured = thumbnail("photo", variant=variant)(Measured(photo="cat.jpg", width=30, height=9))
    assert 'src="/media/cat.jpg" width="30" height="9"' in measured


def test_a_file_that_waits_changes_nothing_for_the_next_row(fallback):
    column: Any = thumbnail("photo", variant="large")
    assert 'height="960"' in column(Member(photo="photos/cat.jpg"))
    assert 'height="325"' in column(Member(photo=JPEG))


def test_the_text_is_in_the_language_of_who_looks():
    column: Any = thumbnail("photo", description=gettext_lazy("Yes"))
    for language, yes in (("en", "Yes"), ("de", "Ja")):
        with override(language):
            assert f'alt="{yes}"' in column(Member(photo=JPEG))


def test_the_column_of_a_related_object():
    class Row:
        owner = Member(photo=JPEG)
        nobody = None

    column: Any = thumbnail("owner__photo")
    assert column.short_description == "Owner photo"
    assert column.__name__ == "thumbnail_owner__photo"
    assert f'src="{JPEG}.avatar"' in column(Row())
    assert thumbnail("nobody__photo")(Row()) == ""
    assert thumbnail("album__title")(Photo(album=Album())) == ""
    assert thumbnail("album__photo")(Photo()) == ""
    with pytest.raises(AttributeError, match="phto"):
        thumbnail("phto")(Member(photo=JPEG))


def test_a_read_only_picture(editor):
    photo = Photo.objects.create(album=Album.objects.create(title="x"), picture=JPEG, caption="one")
    page = editor.get(reverse("admin:gallery_photo_change", args=[photo.pk])).text
    assert re.search(rf'<div class="readonly"><img src="{JPEG}\.preview" width="200"', page)
    page = editor.get(reverse("admin:gallery_photo_add")).text
    assert '<div class="readonly"></div>' in page


def test_someone_who_may_only_look_sees_the_address(emulator):
    viewer = User.objects.create_user("viewer", is_staff=True)
    from django.contrib.auth.models import Permission

    viewer.user_permissions.add(Permission.objects.get(codename="view_unique"))
    client = Client()
    client.force_login(viewer)
    unique = Unique.objects.create(photo=JPEG)
    page = client.get(reverse("admin:gallery_unique_change", args=[unique.pk])).text
    assert f'<a href="{JPEG}">{JPEG}</a>' in page
