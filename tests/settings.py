"""Settings for the tests. ``TEST_DATABASE`` is ``postgres``, ``mariadb``, or unset for SQLite."""

import os

SECRET_KEY = "for the tests alone"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "tests.urls"

database = os.environ.get("TEST_DATABASE")
# Environments of tox that run at the same time share the database server.
test_database = f"test_{os.environ.get('TOX_ENV_NAME', 'groupme_images')}"
if database == "postgres":
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": os.environ.get("PGDATABASE", "postgres"),
            "HOST": os.environ.get("PGHOST", "127.0.0.1"),
            "PORT": os.environ.get("PGPORT", "5432"),
            "USER": os.environ.get("PGUSER", "postgres"),
            "PASSWORD": os.environ.get("PGPASSWORD", "postgres"),
            "TEST": {"NAME": test_database},
        }
    }
elif database == "mariadb":
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.mysql",
            "NAME": "groupme_images",
            # The client library reads MYSQL_TCP_PORT and MYSQL_UNIX_PORT.
            "HOST": os.environ.get("MYSQL_HOST", "127.0.0.1"),
            "USER": "root",
            "PASSWORD": os.environ.get("MYSQL_PWD", ""),
            "TEST": {"NAME": test_database, "CHARSET": "utf8mb4"},
        }
    }
else:
    DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}

# A second database, for tests of code that selects a database.
DATABASES["other"] = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "django_groupme_images",
    "tests.testapp",
]

MIDDLEWARE = [
    "tests.testapp.middleware.strict_csp",
    "tests.testapp.middleware.announce_posts",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]

# No server listens on this port. Tests that need the service use the fixture emulator.
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "groupme": {
        "BACKEND": "django_groupme_images.storage.GroupMeStorage",
    },
}
GROUPME_ACCESS_TOKEN = "5ecre7t0ken"
GROUPME_UPLOAD_URL = "http://127.0.0.1:9/pictures"
GROUPME_MAX_RETRIES = 0

STATIC_URL = "static/"
REST_FRAMEWORK = {"DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema"}

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    },
    {
        "BACKEND": "django.template.backends.jinja2.Jinja2",
        "NAME": "jinja2",
        "OPTIONS": {"extensions": ["django_groupme_images.jinja2.GroupMeImages"]},
    },
]
