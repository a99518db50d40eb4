from django import forms

from django_groupme_images.exceptions import ServiceError

from .models import Photo


class PhotoForm(forms.ModelForm):
    class Meta:
        model = Photo
        fields = ["picture", "caption", "taken", "by"]
        help_texts = {"picture": "A JPEG, PNG or GIF."}
        # Browsers fill a date input from the ISO format only, whatever the site's language.
        widgets = {"taken": forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})}


def apology(error: ServiceError) -> str:
    """What to tell a person whose picture the image service did not take."""
    if error.retryable:
        return (
            "The image service cannot take pictures right now. "
            "Please choose the picture again and try once more in a minute."
        )
    return f"The image service did not take this picture: {error}"
