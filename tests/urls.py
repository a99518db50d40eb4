"""URLs of the tests' app and the admin."""

from django.contrib import admin
from django.urls import path

from tests.testapp import views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("card/", views.Card.as_view(), name="card"),
    path("photos/add/", views.PhotosAdd.as_view(), name="photos_add"),
    path("members/add/", views.MemberAdd.as_view(), name="member_add"),
    path("members/<int:pk>/", views.MemberPage.as_view(), name="member"),
    path("members/<int:pk>/change/", views.MemberChange.as_view(), name="member_change"),
    path("albums/<int:pk>/", views.album_photos, name="album_photos"),
]
