from django import forms

from .models import Photo


class PhotoForm(forms.ModelForm):
    class Meta:
        model = Photo
        fields = ["picture", "caption", "taken", "by"]
        help_texts = {"picture": "A JPEG, PNG or GIF."}
        widgets = {
            # Browsers fill a date input from the ISO format only, whatever the site's language.
            "taken": forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
        }
