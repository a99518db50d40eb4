"""Settings that the mypy plugin of django-stubs requires."""

SECRET_KEY = "for type checks only"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.contenttypes", "django_groupme_images"]
