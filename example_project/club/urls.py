from django.urls import path

from . import views

urlpatterns = [
    path("", views.AlbumList.as_view(), name="albums"),
    path("members/", views.MemberList.as_view(), name="members"),
    path("albums/<slug:slug>/", views.AlbumDetail.as_view(), name="album"),
    path("albums/<slug:slug>/add/", views.PhotosAdd.as_view(), name="photos_add"),
    path("photos/<int:pk>/", views.PhotoDetail.as_view(), name="photo"),
    path("photos/<int:pk>/edit/", views.PhotoEdit.as_view(), name="photo_edit"),
    path("photos/<int:pk>/delete/", views.PhotoDelete.as_view(), name="photo_delete"),
]
