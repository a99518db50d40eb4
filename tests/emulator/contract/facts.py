"""
The facts about the image service that matter to the app, each with its source.

The emulator has to fulfill every fact. The real service has to fulfill the facts that are
documented or observed. Facts that are assumed or unknown are only reported at the end of
``make test-live``, because the app has to work in either case.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image, ImageSequence

from django_groupme_images.exceptions import GroupMeImageError
from django_groupme_images.pictures import Picture
from tests.support import emulator_pictures as pictures

from .service import Service, chunked, thirds

# The origin of a web page, which the emulator accepts.
PAGE = "http://localhost:8000"

DOCUMENTED, OBSERVED, ASSUMED, UNKNOWN = "documented", "observed", "assumed", "unknown"


@dataclass(frozen=True)
class Fact:
    """A fact, the result that the emulator gives, and the function that obtains a result."""

    description: str
    evidence: str
    expected: object
    query: Callable[[Service], object]

    def result(self, service: Service) -> object:
        """Return the result of a service, or an exception as a string without the token."""
        try:
            return self.query(service)
        except Exception as error:  # noqa: BLE001  # The report contains any exception.
            text = f"{type(error).__name__}: {error}"
            return text.replace(service.token, "[access token]")


FACTS: list[Fact] = []


def fact(description: str, evidence: str, expected: object) -> Callable[..., Callable[..., object]]:
    def add(query: Callable[[Service], object]) -> Callable[[Service], object]:
        FACTS.append(Fact(description, evidence, expected, query))
        return query

    return add


# Uploads


@fact("the status of an upload", DOCUMENTED, 200)
def _(service):
    return service.upload_response.status_code


@fact("the response to an upload is {payload: {url}}", DOCUMENTED, {"payload"})
def _(service):
    assert service.photo.url.startswith(service.client.cdn_url)
    return set(service.upload_response.json())


@fact("picture_url in a response, if present, equals url", DOCUMENTED, True)
def _(service):
    payload = service.upload_response.json()["payload"]
    return payload.get("picture_url", payload["url"]) == payload["url"]


@fact("a response contains picture_url", UNKNOWN, True)
def _(service):
    return "picture_url" in service.upload_response.json()["payload"]


@fact("a JPEG keeps its format and size", OBSERVED, ("JPEG", (1200, 600)))
def _(service):
    return kind_of(service.image(service.photo))


@fact("a PNG, as image/jpeg, keeps its format and size", OBSERVED, ("PNG", (48, 32)))
def _(service):
    return kind_of(service.image(service.png))


@fact("a GIF, as image/jpeg, keeps its format and size", OBSERVED, ("GIF", (40, 30)))
def _(service):
    return kind_of(service.image(service.animated))


@fact("the number of frames of an animated GIF after its upload", UNKNOWN, 3)
def _(service):
    return frames(service.image(service.animated))


@fact("the client uploads a JPEG", DOCUMENTED, ("JPEG", (1200, 600)))
def _(service):
    return kind_of(service.image(service.client.upload(thirds())))


for type_ in ("image/png", "application/json", None):

    @fact(f"an upload may have the type {type_}", OBSERVED, ("PNG", (48, 32)))
    def _(service, type_=type_):
        return kind_of(service.image(service.uploaded_as(type_)))


@fact(
    "an upload may be the part file of a form (observed, but disputed)", ASSUMED, ("JPEG", (48, 32))
)
def _(service):
    form = {"file": ("cat.jpg", pictures.plain(), "image/jpeg")}
    response = service.post(files=form, headers={"Content-Type": None})
    return kind_of(service.image(service.picture(response)))


@fact("the token may be the field access_token of a form", UNKNOWN, ("JPEG", (48, 32)))
def _(service):
    form = {
        "access_token": (None, service.token),
        "file": ("cat.jpg", pictures.plain(), "image/jpeg"),
    }
    response = service.post(files=form, headers={"Content-Type": None, "X-Access-Token": None})
    return kind_of(service.image(service.picture(response)))


@fact("the status of a body of unknown length", UNKNOWN, 411)
def _(service):
    return service.post(chunked(pictures.plain())).status_code


@fact("the status of OPTIONS /pictures from a web page, with CORS headers", UNKNOWN, [204, True])
def _(service):
    headers = {"Origin": PAGE, "Access-Control-Request-Method": "POST"}
    response = service.get(service.client.upload_url, "OPTIONS", **headers)
    return [response.status_code, "Access-Control-Allow-Origin" in response.headers]


@fact("the service fetches the image at ?url=", DOCUMENTED, ("JPEG", (1200, 600)))
def _(service):
    return kind_of(service.image(service.picture(service.fetch_response)))


@fact("the response to ?url= is {payload: {url}}", DOCUMENTED, {"payload"})
def _(service):
    return set(service.fetch_response.json())


@fact("a fetched image gets a new URL", ASSUMED, True)
def _(service):
    return service.picture(service.fetch_response).id != service.photo.id


@fact("the same bytes uploaded twice get two URLs", OBSERVED, True)
def _(service):
    return service.png.id != service.uploaded_as("image/png").id


for parameter in ("access_token", "token"):

    @fact(f"the token may be in ?{parameter}=", OBSERVED, ("JPEG", (48, 32)))
    def _(service, parameter=parameter):
        response = service.post(
            pictures.plain(),
            headers={"X-Access-Token": None},
            params={parameter: service.token},
        )
        return kind_of(service.image(service.picture(response)))


@fact("the status of a wrong token", ASSUMED, 401)
def _(service):
    return service.wrong_token_response.status_code


@fact("the status of a missing token", ASSUMED, 401)
def _(service):
    return service.post(pictures.plain(), headers={"X-Access-Token": None}).status_code


@fact("an error has the envelope of GroupMe's main API", ASSUMED, {"meta", "response"})
def _(service):
    return set(service.wrong_token_response.json())


@fact("meta.code of a wrong token", ASSUMED, 401)
def _(service):
    return service.wrong_token_response.json()["meta"]["code"]


@fact("the error of the client for a wrong token", ASSUMED, "AuthenticationFailed")
def _(service):
    return error_of(lambda: service.wrong.upload(pictures.plain()))


@fact("the error of the client for a text file", ASSUMED, "UploadRejected")
def _(service):
    return error_of(lambda: service.client.upload(b"this is a text"))


@fact("the error of the client for a URL without an image", ASSUMED, "UploadRejected")
def _(service):
    return error_of(lambda: service.client.upload_from_url(service.missing.url))


for format_ in ("WEBP", "BMP"):

    @fact(f"the status and URL format of an uploaded {format_}", UNKNOWN, (400, None))
    def _(service, format_=format_):
        response = service.post(pictures.plain(format_))
        format_in_url = service.picture(response).format if response.status_code == 200 else None
        return response.status_code, format_in_url


# URLs


@fact("a URL is WIDTHxHEIGHT.FORMAT.ID", OBSERVED, ["1200x600.jpeg.", "48x32.png.", "40x30.gif."])
def _(service):
    names = [p.url.rpartition("/")[2] for p in (service.photo, service.png, service.animated)]
    return [re.sub(r"[^.]*$", "", name) for name in names]


@fact("an ID has 32 hexadecimal digits", OBSERVED, True)
def _(service):
    return bool(re.fullmatch("[0-9a-f]{32}", service.photo.id))


@fact("http:// serves the same image as https://", OBSERVED, (1200, 600))
def _(service):
    return service.image(service.photo.url.replace("https:", "http:")).size


@fact("the dimensions in a URL are those of the displayed image", UNKNOWN, (32, 48))
def _(service):
    return service.rotated.width, service.rotated.height


@fact("an image is served at its ID alone", ASSUMED, (1200, 600))
def _(service):
    return service.image(f"{service.client.cdn_url}{service.photo.id}").size


# Thumbnails

for variant, size in {"preview": (200, 200), "large": (960, 480), "avatar": (60, 60)}.items():

    @fact(f"the size of .{variant} for 1200x600 pixels", DOCUMENTED, size)
    def _(service, variant=variant):
        return service.thumbnail(service.photo, variant).size


for variant in ("preview", "avatar"):

    @fact(f".{variant} is cropped around the center", DOCUMENTED, "green, green, green")
    def _(service, variant=variant):
        image = service.thumbnail(service.photo, variant).convert("RGB")
        side = image.width
        return ", ".join(color(image, x) for x in (side // 5, side // 2, side - side // 5))


@fact(".large shows the complete image", DOCUMENTED, "red, green, blue")
def _(service):
    image = service.thumbnail(service.photo, "large").convert("RGB")
    return ", ".join(color(image, x) for x in (50, 480, 910))


@fact(".large does not enlarge a smaller image", ASSUMED, (48, 32))
def _(service):
    return service.thumbnail(service.png, "large").size


@fact(
    "the status of .preview after an upload (403 and 404 were observed for 30 seconds)",
    ASSUMED,
    200,
)
def _(service):
    picture = service.picture(service.post(pictures.plain()))
    return service.get(picture.preview_url).status_code


@fact(".preview enlarges a smaller image", ASSUMED, (200, 200))
def _(service):
    return service.thumbnail(service.png, "preview").size


@fact("a URL with any other suffix serves the original", OBSERVED, (1200, 600))
def _(service):
    return service.image(f"{service.photo.url}.original").size


@fact("the status of a suffix after a suffix (observed, but disputed)", ASSUMED, 404)
def _(service):
    return service.get(f"{service.photo.large_url}.preview").status_code


@fact("the type of thumbnails of a PNG", UNKNOWN, "image/png")
def _(service):
    return service.thumbnail_response(service.png, "preview").headers["Content-Type"]


@fact("the number of frames of the .preview of an animated GIF", UNKNOWN, 1)
def _(service):
    return frames(service.thumbnail(service.animated, "preview"))


@fact("thumbnails of a rotated image are upright", UNKNOWN, (32, 48))
def _(service):
    return service.thumbnail(service.rotated, "large").size


# The CDN


@fact("the response with an image has its type and length", OBSERVED, ["image/jpeg", True])
def _(service):
    response = service.get(service.photo.url)
    length = response.headers.get("Content-Length")
    return [response.headers.get("Content-Type"), length == str(len(response.content))]


@fact("the error of the client for a missing image", OBSERVED, "PictureNotFound")
def _(service):
    return error_of(lambda: service.client.download(service.missing))


@fact("the status of a missing image (403 was observed, and 404 is possible)", ASSUMED, 403)
def _(service):
    return service.get(service.missing.url).status_code


@fact("the response for a missing image is XML", OBSERVED, ["application/xml", True])
def _(service):
    response = service.get(service.missing.url)
    code = re.search("<Code>(AccessDenied|NoSuchKey)</Code>", response.text)
    return [response.headers["Content-Type"].partition(";")[0], bool(code)]


@fact("the response to HEAD has the status and length of GET", UNKNOWN, [200, True])
def _(service):
    head, get = (service.get(service.photo.url, method) for method in ("HEAD", "GET"))
    length = get.headers["Content-Length"]
    return [head.status_code, head.headers.get("Content-Length") == length]


@fact("the status of HEAD of a missing image", UNKNOWN, 403)
def _(service):
    return service.get(service.missing.url, "HEAD").status_code


@fact("the status of a request with Range", UNKNOWN, 200)
def _(service):
    return service.get(service.photo.url, Range="bytes=0-9").status_code


for header, is_present in {
    "Last-Modified": True,
    "ETag": False,
    "Cache-Control": False,
    "Access-Control-Allow-Origin": True,
}.items():

    @fact(f"the response with an image has the header {header}", UNKNOWN, is_present)
    def _(service, header=header):
        # Some servers send Access-Control-Allow-Origin only if the request has an origin.
        return header in service.get(service.photo.url, Origin=PAGE).headers


@fact("an image has the uploaded bytes", UNKNOWN, True)
def _(service):
    return service.get(service.rotated.url).content == pictures.rotated(6)


@fact("an image keeps its EXIF data", UNKNOWN, True)
def _(service):
    return bool(service.image(service.rotated).getexif())


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


def color(image: Image.Image, x: int) -> str:
    red, green, blue = image.getpixel((x, image.height // 2))
    strongest = max(red, green, blue)
    return {red: "red", green: "green", blue: "blue"}[strongest]
