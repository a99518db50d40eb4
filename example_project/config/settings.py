"""
Settings of the example, for development only.

Environment: ``PORT`` and ``EMULATOR_PORT`` (8000 and 8001), ``EXAMPLE_DATA`` (where the
database and the emulator's pictures live), and ``GROUPME=live`` with ``GM_TOKEN`` to keep
the pictures on the real image service.
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
    raise ImproperlyConfigured("GROUPME=live needs a GroupMe access token in GM_TOKEN.")

# The database holds URLs of one CDN, so each CDN (the real one, or an emulator's port) has a
# folder of its own: another EMULATOR_PORT starts a fresh club instead of one without pictures.
DATA_DIR = Path(os.environ.get("EXAMPLE_DATA") or BASE_DIR / "data")
DATA_DIR /= "live" if LIVE else str(EMULATOR_PORT)
try:
    DATA_DIR.mkdir(parents=True, exist_ok=True)  # SQLite makes its file, but no folder
except OSError as error:
    raise ImproperlyConfigured(
        f"cannot make the folder {DATA_DIR}: {error.strerror} (EXAMPLE_DATA chooses another)"
    ) from error
PICTURES_DIR = DATA_DIR / "pictures"

# For development: a site that others can reach needs a key that others cannot read.
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
        # Members need not know where the others live, which photographs of phones may tell.
        "OPTIONS": {"strip_metadata": True},
    },
}

# The real image service needs no more: the token comes from GM_TOKEN, and the addresses
# are the defaults. Here the emulator speaks for it.
EMULATOR_URL = f"http://127.0.0.1:{EMULATOR_PORT}/"
EMULATOR_TOKEN = "emulator"
if not LIVE:
    STORAGES["groupme"]["OPTIONS"] |= {
        "upload_url": f"{EMULATOR_URL}pictures",
        "cdn_url": EMULATOR_URL,
        "access_token": EMULATOR_TOKEN,
    }

# All that a page loads is the site's own, but for the pictures.
if django.VERSION >= (6, 0):  # the first with a Content-Security-Policy of its own
    MIDDLEWARE.append("django.middleware.csp.ContentSecurityPolicyMiddleware")
    SECURE_CSP = {
        "default-src": ["'self'"],
        "img-src": ["'self'", CDN_URL if LIVE else EMULATOR_URL],
    }

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "static/"
