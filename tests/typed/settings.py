"""What mypy's plugin for Django asks for."""

SECRET_KEY = "for the types alone"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.contenttypes", "django_groupme_images"]
