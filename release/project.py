"""
A project in one file, that uses what an installed app brings: its modules, templates, static
files and translations. It ends with an AssertionError, or another, if one is not there.
"""

from __future__ import annotations

import importlib
import pkgutil

import django
from django import forms
from django.conf import settings
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.template import Context, Template
from django.utils import translation

import django_groupme_images

PICTURE = "https://i.groupme.com/480x325.jpeg.9e20b71dd6af4b58bbd132d4a7dec009"

# What one has who uses the modules that import it.
OPTIONAL = {"django_tasks", "drf_spectacular", "jinja2", "pytest", "rest_framework"}


def main() -> None:
    settings.configure(
        SECRET_KEY="of nobody",
        INSTALLED_APPS=["django.contrib.staticfiles", "django_groupme_images"],
        STORAGES={
            "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
            "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
            "groupme": {"BACKEND": "django_groupme_images.storage.GroupMeStorage"},
        },
        STATIC_URL="static/",
        TEMPLATES=[
            {"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}
        ],
        GROUPME_ACCESS_TOKEN="of-nobody",
    )
    django.setup()
    call_command("check", fail_level="WARNING")
    import_the_modules()
    use_the_form()
    use_the_tag()


def import_the_modules() -> None:
    path, prefix = django_groupme_images.__path__, f"{django_groupme_images.__name__}."
    for module in pkgutil.walk_packages(path, prefix):
        if module.name.endswith("__main__"):
            continue
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            if error.name not in OPTIONAL:
                raise


def use_the_form() -> None:
    from django_groupme_images.forms import GroupMeImageFormField

    class Form(forms.Form):
        picture = GroupMeImageFormField()

    assert "<groupme-image-input" in str(Form()), "no template of the widget"
    for language, text in {"en": "Choose a picture", "de": "Bild auswählen"}.items():
        with translation.override(language):
            assert text in str(Form()), f"no translation, {language}"
    for name in ("image_input.css", "image_input.js"):
        assert f"groupme_images/{name}" in str(Form().media), f"no {name} in the media"
        assert finders.find(f"groupme_images/{name}"), f"no static file {name}"


def use_the_tag() -> None:
    template = Template('{% load groupme_images %}{% groupme_image picture "avatar" alt="Ada" %}')
    html = template.render(Context({"picture": PICTURE}))
    assert html.startswith(f'<img src="{PICTURE}.avatar" width="60" height="60" alt="Ada"'), html


if __name__ == "__main__":
    main()
