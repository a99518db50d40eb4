"""Forms without and with models."""

from django import forms

from django_groupme_images.forms import GroupMeImageFormField, GroupMeMultipleImageFormField

from .models import Album, Photo


class CardForm(forms.Form):
    """A form without a model."""

    title = forms.CharField(max_length=20)
    picture = GroupMeImageFormField(help_text="Landscape looks best.")
    logo = GroupMeImageFormField(required=False)


class PhotosForm(forms.Form):
    """A form with a field for several images."""

    title = forms.CharField(max_length=20)
    photos = GroupMeMultipleImageFormField(max_files=6, help_text="At most 6.")


PhotoFormSet = forms.inlineformset_factory(
    Album, Photo, fields=["picture", "caption"], extra=1, can_delete=True
)
