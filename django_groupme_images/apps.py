from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class GroupMeImagesConfig(AppConfig):
    name = "django_groupme_images"
    label = "groupme_images"
    verbose_name = _("GroupMe images")

    def ready(self) -> None:
        from . import checks  # noqa: F401  # registers them
