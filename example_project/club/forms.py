from django import forms

from .models import Photo


class PhotoForm(forms.ModelForm):
    class Meta:
        model = Photo
        fields = ["picture", "caption", "alternative_text", "taken", "by"]
        help_texts = {"picture": "A JPEG, PNG or GIF."}
        widgets = {
            # Date inputs require the ISO format, regardless of the active language.
            "taken": forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
        }
