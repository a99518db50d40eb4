"""
Every fact of the image service that the app meets, with where it is known from.

Each is asked of the emulator in every run, and has to hold there. Of the real service, what is
documented or was seen has to hold; what is assumed, or unknown, is told in the report at the end
of ``make test-live``, since the app must work whichever way it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from PIL import ImageSequence

from django_groupme_images.exceptions import GroupMeImageError

from .. import emulator_pictures as pictures
from .service import Service, chunked, thirds

DOCUMENTED, SEEN, ASSUMED, UNKNOWN = "documented", "seen", "assumed", "unknown"


@dataclass(frozen=True)
class Fact:
    """What is asked of a service, and the answer that the emulator was written to give."""

    words: str
    standing: str
    expected: object
    ask: Callable[[Service], object]

    def found(self, service: Service) -> object:
        """The answer; an error that says something of the service is one, too."""
        try:
            return self.ask(service)
        except (GroupMeImageError, AssertionError, LookupError, OSError, ValueError) as error:
            return f"{type(error).__name__}: {error}"


FACTS: list[Fact] = []


def fact(words: str, standing: str, expected: object) -> Callable[..., Callable[..., object]]:
    def add(ask: Callable[[Service], object]) -> Callable[[Service], object]:
        FACTS.append(Fact(words, standing, expected, ask))
        return ask

    return add


# Uploads


@fact("an upload of a JPEG is its picture", DOCUMENTED, ("jpeg", 1200, 600))
def _(service):
    picture = service.client.upload(thirds())
    return picture.format, picture.width, picture.height


@fact("a PNG is image/jpeg to the service, too", DOCUMENTED, ("png", 48, 32))
def _(service):
    picture = service.posted(pictures.plain("PNG"), headers={"Content-Type": "image/jpeg"})
    return picture.format, picture.width, picture.height


@fact("a moving GIF keeps its frames", DOCUMENTED, ("gif", 3))
def _(service):
    image = service.image(service.moving.url)
    return service.moving.format, len(list(ImageSequence.Iterator(image)))


@fact("an answer is {payload: {url, picture_url}}, both the same", DOCUMENTED, [True, True])
def _(service):
    answer = service.post(pictures.plain()).json()
    payload = answer["payload"]
    return [answer.keys() == {"payload"}, payload["url"] == payload.get("picture_url")]


@fact("an upload is answered with", DOCUMENTED, 200)
def _(service):
    return service.post(pictures.plain()).status_code


for type_ in ("image/png", "application/json", None):

    @fact(f"an upload may be of the type {type_}", SEEN, ("png", 48, 32))
    def _(service, type_=type_):
        picture = service.posted(pictures.plain("PNG"), headers={"Content-Type": type_})
        return picture.format, picture.width, picture.height


@fact("an upload may be the part file of a form", SEEN, ("jpeg", 48, 32))
def _(service):
    picture = service.posted(files={"file": ("cat.jpg", pictures.plain(), "image/jpeg")})
    return picture.format, picture.width, picture.height


@fact("a body of unknown length is answered with", ASSUMED, 411)
def _(service):
    return service.post(chunked(pictures.plain())).status_code


@fact("the service fetches ?url= itself", DOCUMENTED, ("jpeg", 1200, 600))
def _(service):
    copied = service.client.upload_from_url(service.photo.url)
    return copied.format, copied.width, copied.height


@fact("what is fetched gets a URL of its own", SEEN, True)
def _(service):
    return service.client.upload_from_url(service.png.url).id != service.png.id


@fact("the same bytes get two URLs", SEEN, 2)
def _(service):
    return len({service.posted(pictures.plain()).url for _ in range(2)})


for parameter in ("access_token", "token"):

    @fact(f"the token may be in ?{parameter}=", SEEN, ("jpeg", 48, 32))
    def _(service, parameter=parameter):
        picture = service.posted(
            pictures.plain(),
            headers={"X-Access-Token": None},
            params={parameter: service.token},
        )
        return picture.format, picture.width, picture.height


@fact("a wrong token is answered with", ASSUMED, 401)
def _(service):
    return service.post(pictures.plain(), headers={"X-Access-Token": "wrong"}).status_code


@fact("no token is answered with", ASSUMED, 401)
def _(service):
    return service.post(pictures.plain(), headers={"X-Access-Token": None}).status_code


@fact("an error has the envelope of GroupMe's main API", ASSUMED, {"meta", "response"})
def _(service):
    answer = service.post(pictures.plain(), headers={"X-Access-Token": "wrong"})
    return set(answer.json()) if answer.text.startswith("{") else answer.text[:80]


@fact("meta.code of a wrong token is", ASSUMED, 401)
def _(service):
    answer = service.post(pictures.plain(), headers={"X-Access-Token": "wrong"})
    return answer.json()["meta"]["code"] if answer.text.startswith("{") else answer.text[:80]


@fact("our client says of a wrong token", ASSUMED, "AuthenticationFailed")
def _(service):
    return error_of(lambda: service.wrong.upload(pictures.plain()))


@fact("our client says of a text", DOCUMENTED, "UploadRejected")
def _(service):
    return error_of(lambda: service.client.upload(b"this is a text"))


@fact("our client says of an address where no image is", DOCUMENTED, "UploadRejected")
def _(service):
    return error_of(lambda: service.client.upload_from_url(service.missing.url))


for format_ in ("WEBP", "BMP", "TIFF"):

    @fact(f"an upload of a {format_} is answered with", UNKNOWN, 400)
    def _(service, format_=format_):
        return service.post(pictures.plain(format_)).status_code


# URLs


@fact("a URL is WIDTHxHEIGHT.FORMAT.ID", SEEN, True)
def _(service):
    return bool(re.fullmatch(r"1200x600\.jpeg\.\w+", service.photo.url.rpartition("/")[2]))


@fact("an id is 32 hexadecimal digits", SEEN, True)
def _(service):
    return bool(re.fullmatch("[0-9a-f]{32}", service.photo.id))


@fact("http:// is the same picture as https://", SEEN, (1200, 600))
def _(service):
    return service.image(service.photo.url.replace("https:", "http:")).size


@fact("the dimensions in a URL are those of the picture as it is displayed", UNKNOWN, (32, 48))
def _(service):
    return service.turned.width, service.turned.height


@fact("a picture is served under its id alone", ASSUMED, (1200, 600))
def _(service):
    return service.image(f"{service.client.cdn_url}{service.photo.id}").size


# Thumbnails

for variant, size in {"preview": (200, 200), "large": (960, 480), "avatar": (60, 60)}.items():

    @fact(f".{variant} of 1200x600 pixels has", DOCUMENTED, size)
    def _(service, variant=variant):
        return service.image(service.photo.variant_url(variant)).size


for variant in ("preview", "avatar"):

    @fact(f".{variant} is cropped around the centre", DOCUMENTED, "green, green, green")
    def _(service, variant=variant):
        image = service.image(service.photo.variant_url(variant)).convert("RGB")
        side = image.width
        return ", ".join(colour(image, x) for x in (side // 5, side // 2, side - side // 5))


@fact(".large keeps all of the picture", DOCUMENTED, "red, green, blue")
def _(service):
    image = service.image(service.photo.large_url).convert("RGB")
    return ", ".join(colour(image, x) for x in (50, 480, 910))


@fact("a smaller picture is not enlarged by .large", ASSUMED, (48, 32))
def _(service):
    return service.image(service.png.large_url).size


@fact("a smaller picture is enlarged by .preview", ASSUMED, (200, 200))
def _(service):
    return service.image(service.png.preview_url).size


@fact("any other suffix is the original", SEEN, (1200, 600))
def _(service):
    return service.image(f"{service.photo.url}.original").size


@fact("a suffix on a suffix is answered with", ASSUMED, 404)
def _(service):
    return service.get(f"{service.photo.large_url}.preview").status_code


@fact("thumbnails of a PNG are of the type", UNKNOWN, "image/png")
def _(service):
    return service.get(service.png.preview_url).headers["Content-Type"]


@fact("the frames that are left of a moving GIF's .preview", UNKNOWN, 1)
def _(service):
    return len(list(ImageSequence.Iterator(service.image(service.moving.preview_url))))


@fact("thumbnails of a picture that was turned are upright", UNKNOWN, (32, 48))
def _(service):
    return service.image(service.turned.large_url).size


# The CDN


@fact("a picture says its type and length", SEEN, ["image/jpeg", True])
def _(service):
    answer = service.get(service.photo.url)
    length = answer.headers.get("Content-Length")
    return [answer.headers.get("Content-Type"), length == str(len(answer.content))]


@fact("our client says of a missing picture", SEEN, "PictureNotFound")
def _(service):
    return error_of(lambda: service.client.download(service.missing))


@fact("a missing picture is answered with", SEEN, 403)
def _(service):
    return service.get(service.missing.url).status_code


@fact("a missing picture is of the type", SEEN, "application/xml")
def _(service):
    return service.get(service.missing.url).headers["Content-Type"].partition(";")[0]


@fact("HEAD is answered as GET, with the length", UNKNOWN, [200, True])
def _(service):
    head, get = (service.get(service.photo.url, method) for method in ("HEAD", "GET"))
    same = head.headers.get("Content-Length") == get.headers.get("Content-Length")
    return [head.status_code, same]


@fact("HEAD of a missing picture is answered with", UNKNOWN, 403)
def _(service):
    return service.get(service.missing.url, "HEAD").status_code


@fact("Range is answered with", UNKNOWN, 200)
def _(service):
    return service.get(service.photo.url, Range="bytes=0-9").status_code


for header, there in {
    "Last-Modified": True,
    "ETag": False,
    "Cache-Control": False,
    "Access-Control-Allow-Origin": False,
}.items():

    @fact(f"a picture has the header {header}", UNKNOWN, there)
    def _(service, header=header):
        return header in service.get(service.photo.url).headers


@fact("the bytes of a picture are those that were uploaded", UNKNOWN, True)
def _(service):
    return service.get(service.turned.url).content == pictures.turned(6)


@fact("EXIF stays in a picture", UNKNOWN, True)
def _(service):
    return bool(service.image(service.turned.url).getexif())


def error_of(call: Callable[[], object]) -> str:
    try:
        call()
    except GroupMeImageError as error:
        return type(error).__name__
    return "nothing"


def colour(image, x: int) -> str:
    red, green, blue = image.getpixel((x, image.height // 2))
    strongest = max(red, green, blue)
    return {red: "red", green: "green", blue: "blue"}[strongest]
