"""Ways to render a form, all of which keep a displayed upload in the next submission."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django import forms
from django.forms.renderers import DjangoTemplates, Jinja2, TemplatesSetting
from django.template import Context, Template

from django_groupme_images.forms import GroupMeImageFormField, GroupMeImageInput
from tests.support.field_data import uploaded_file
from tests.support.html_forms import submitted
from tests.support.urls_of_pictures import JPEG
from tests.testapp.models import Member

HIDDEN_INPUT = "photo-uploaded"


class CardForm(forms.Form):
    title = forms.CharField()
    photo = GroupMeImageFormField(help_text="Landscape looks best.")


def invalid_form(form_class: Any = CardForm, **kwargs: Any) -> Any:
    form = form_class({"title": ""}, {"photo": uploaded_file()}, **kwargs)
    assert not form.is_valid()
    return form


def render(template: str, form: forms.BaseForm) -> str:
    return Template(template).render(Context({"form": form}))


@pytest.mark.parametrize("renderer", [DjangoTemplates, Jinja2, TemplatesSetting])
@pytest.mark.parametrize(
    "template",
    [
        "{{ form }}",
        "{{ form.as_div }}",
        "{{ form.as_p }}",
        "{{ form.as_table }}",
        "{{ form.as_ul }}",
        "{{ form.photo }}",
        "{{ form.photo.as_widget }}",
        "{{ form.photo.as_field_group }}",
        "{% for each in form.photo %}{{ each }}{% endfor %}",
        "{% for each in form.photo.subwidgets %}{{ each.tag }}{% endfor %}",
        "{{ form.photo.0 }}",
    ],
)
def test_form_rendered_by_django_contains_hidden_input_once(emulator, settings, template, renderer):
    settings.INSTALLED_APPS = ["django.forms", *settings.INSTALLED_APPS]
    html = render(template, invalid_form(renderer=renderer()))
    assert len(re.findall(f'name="{HIDDEN_INPUT}"', html)) == 1
    assert CardForm(submitted(html, title="x")).is_valid()
    html = render(template, CardForm(renderer=renderer()))
    assert len(re.findall(f'name="{HIDDEN_INPUT}" value=""', html)) == 1


LOOPS = [
    # crispy-forms has a loop like this one.
    """
    {% for widget in form.photo.subwidgets %}
    {% if widget.data.is_initial %}
      {{ widget.data.initial_text }}
      <a href="{{ form.photo.value.url }}">{{ form.photo.value.name }}</a>
    {% endif %}
    <input type="{{ widget.data.type }}" name="{{ widget.data.name }}"
      {% for name, value in widget.data.attrs.items %}
      {% if value is not False %}{{ name }}="{{ value }}"{% endif %}
      {% endfor %}>
    {% endfor %}
    """,
    """
    {% for widget in form.photo %}{% with data=widget.data %}
    {% if data.is_initial %}<a href="{{ form.photo.value.url }}">Image</a>{% endif %}
    <input type="{{ data.type }}" name="{{ data.name }}" value="{{ data.value }}">
    {% endwith %}{% endfor %}
    """,
]


@pytest.mark.parametrize("template", LOOPS)
def test_loop_over_subwidgets_renders_hidden_input(emulator, list_requests, template):
    form = invalid_form()
    html = render(template, form)
    url = form.cleaned_data["photo"].url
    assert f'<a href="{url}">' in html
    resubmitted = CardForm(submitted(html, title="x"))
    assert resubmitted.is_valid()
    assert resubmitted.cleaned_data["photo"] == form.cleaned_data["photo"].picture
    assert list_requests() == ["POST /pictures"]


@pytest.mark.parametrize("template", LOOPS)
def test_loop_over_subwidgets_with_initial_string_renders_no_link(template):
    html = render(template, CardForm(initial={"photo": JPEG}))
    assert "<a" not in html


@pytest.mark.parametrize(
    "template",
    ["django/forms/widgets/clearable_file_input.html", "admin/widgets/clearable_file_input.html"],
)
def test_widget_with_replaced_template_keeps_upload(emulator, settings, template):
    # Versions of django-bootstrap5 replaced the template in this way.
    form = invalid_form(renderer=TemplatesSetting())
    form.fields["photo"].widget.template_name = template
    settings.INSTALLED_APPS = ["django.forms", *settings.INSTALLED_APPS]
    html = str(form["photo"])
    picture = form.cleaned_data["photo"].picture
    assert f'Uploaded, not saved yet: <a href="{picture.url}">{picture.url}</a>' in html
    assert CardForm(submitted(html, title="x")).is_valid()
    form = CardForm(renderer=TemplatesSetting())
    form.fields["photo"].widget.template_name = template
    assert HIDDEN_INPUT not in str(form["photo"])


class TemplateRenderer(DjangoTemplates):
    """A renderer of a project that has its own template for the widget."""

    def get_template(self, template_name: str) -> Any:
        if template_name == GroupMeImageInput.template_name:
            return Template('<img src="{{ widget.value.url }}"><input type="file">')
        return super().get_template(template_name)

    def render(self, template_name: str, context: Any, request: Any = None) -> str:
        template = self.get_template(template_name)
        return template.render(Context(context) if isinstance(template, Template) else context)


def test_renderer_with_own_widget_template_keeps_upload(emulator):
    form = invalid_form(renderer=TemplateRenderer())
    html = str(form)
    assert f'<img src="{form.cleaned_data["photo"].url}">' in html
    assert CardForm(submitted(html, title="x")).is_valid()


def test_handwritten_input_with_token_keeps_upload(emulator):
    html = render(
        '<input type="hidden" name="{{ form.photo.html_name }}-uploaded" '
        'value="{{ form.photo.value.token }}">',
        invalid_form(),
    )
    assert CardForm(submitted(html, title="x")).is_valid()
    assert f'name="{HIDDEN_INPUT}" value=""' in render(
        f'<input name="{HIDDEN_INPUT}" value="{{{{ form.photo.value.token }}}}">', CardForm()
    )


def test_disabled_input_with_displayed_upload_submits_token(emulator):
    # UneditableField of crispy-forms renders a disabled input.
    form = invalid_form()
    html = form["photo"].as_widget(attrs={"disabled": "disabled"})
    assert form.cleaned_data["photo"].url in html
    assert CardForm(submitted(html, title="x")).is_valid()
    assert submitted(CardForm()["photo"].as_widget(attrs={"disabled": True})) == {}


def test_disabled_field_with_token_displays_initial_value(emulator):
    token = invalid_form()["photo"].value().token
    form = CardForm({"title": "", HIDDEN_INPUT: token}, initial={"photo": JPEG})
    form.fields["photo"].disabled = True
    assert form["photo"].value() == JPEG
    assert token not in str(form)


@pytest.mark.parametrize("widget", [forms.FileInput, forms.ClearableFileInput])
def test_other_widget_with_lost_upload_displays_initial_value(emulator, db, widget):
    member = Member(photo=JPEG)
    form_class = forms.modelform_factory(
        Member, fields=["name", "photo"], widgets={"photo": widget}
    )
    form = form_class({"name": ""}, {"photo": uploaded_file()}, instance=member)
    assert not form.is_valid()
    assert form["photo"].value() == JPEG
    assert HIDDEN_INPUT not in str(form)
    assert form.errors["photo"] == [
        "The form was not saved, and your upload was not kept. Please choose the image again."
    ]


@pytest.mark.parametrize("widget", [forms.FileInput, forms.TextInput])
def test_other_widget_reports_error_for_lost_uploads_only(emulator, settings, widget):
    class Form(CardForm):
        photo = GroupMeImageFormField(widget=widget, required=False)

    data = {"photo": JPEG} if widget is forms.TextInput else {}
    files = {} if data else {"photo": uploaded_file()}
    assert list(Form(data, files).errors) == ["title", "photo"]
    assert list(Form({}).errors) == ["title"]
    assert Form({"title": "x", **data}, files).is_valid()
    settings.GROUPME_UPLOAD_EARLY = False
    assert list(Form({}, {"photo": uploaded_file()}).errors) == ["title"]
