"""URLs of the tests of integrations. Those below ``strict/`` are Wagtail's default patterns."""

from django.contrib import admin
from django.urls import include, path, re_path
from wagtail.admin import urls as wagtailadmin_urls
from wagtail.images import urls as wagtailimages_urls
from wagtail.images.views.serve import serve

urlpatterns = [
    path("admin/", admin.site.urls),
    path("cms/", include(wagtailadmin_urls)),
    path("strict/", include(wagtailimages_urls)),
    re_path(r"^images/([^/]*)/(\d*)/([^/]*)/.*$", serve, name="wagtailimages_serve"),
]
