"""Settings of a project with third-party apps that use storages, forms, or the admin."""

SECRET_KEY = "for the tests alone"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "tests.integrations.urls"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "wagtail.images",
    "wagtail.documents",
    "wagtail.admin",
    "wagtail.search",
    "wagtail.users",
    "wagtail",
    "modelcluster",
    "taggit",
    "easy_thumbnails",
    "imagekit",
    "crispy_bootstrap4",
    "crispy_bootstrap5",
    "crispy_forms",
    "django_bootstrap5",
    "import_export",
    "sorl.thumbnail",
    "widget_tweaks",
    "django_groupme_images",
    "tests.integrations",
    "django_cleanup.apps.CleanupSelectedConfig",
]

MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]

# Because the default storage is GroupMeStorage, each app needs a setting for local thumbnails.
STORAGES = {
    "default": {"BACKEND": "django_groupme_images.storage.GroupMeStorage"},
    "groupme": {"BACKEND": "django_groupme_images.storage.GroupMeStorage"},
    "files": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "easy_thumbnails": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
THUMBNAIL_STORAGE = "files"
IMAGEKIT_DEFAULT_FILE_STORAGE = "files"
WAGTAILIMAGES_RENDITION_STORAGE = "files"
WAGTAILIMAGES_EXTENSIONS = ["gif", "jpeg", "jpg", "png"]

CRISPY_ALLOWED_TEMPLATE_PACKS = ["bootstrap4", "bootstrap5"]
CRISPY_TEMPLATE_PACK = "bootstrap5"

# django-imagekit imports django-rq if it is installed, and django-rq requires this setting.
RQ_QUEUES = {"default": {"URL": "redis://127.0.0.1:9"}}

MEDIA_URL = "/media/"
STATIC_URL = "/static/"
GROUPME_ACCESS_TOKEN = "5ecre7t0ken"
GROUPME_UPLOAD_URL = "http://127.0.0.1:9/pictures"
GROUPME_MAX_RETRIES = 0

WAGTAIL_SITE_NAME = "Integrations"
WAGTAILADMIN_BASE_URL = "http://testserver"
WAGTAILIMAGES_IMAGE_MODEL = "integrations.SitePicture"

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
            # Both apps have a library with the name "thumbnail".
            "libraries": {
                "easy_thumbnails": "easy_thumbnails.templatetags.thumbnail",
                "sorl_thumbnail": "sorl.thumbnail.templatetags.thumbnail",
            },
        },
    },
]
