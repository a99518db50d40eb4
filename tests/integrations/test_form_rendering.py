"""Test that kept uploads are submitted again by forms that third-party apps render."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from crispy_forms.helper import FormHelper
from django import forms
from django.core.files.storage import storages
from django.http import HttpResponse
from django.template import Context, Template
from django.urls import path
from formtools.wizard.views import SessionWizardView

from django_groupme_images.forms import GroupMeImageFormField
from tests.support.html_forms import submitted

from .documentation import documented_block
from .helpers import displayed_urls, upload_count, uploaded_jpeg
from .models import Member

pytestmark = pytest.mark.django_db

CRISPY = "{% load crispy_forms_tags %}"
BOOTSTRAP = "{% load django_bootstrap5 %}"
TWEAKS = "{% load widget_tweaks %}"

TEMPLATES = [
    CRISPY + "{{ form|crispy }}",
    CRISPY + "{{ form|crispy:'bootstrap4' }}",
    CRISPY + "{% crispy form %}",
    CRISPY + "{% crispy form 'bootstrap4' %}",
    CRISPY + "{{ form.name|as_crispy_field }}{{ form.photo|as_crispy_field }}",
    CRISPY + "{{ form.photo|as_crispy_field:'bootstrap4' }}",
    BOOTSTRAP + "{% bootstrap_form form %}",
    BOOTSTRAP + "{% bootstrap_form form layout='floating' %}",
    BOOTSTRAP + "{% bootstrap_form form layout='horizontal' size='lg' %}",
    BOOTSTRAP + "{% bootstrap_field form.photo show_label=False %}",
    TWEAKS + "{% render_field form.photo class+='wide' data-x='1' %}",
    TWEAKS + "{{ form.photo|add_class:'wide'|attr:'title:A photo' }}",
    TWEAKS + "{% for each in form.photo %}{{ each|add_class:'wide' }}{% endfor %}",
]


class MemberForm(forms.ModelForm):
    helper = FormHelper()
    helper.form_tag = False

    class Meta:
        model = Member
        fields = ["name", "photo"]


class PairForm(forms.Form):
    helper = FormHelper()

    name = forms.CharField(max_length=5)
    first = GroupMeImageFormField(help_text="The first")
    second = GroupMeImageFormField(required=False)


@pytest.mark.parametrize("template", TEMPLATES)
def test_third_party_template_with_kept_upload_submits_it_again(render, list_requests, template):
    form = MemberForm({"name": ""}, {"photo": uploaded_jpeg()})
    for _ in range(2):
        assert not form.is_valid()
        html = render(template, form=form)
        (url,) = displayed_urls(html)
        assert "Uploaded, not saved yet" in html
        form = MemberForm(submitted(html, name=""))
    form = MemberForm(submitted(html, name="Ada"))
    assert form.save().photo.url == url
    assert upload_count(list_requests) == 1


@pytest.mark.parametrize("template", TEMPLATES)
def test_third_party_template_with_new_file_replaces_kept_upload(render, list_requests, template):
    first = MemberForm({"name": ""}, {"photo": uploaded_jpeg()})
    html = render(template, form=first)
    form = MemberForm(submitted(html, name="Ada"), {"photo": uploaded_jpeg()})
    assert form.save().photo.url not in displayed_urls(html)
    assert upload_count(list_requests) == 2


@pytest.mark.parametrize("template", TEMPLATES)
def test_third_party_template_with_clear_checkbox_removes_kept_upload(
    render, list_requests, template
):
    first = MemberForm({"name": ""}, {"photo": uploaded_jpeg()})
    html = render(template, form=first)
    assert 'name="photo-clear"' in html
    form = MemberForm(submitted(html, **{"name": "Ada", "photo-clear": "on"}))
    assert not form.save().photo


@pytest.mark.parametrize("template", TEMPLATES)
def test_third_party_template_with_saved_image_displays_and_keeps_it(
    render, list_requests, photo_url, template
):
    member = Member.objects.create(name="Ada", photo=photo_url)
    html = render(template, form=MemberForm(instance=member))
    assert displayed_urls(html) == {photo_url}
    form = MemberForm(submitted(html, name="Eve"), instance=member)
    assert form.save().photo.url == photo_url
    assert list_requests() == []


@pytest.mark.parametrize("template", [each for each in TEMPLATES if ".photo" not in each])
def test_third_party_template_with_two_kept_uploads_keeps_their_fields(
    render, list_requests, template
):
    files = {"pair-first": uploaded_jpeg(), "pair-second": uploaded_jpeg()}
    form = PairForm({"pair-name": "too long"}, files, prefix="pair")
    assert not form.is_valid()
    html = render(template, form=form)
    resubmitted = PairForm(submitted(html, **{"pair-name": "Ada"}), prefix="pair")
    assert resubmitted.is_valid(), resubmitted.errors
    for name in ("first", "second"):
        assert resubmitted.cleaned_data[name].url == form.cleaned_data[name].url
    assert upload_count(list_requests) == 2


def table_helper(pack: str) -> FormHelper:
    helper = FormHelper()
    helper.template = f"{pack}/table_inline_formset.html"
    return helper


@pytest.mark.parametrize(
    ("template", "pack"),
    [
        (CRISPY + "{{ form|crispy }}", ""),
        (CRISPY + "{{ form|crispy:'bootstrap4' }}", ""),
        (CRISPY + "{% crispy form %}", ""),
        (CRISPY + "{% crispy form helper 'bootstrap5' %}", "bootstrap5"),
        (CRISPY + "{% crispy form helper 'bootstrap4' %}", "bootstrap4"),
        (BOOTSTRAP + "{% bootstrap_formset form %}", ""),
    ],
)
def test_formset_with_kept_uploads_keeps_their_rows(render, list_requests, template, pack):
    formset_class = forms.formset_factory(PairForm, extra=2)
    data = {"form-TOTAL_FORMS": "2", "form-INITIAL_FORMS": "0"}
    names = {f"form-{row}-name": "too long" for row in range(2)}
    files = {f"form-{row}-first": uploaded_jpeg() for row in range(2)}
    formset = formset_class(data | names, files)
    assert not formset.is_valid()
    html = render(template, form=formset, helper=table_helper(pack))
    resubmitted = formset_class(submitted(html, **dict.fromkeys(names, "Ada")))
    assert resubmitted.is_valid(), resubmitted.errors
    rows = zip(resubmitted.cleaned_data, formset.forms, strict=True)
    for row, form in rows:
        assert row["first"].url == form.cleaned_data["first"].url
    assert upload_count(list_requests) == 2


@pytest.mark.parametrize("template", TEMPLATES)
def test_third_party_template_with_unbound_form_displays_no_image(render, template):
    html = render(template, form=MemberForm())
    assert "Current image" not in html
    assert displayed_urls(html) == set()


@pytest.mark.parametrize("template", TEMPLATES)
def test_third_party_template_with_pending_file_keeps_it(render, settings, emulator, template):
    settings.GROUPME_FALLBACK = "files"
    settings.GROUPME_DEFERRED = True
    form = MemberForm({"name": ""}, {"photo": uploaded_jpeg()})
    html = render(template, form=form)
    assert "/media/groupme-forms/" in html
    form = MemberForm(submitted(html, name="Ada"))
    assert form.save().photo
    assert form.instance.photo.picture is None


def test_documented_crispy_layout_with_kept_upload_renders_full_widget(render, list_requests):
    documented: dict[str, Any] = {}
    exec(documented_block("crispy_forms.layout"), documented)
    form = MemberForm({"name": ""}, {"photo": uploaded_jpeg()})
    html = render(CRISPY + "{% crispy form helper %}", form=form, helper=documented["helper"])
    assert html.count("<groupme-image-input") == 1
    assert 'name="photo-url"' in html
    assert MemberForm(submitted(html, name="Ada")).save().photo


def test_documented_handwritten_inputs_with_kept_upload_submit_it_again(render, list_requests):
    form = MemberForm({"a-name": ""}, {"a-photo": uploaded_jpeg()}, prefix="a")
    assert not form.is_valid()
    html = render(documented_block("-uploaded"), form=form)
    form = MemberForm(submitted(html, **{"a-name": "Ada"}), prefix="a")
    assert form.save().photo
    assert 'value=""' in render(documented_block("-uploaded"), form=MemberForm())


class EndForm(forms.Form):
    motto = forms.CharField()


class Wizard(SessionWizardView):
    form_list = [PairForm, EndForm]

    @property
    def file_storage(self) -> Any:
        return storages["files"]

    def render_to_response(self, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        html = "{{ wizard.management_form }}" + CRISPY + "{{ form|crispy }}"
        return HttpResponse(Template(html).render(Context(context)))

    def done(self, form_list: Any, **kwargs: Any) -> HttpResponse:
        first, _ = form_list
        return HttpResponse(first.cleaned_data["first"].url)


def test_wizard_with_invalid_step_keeps_upload(client, settings, list_requests):
    settings.ROOT_URLCONF = ModuleType("urls")
    settings.ROOT_URLCONF.urlpatterns = [path("", Wizard.as_view())]
    page = client.get("/").text
    page = client.post("/", submitted(page, **{"0-first": uploaded_jpeg()})).text
    (url,) = displayed_urls(page)
    page = client.post("/", submitted(page, **{"0-name": "Ada"})).text
    assert displayed_urls(page) == set()
    page = client.post("/", submitted(page, **{"1-motto": "Fiat lux"})).text
    assert page == url
    assert upload_count(list_requests) == 1
