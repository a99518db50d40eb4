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

from PIL import Image, ImageSequence

from django_groupme_images.exceptions import GroupMeImageError
from django_groupme_images.pictures import Picture

from .. import emulator_pictures as pictures
from .service import Service, chunked, thirds

# The origin of a web page that the emulator accepts, too.
PAGE = "http://localhost:8000"

DOCUMENTED, SEEN, ASSUMED, UNKNOWN = "documented", "seen", "assumed", "unknown"


@dataclass(frozen=True)
class Fact:
    """What is asked of a service, and the answer that the emulator was written to give."""

    words: str
    standing: str
    expected: object
    ask: Callable[[Service], object]

    def found(self, service: Service) -> object:
        """The answer; an error that comes instead is one, too, and has no token in it."""
        try:
            return self.ask(service)
        except Exception as error:  # noqa: BLE001  # whatever it is, the report has to tell it
            text = f"{type(error).__name__}: {error}"
            return text.replace(service.token, "[access token]")


FACTS: list[Fact] = []


def fact(words: str, standing: str, expected: object) -> Callable[..., Callable[..., object]]:
    def add(ask: Callable[[Service], object]) -> Callable[[Service], object]:
        FACTS.append(Fact(words, standing, expected, ask))
        return ask

    return add


# Uploads


@fact("an upload is answered with", DOCUMENTED, 200)
def _(service):
    return service.answer.status_code


@fact("an answer is {payload: {url}}", DOCUMENTED, {"payload"})
def _(service):
    assert service.photo.url.startswith(service.client.cdn_url)
    return set(service.answer.json())


@fact("picture_url in an answer, where there is one, is its url", DOCUMENTED, True)
def _(service):
    payload = service.answer.json()["payload"]
    return payload.get("picture_url", payload["url"]) == payload["url"]


@fact("there is a picture_url in an answer", UNKNOWN, True)
def _(service):
    return "picture_url" in service.answer.json()["payload"]


@fact("a JPEG keeps its format and size", SEEN, ("JPEG", (1200, 600)))
def _(service):
    return kind_of(service.image(service.photo))


@fact("a PNG, as image/jpeg, keeps its format and size", SEEN, ("PNG", (48, 32)))
def _(service):
    return kind_of(service.image(service.png))


@fact("a GIF, as image/jpeg, keeps its format and size", SEEN, ("GIF", (40, 30)))
def _(service):
    return kind_of(service.image(service.moving))


@fact("the frames that are left of a moving GIF", UNKNOWN, 3)
def _(service):
    return frames(service.image(service.moving))


@fact("our client uploads a JPEG", DOCUMENTED, ("JPEG", (1200, 600)))
def _(service):
    return kind_of(service.image(service.client.upload(thirds())))


for type_ in ("image/png", "application/json", None):

    @fact(f"an upload may be of the type {type_}", SEEN, ("PNG", (48, 32)))
    def _(service, type_=type_):
        return kind_of(service.image(service.typed(type_)))


@fact("an upload may be the part file of a form (seen, and disputed)", ASSUMED, ("JPEG", (48, 32)))
def _(service):
    form = {"file": ("cat.jpg", pictures.plain(), "image/jpeg")}
    answer = service.post(files=form, headers={"Content-Type": None})
    return kind_of(service.image(service.picture(answer)))


@fact("the token may be the field access_token of a form", UNKNOWN, ("JPEG", (48, 32)))
def _(service):
    form = {
        "access_token": (None, service.token),
        "file": ("cat.jpg", pictures.plain(), "image/jpeg"),
    }
    answer = service.post(files=form, headers={"Content-Type": None, "X-Access-Token": None})
    return kind_of(service.image(service.picture(answer)))


@fact("a body of unknown length is answered with", UNKNOWN, 411)
def _(service):
    return service.post(chunked(pictures.plain())).status_code


@fact("OPTIONS of /pictures, from a web page, is answered with", UNKNOWN, [204, True])
def _(service):
    headers = {"Origin": PAGE, "Access-Control-Request-Method": "POST"}
    answer = service.get(service.client.upload_url, "OPTIONS", **headers)
    return [answer.status_code, "Access-Control-Allow-Origin" in answer.headers]


@fact("the service fetches ?url= itself", DOCUMENTED, ("JPEG", (1200, 600)))
def _(service):
    return kind_of(service.image(service.picture(service.fetched)))


@fact("the answer to ?url= is {payload: {url}}, too", DOCUMENTED, {"payload"})
def _(service):
    return set(service.fetched.json())


@fact("what is fetched gets a URL of its own", ASSUMED, True)
def _(service):
    return service.picture(service.fetched).id != service.photo.id


@fact("the same bytes get two URLs", SEEN, True)
def _(service):
    return service.png.id != service.typed("image/png").id


for parameter in ("access_token", "token"):

    @fact(f"the token may be in ?{parameter}=", SEEN, ("JPEG", (48, 32)))
    def _(service, parameter=parameter):
        answer = service.post(
            pictures.plain(),
            headers={"X-Access-Token": None},
            params={parameter: service.token},
        )
        return kind_of(service.image(service.picture(answer)))


@fact("a wrong token is answered with", ASSUMED, 401)
def _(service):
    return service.refusal.status_code


@fact("no token is answered with", ASSUMED, 401)
def _(service):
    return service.post(pictures.plain(), headers={"X-Access-Token": None}).status_code


@fact("an error has the envelope of GroupMe's main API", ASSUMED, {"meta", "response"})
def _(service):
    return set(service.refusal.json())


@fact("meta.code of a wrong token is", ASSUMED, 401)
def _(service):
    return service.refusal.json()["meta"]["code"]


@fact("our client says of a wrong token", ASSUMED, "AuthenticationFailed")
def _(service):
    return error_of(lambda: service.wrong.upload(pictures.plain()))


@fact("our client says of a text", ASSUMED, "UploadRejected")
def _(service):
    return error_of(lambda: service.client.upload(b"this is a text"))


@fact("our client says of an address where no image is", ASSUMED, "UploadRejected")
def _(service):
    return error_of(lambda: service.client.upload_from_url(service.missing.url))


for format_ in ("WEBP", "BMP"):

    @fact(f"an upload of a {format_} is answered with", UNKNOWN, (400, None))
    def _(service, format_=format_):
        answer = service.post(pictures.plain(format_))
        word = service.picture(answer).format if answer.status_code == 200 else None
        return answer.status_code, word


# URLs


@fact("a URL is WIDTHxHEIGHT.FORMAT.ID", SEEN, ["1200x600.jpeg.", "48x32.png.", "40x30.gif."])
def _(service):
    names = [p.url.rpartition("/")[2] for p in (service.photo, service.png, service.moving)]
    return [re.sub(r"[^.]*$", "", name) for name in names]


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


@fact("a suffix on a suffix (seen, and disputed) is answered with", ASSUMED, 404)
def _(service):
    return service.get(f"{service.photo.large_url}.preview").status_code


@fact("thumbnails of a PNG are of the type", UNKNOWN, "image/png")
def _(service):
    return service.get(service.png.preview_url).headers["Content-Type"]


@fact("the frames that are left of a moving GIF's .preview", UNKNOWN, 1)
def _(service):
    return frames(service.image(service.moving.preview_url))


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


@fact("a missing picture (403 was seen, and 404 is expected, too) is answered with", ASSUMED, 403)
def _(service):
    return service.get(service.missing.url).status_code


@fact("a missing picture is told in XML", SEEN, ["application/xml", True])
def _(service):
    answer = service.get(service.missing.url)
    told = re.search("<Code>(AccessDenied|NoSuchKey)</Code>", answer.text)
    return [answer.headers["Content-Type"].partition(";")[0], bool(told)]


@fact("HEAD is answered as GET, with the length", UNKNOWN, [200, True])
def _(service):
    head, get = (service.get(service.photo.url, method) for method in ("HEAD", "GET"))
    length = get.headers["Content-Length"]
    return [head.status_code, head.headers.get("Content-Length") == length]


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
    "Access-Control-Allow-Origin": True,
}.items():

    @fact(f"a picture has the header {header}", UNKNOWN, there)
    def _(service, header=header):
        # Some servers send the last one only if the request comes from a web page.
        return header in service.get(service.photo.url, Origin=PAGE).headers


@fact("the bytes of a picture are those that were uploaded", UNKNOWN, True)
def _(service):
    return service.get(service.turned.url).content == pictures.turned(6)


@fact("EXIF stays in a picture", UNKNOWN, True)
def _(service):
    return bool(service.image(service.turned).getexif())


def kind_of(image: Image.Image) -> tuple[str | None, tuple[int, int]]:
    return image.format, image.size


def frames(image: Image.Image) -> int:
    return len(list(ImageSequence.Iterator(image)))


def error_of(call: Callable[[], Picture | object]) -> str:
    try:
        call()
    except GroupMeImageError as error:
        return type(error).__name__
    return "nothing"


def colour(image: Image.Image, x: int) -> str:
    red, green, blue = image.getpixel((x, image.height // 2))
    strongest = max(red, green, blue)
    return {red: "red", green: "green", blue: "blue"}[strongest]
