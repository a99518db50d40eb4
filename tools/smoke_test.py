"""Use an installed distribution in a project, in an environment that contains nothing else."""

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

OPTIONAL = {
    "django_tasks",
    "drf_spectacular",
    "health_check",
    "jinja2",
    "pillow_heif",
    "pytest",
    "rest_framework",
}
URL = "https://i.groupme.com/480x325.jpeg.9e20b71dd6af4b58bbd132d4a7dec009"

settings.configure(
    SECRET_KEY="any",
    INSTALLED_APPS=["django.contrib.staticfiles", "django_groupme_images"],
    STORAGES={
        "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
        "groupme": {"BACKEND": "django_groupme_images.storage.GroupMeStorage"},
    },
    STATIC_URL="static/",
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
    GROUPME_ACCESS_TOKEN="any",
)
django.setup()
call_command("check", fail_level="WARNING")

for module in pkgutil.walk_packages(django_groupme_images.__path__, "django_groupme_images."):
    try:
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    except ModuleNotFoundError as error:
        if error.name not in OPTIONAL:
            raise


class Form(forms.Form):
    picture = importlib.import_module("django_groupme_images.forms").GroupMeImageFormField()


with translation.override("de"):
    assert "Abbrechen" in str(Form()), "the template or the translation is missing"
scripts = ("image_shrink", "image_input", "image_form_data", "image_uploads", "image_grid")
for script in scripts:
    assert finders.find(f"groupme_images/{script}.js"), "static files are missing"
template = Template('{% load groupme_images %}{% groupme_image url "avatar" %}')
assert f'<img src="{URL}.avatar" width="60"' in template.render(Context({"url": URL}))
