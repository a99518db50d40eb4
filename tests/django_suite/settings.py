"""A project with Django's tests of model fields as an app."""

SECRET_KEY = "for the tests alone"
USE_TZ = False
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
INSTALLED_APPS = ["django.contrib.contenttypes", "django_groupme_images", "model_fields"]
STORAGES = {
    alias: {
        "BACKEND": "tests.django_suite.field.named_storage",
        "OPTIONS": {"alias": alias},
    }
    for alias in ("FileSystemStorage", "NoReadFileSystemStorage")
}
