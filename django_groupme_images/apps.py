"""The app, as ``INSTALLED_APPS`` has it."""

from django.apps import AppConfig, apps
from django.utils.translation import gettext_lazy as _


class GroupMeImagesConfig(AppConfig):
    name = "django_groupme_images"
    label = "groupme_images"
    verbose_name = _("GroupMe images")

    def ready(self) -> None:
        from . import checks, deferral  # noqa: F401  # register themselves

        if apps.is_installed("rest_framework"):
            from . import rest_framework

            rest_framework.register()
        if apps.is_installed("drf_spectacular"):
            from . import schema  # noqa: F401  # registers itself
