"""The configuration of the app for ``INSTALLED_APPS``."""

from django.apps import AppConfig, apps
from django.utils.translation import gettext_lazy as _


class GroupMeImagesConfig(AppConfig):
    name = "django_groupme_images"
    label = "groupme_images"
    verbose_name = _("GroupMe images")

    def ready(self) -> None:
        from . import checks, receivers  # noqa: F401  # Importing them registers them.

        if apps.is_installed("rest_framework"):
            from .rest_framework import fields

            fields.register()
        if apps.is_installed("drf_spectacular"):
            from .rest_framework import openapi  # noqa: F401  # Importing it registers it.
