from django import forms

from django_groupme_images.forms import GroupMeMultipleImageFormField

from .captions import caption_from_name
from .models import Album, Photo

# Date inputs require the ISO format, regardless of the active language.
DATE_INPUT = forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})


class PhotoForm(forms.ModelForm):
    class Meta:
        model = Photo
        fields = ["picture", "caption", "alternative_text", "taken", "by"]
        help_texts = {"picture": "JPEG, PNG, or GIF. Other formats, such as WebP, are converted."}
        widgets = {"taken": DATE_INPUT}


class PhotosForm(forms.ModelForm):
    """Several photos, whose captions are derived from the names of their files."""

    pictures = GroupMeMultipleImageFormField(
        label="Photos",
        max_files=50,
        help_text="Up to 50 images. Their file names are used as captions.",
    )

    class Meta:
        model = Photo
        fields = ["pictures", "taken", "by"]
        widgets = {"taken": DATE_INPUT}

    def save_in(self, album: Album) -> list[Photo]:
        """Add the photos to the end of an album, and return them."""
        values = {name: self.cleaned_data[name] for name in ("taken", "by")}
        position, count = album.last_position(), album.photos.count()
        photos = []
        for number, picture in enumerate(self.cleaned_data["pictures"], 1):
            # An image that was uploaded before the form was submitted is a Picture.
            name = getattr(picture, "submitted_name", None) or picture.name
            caption = caption_from_name(name, default=f"{album.title} {count + number}")[:120]
            photo = Photo(album=album, picture=picture, caption=caption, **values)
            photo.position = position + number
            photo.save()
            photos.append(photo)
        return photos
