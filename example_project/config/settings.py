"""
Settings of the example site, for development only.

Environment variables: ``PORT`` and ``EMULATOR_PORT`` (8000 and 8001), ``EXAMPLE_DATA`` (the folder
of the database and of the emulator's images), and ``GROUPME=live`` with ``GM_TOKEN`` for the real
image service.
"""

import os
import re
from pathlib import Path

import django
from django.core.exceptions import ImproperlyConfigured

from django_groupme_images.pictures import CDN_URL

BASE_DIR = Path(__file__).resolve().parent.parent


def _port(name: str, default: str) -> int:
    value = os.environ.get(name, default)
    if not re.fullmatch("[0-9]{1,5}", value) or not 1 <= int(value) <= 65535:
        raise ImproperlyConfigured(f"{name} must be a number from 1 to 65535, not {value!r}.")
    return int(value)


PORT = _port("PORT", "8000")
EMULATOR_PORT = _port("EMULATOR_PORT", "8001")

GROUPME = os.environ.get("GROUPME", "")
if GROUPME not in ("", "live"):
    raise ImproperlyConfigured(f"GROUPME must be empty or 'live', not {GROUPME!r}.")
LIVE = GROUPME == "live"
if LIVE and not os.environ.get("GM_TOKEN"):
    raise ImproperlyConfigured("GROUPME=live requires a GroupMe access token in GM_TOKEN.")

# The database contains URLs of one CDN. Therefore, each CDN (the real one, or that of an emulator's
# port) has its own folder.
DATA_DIR = Path(os.environ.get("EXAMPLE_DATA") or BASE_DIR / "data")
DATA_DIR /= "live" if LIVE else str(EMULATOR_PORT)
try:
    DATA_DIR.mkdir(parents=True, exist_ok=True)  # SQLite creates no folder.
except OSError as error:
    raise ImproperlyConfigured(
        f"cannot create the directory {DATA_DIR}: {error.strerror} "
        "(set EXAMPLE_DATA to another path)"
    ) from error
PICTURES_DIR = DATA_DIR / "pictures"

# A public site needs a secret key, and DEBUG = False.
SECRET_KEY = "development-only"
DEBUG = True
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "[::1]"]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_groupme_images",
    "club",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DATA_DIR / "db.sqlite3",
    },
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "groupme": {
        "BACKEND": "django_groupme_images.storage.GroupMeStorage",
        # Photos from phones may contain their location, and have more pixels than a page shows.
        "OPTIONS": {"strip_metadata": True, "max_dimension": 2048},
    },
}

# For the real image service, the default URLs are used, and the token from GM_TOKEN.
EMULATOR_URL = f"http://127.0.0.1:{EMULATOR_PORT}/"
EMULATOR_TOKEN = "emulator"
if not LIVE:
    STORAGES["groupme"]["OPTIONS"] |= {
        "upload_url": f"{EMULATOR_URL}pictures",
        "cdn_url": EMULATOR_URL,
        "access_token": EMULATOR_TOKEN,
    }

# Pages load only images from other origins.
if django.VERSION >= (6, 0):  # Django 6.0 added support for Content Security Policy.
    MIDDLEWARE.append("django.middleware.csp.ContentSecurityPolicyMiddleware")
    SECURE_CSP = {
        "default-src": ["'self'"],
        "img-src": ["'self'", CDN_URL if LIVE else EMULATOR_URL],
    }

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "static/"
