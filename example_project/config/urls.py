from django.contrib import admin
from django.templatetags.static import static
from django.urls import include, path
from django.views.generic import RedirectView

urlpatterns = [
    path("", include("club.urls")),
    path("admin/", admin.site.urls),
    # Browsers request this URL for the admin, which has no icon of its own.
    path("favicon.ico", RedirectView.as_view(url=static("club/favicon.svg"))),
]
