import logging

from django import forms

from django_groupme_images.exceptions import ServiceError, UploadRejected

from .models import Photo

logger = logging.getLogger(__name__)


class PhotoForm(forms.ModelForm):
    class Meta:
        model = Photo
        fields = ["picture", "caption", "taken", "by"]
        help_texts = {"picture": "A JPEG, PNG or GIF."}
        widgets = {
            "picture": forms.ClearableFileInput(attrs={"accept": "image/jpeg,image/png,image/gif"}),
            # Browsers fill a date input from the ISO format only, whatever the site's language.
            "taken": forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
        }


def apology(error: ServiceError) -> str:
    """What to tell a person whose picture the image service did not take."""
    if error.retryable:
        return (
            "The image service cannot take pictures right now. "
            "Please choose the picture again and try once more in a minute."
        )
    if isinstance(error, UploadRejected):
        return f"The image service did not take this picture: {error}"
    # The token or an address: for the operator to read of, and nothing a visitor can change.
    logger.error("A picture could not be uploaded: %s", error)
    return "This site is not set up correctly to upload pictures. Please tell those who run it."
