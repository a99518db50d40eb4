"""A Django REST framework API for the models of the test app."""

from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView
from rest_framework import serializers, viewsets
from rest_framework.response import Response
from rest_framework.routers import DefaultRouter
from rest_framework.views import APIView

from django_groupme_images.rest_framework import GroupMeImageListField, GroupMeImageSerializerField
from tests.testapp.models import Album, Group, Member, Photo, Unique


class MemberSerializer(serializers.ModelSerializer):
    """Serializer without a declared image field."""

    class Meta:
        model = Member
        fields = ["id", "name", "photo"]


class CardSerializer(serializers.ModelSerializer):
    """Serializer whose image field has variants."""

    photo = GroupMeImageSerializerField(variants=True, required=False)

    class Meta:
        model = Member
        fields = ["id", "name", "photo"]


class GroupSerializer(serializers.ModelSerializer):
    """Serializer with a required image, and with one that has another name than its source."""

    top = GroupMeImageSerializerField(source="banner", required=False)

    class Meta:
        model = Group
        fields = ["id", "photo", "top"]


class UniqueSerializer(serializers.ModelSerializer):
    class Meta:
        model = Unique
        fields = ["id", "photo"]


class PhotoSerializer(serializers.ModelSerializer):
    class Meta:
        model = Photo
        fields = ["picture", "caption"]


class AlbumSerializer(serializers.ModelSerializer):
    """Serializer that also creates the photos of an album."""

    photos = PhotoSerializer(many=True, source="photo_set")

    class Meta:
        model = Album
        fields = ["id", "title", "photos"]

    def create(self, validated_data):
        photos = validated_data.pop("photo_set")
        album = Album.objects.create(**validated_data)
        for photo in photos:
            Photo.objects.create(album=album, **photo)
        return album


class GallerySerializer(serializers.Serializer):
    """Serializer without a model."""

    cover = GroupMeImageSerializerField(variants=True, allow_null=True)
    pictures = serializers.ListField(child=GroupMeImageSerializerField())
    photos = GroupMeImageListField(max_files=3, required=False)


class MemberViewSet(viewsets.ModelViewSet):
    queryset = Member.objects.order_by("pk")
    serializer_class = MemberSerializer


class CardViewSet(viewsets.ModelViewSet):
    queryset = Member.objects.order_by("pk")
    serializer_class = CardSerializer


class GroupViewSet(viewsets.ModelViewSet):
    queryset = Group.objects.order_by("pk")
    serializer_class = GroupSerializer


class UniqueViewSet(viewsets.ModelViewSet):
    queryset = Unique.objects.order_by("pk")
    serializer_class = UniqueSerializer


class AlbumViewSet(viewsets.ModelViewSet):
    queryset = Album.objects.order_by("pk")
    serializer_class = AlbumSerializer


class GalleryView(APIView):
    serializer_class = GallerySerializer

    def post(self, request):
        serializer = GallerySerializer(data=request.data, context={"request": request})
        serializer.is_valid(raise_exception=True)
        return Response(serializer.data)


router = DefaultRouter()
router.register("members", MemberViewSet, basename="member")
router.register("cards", CardViewSet, basename="card")
router.register("groups", GroupViewSet)
router.register("uniques", UniqueViewSet)
router.register("albums", AlbumViewSet)

urlpatterns = [
    path("", include(router.urls)),
    path("gallery/", GalleryView.as_view()),
    path("schema/", SpectacularAPIView.as_view()),
]
