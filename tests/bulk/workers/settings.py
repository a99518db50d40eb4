"""Settings of a project with a queue, which environment variables configure."""

import os
from importlib.util import find_spec
from pathlib import Path

FOLDER = Path(os.environ["SITE_FOLDER"])

SECRET_KEY = "only for tests"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

if host := os.environ.get("SITE_POSTGRES"):
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": host,
            "NAME": "postgres",
            "USER": "postgres",
        }
    }
else:
    DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": FOLDER / "db"}}

INSTALLED_APPS = ["django.contrib.contenttypes", "django_groupme_images", "tests.testapp"]
if not find_spec("django.tasks"):
    INSTALLED_APPS.append("django_tasks")

if redis := os.environ.get("SITE_REDIS"):
    INSTALLED_APPS.append("django_rq")
    RQ_QUEUES = {"default": {"URL": f"unix://{redis}"}}
    TASKS = {"default": {"BACKEND": "django_tasks_rq.RQBackend"}}
    GROUPME_DEFERRED = True
else:
    INSTALLED_APPS.append("django_tasks_db")
    TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}

STORAGES = {
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": FOLDER / "files"},
    },
    "groupme": {"BACKEND": "django_groupme_images.storage.GroupMeStorage"},
}
GROUPME_ACCESS_TOKEN = "5ecre7t0ken"
GROUPME_FALLBACK = "default"
GROUPME_UPLOAD_URL = os.environ["SITE_UPLOAD_URL"]
GROUPME_CDN_URL = os.environ["SITE_CDN_URL"]
