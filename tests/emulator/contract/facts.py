"""
The facts about the image service that a test can query, each with its evidence and source.

The emulator has to fulfill every fact. The real service has to fulfill the facts that are
documented or observed. Facts that are assumed or unknown are only reported at the end of
``make test-live``, because the app has to work in either case. ``untested_facts`` has the facts
that no test queries.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from tests.support import emulator_pictures as pictures

from .evidence import (
    ASSUMED,
    DOCUMENTATION,
    DOCUMENTED,
    MAIN_API,
    NONE,
    OBSERVED,
    PUBLIC,
    UNKNOWN,
    WEB_CLIENT,
    Fact,
)
from .results import color, describe, error_of, frames, pixels, size_of
from .service import Service, chunked, thirds

# The origin of a web page, which the emulator accepts.
PAGE = "http://localhost:8000"

FACTS: list[Fact] = []


def fact(
    description: str, evidence: str, expected: object, source: str
) -> Callable[..., Callable[..., object]]:
    def add(query: Callable[[Service], object]) -> Callable[[Service], object]:
        FACTS.append(Fact(description, evidence, expected, source, query))
        return query

    return add


# Uploads


@fact("Status of an upload", DOCUMENTED, 200, f"{DOCUMENTATION}; {WEB_CLIENT}")
def _(service):
    return service.upload_response.status_code


@fact(
    "Keys of the response to an upload; `payload` has the key `url`",
    DOCUMENTED,
    {"payload"},
    f"{DOCUMENTATION}; {WEB_CLIENT}",
)
def _(service):
    assert service.photo.url.startswith(service.client.cdn_url)
    return set(service.upload_response.json())


@fact("If the response has a `picture_url`, it equals `url`", DOCUMENTED, True, DOCUMENTATION)
def _(service):
    payload = service.upload_response.json()["payload"]
    return payload.get("picture_url", payload["url"]) == payload["url"]


@fact(
    "The response has a `picture_url`",
    UNKNOWN,
    True,
    f"{DOCUMENTATION} and {WEB_CLIENT}: yes; some other captures: no",
)
def _(service):
    return "picture_url" in service.upload_response.json()["payload"]


@fact("An uploaded JPEG of 1200x600 pixels", OBSERVED, "JPEG, 1200x600 pixels", PUBLIC)
def _(service):
    return describe(service.image(service.photo))


@fact("A PNG of 48x32 pixels, uploaded as `image/jpeg`", OBSERVED, "PNG, 48x32 pixels", PUBLIC)
def _(service):
    return describe(service.image(service.png))


@fact("A GIF of 40x30 pixels, uploaded as `image/jpeg`", OBSERVED, "GIF, 40x30 pixels", PUBLIC)
def _(service):
    return describe(service.image(service.animated))


@fact("Frames kept in an animated GIF of 3 frames", UNKNOWN, "3 frames", NONE)
def _(service):
    return frames(service.image(service.animated))


@fact(
    "A JPEG of 1200x600 pixels, uploaded by `GroupMeClient`",
    DOCUMENTED,
    "JPEG, 1200x600 pixels",
    DOCUMENTATION,
)
def _(service):
    return describe(service.image(service.client.upload(thirds())))


for type_, name, type_source in (
    ("image/png", "as `image/png`", "recent public clients; one report of a failure"),
    ("application/json", "as `application/json`", "one public client"),
    (None, "without a `Content-Type`", "several public clients"),
):

    @fact(f"A PNG, uploaded {name}", OBSERVED, "PNG, 48x32 pixels", type_source)
    def _(service, type_=type_):
        return describe(service.image(service.uploaded_as(type_)))


@fact(
    "A JPEG, uploaded as the part `file` of `multipart/form-data`",
    ASSUMED,
    "JPEG, 48x32 pixels",
    "disputed: an official mobile client and another client use it; two reports of failures",
)
def _(service):
    form = {"file": ("cat.jpg", pictures.plain(), "image/jpeg")}
    response = service.post(files=form, headers={"Content-Type": None})
    return describe(service.image(service.picture(response)))


@fact(
    "A JPEG, uploaded with the token in the form field `access_token`",
    UNKNOWN,
    "JPEG, 48x32 pixels",
    "one public client",
)
def _(service):
    form = {
        "access_token": (None, service.token),
        "file": ("cat.jpg", pictures.plain(), "image/jpeg"),
    }
    response = service.post(files=form, headers={"Content-Type": None, "X-Access-Token": None})
    return describe(service.image(service.picture(response)))


@fact(
    "Status of an upload with a chunked body",
    UNKNOWN,
    411,
    "three public clients send such bodies; no response was found",
)
def _(service):
    return service.post(chunked(pictures.plain())).status_code


@fact(
    "Status of `OPTIONS /pictures` from a web page",
    UNKNOWN,
    "204, with CORS headers",
    "one public client uploads from a web page",
)
def _(service):
    headers = {"Origin": PAGE, "Access-Control-Request-Method": "POST"}
    response = service.get(service.client.upload_url, "OPTIONS", **headers)
    has_header = "Access-Control-Allow-Origin" in response.headers
    return f"{response.status_code}, {'with' if has_header else 'without'} CORS headers"


@fact(
    "A JPEG of 1200x600 pixels, which the service fetches from `?url=`",
    DOCUMENTED,
    "JPEG, 1200x600 pixels",
    DOCUMENTATION,
)
def _(service):
    return describe(service.image(service.picture(service.fetch_response)))


@fact("Keys of the response to an upload with `?url=`", DOCUMENTED, {"payload"}, DOCUMENTATION)
def _(service):
    return set(service.fetch_response.json())


@fact("An image that is fetched from the CDN gets a new URL", ASSUMED, True, NONE)
def _(service):
    return service.picture(service.fetch_response).id != service.photo.id


@fact("Uploading the same bytes twice results in two URLs", OBSERVED, True, PUBLIC)
def _(service):
    return service.png.id != service.uploaded_as("image/png").id


for parameter in ("access_token", "token"):

    @fact(
        f"A JPEG, uploaded with the token in `?{parameter}=`",
        OBSERVED,
        "JPEG, 48x32 pixels",
        PUBLIC,
    )
    def _(service, parameter=parameter):
        response = service.post(
            pictures.plain(),
            headers={"X-Access-Token": None},
            params={parameter: service.token},
        )
        return describe(service.image(service.picture(response)))


@fact("Status of an upload with a wrong token", ASSUMED, 401, MAIN_API)
def _(service):
    return service.wrong_token_response.status_code


@fact("Status of an upload without a token", ASSUMED, 401, MAIN_API)
def _(service):
    return service.post(pictures.plain(), headers={"X-Access-Token": None}).status_code


@fact(
    "Keys of the response to an upload with a wrong token",
    ASSUMED,
    {"meta", "response"},
    MAIN_API,
)
def _(service):
    return set(service.wrong_token_response.json())


@fact(
    "`meta.code` in the response to a wrong token",
    ASSUMED,
    401,
    f"{MAIN_API}, which also sends 40100 and 20000",
)
def _(service):
    return service.wrong_token_response.json()["meta"]["code"]


@fact("`GroupMeClient` raises for a wrong token", ASSUMED, "AuthenticationFailed", MAIN_API)
def _(service):
    return error_of(lambda: service.wrong.upload(pictures.plain()))


@fact("`GroupMeClient` raises for a file that is not an image", ASSUMED, "UploadRejected", NONE)
def _(service):
    return error_of(lambda: service.client.upload(b"this is a text"))


@fact("`GroupMeClient` raises for a `?url=` without an image", ASSUMED, "UploadRejected", NONE)
def _(service):
    return error_of(lambda: service.client.upload_from_url(service.missing.url))


for format_, format_source in {
    "WEBP": "one public client uploads WebP; no URL with `.webp.` was found",
    "BMP": NONE,
}.items():

    @fact(f"Status of an uploaded {format_}", UNKNOWN, "400", format_source)
    def _(service, format_=format_):
        response = service.post(pictures.plain(format_))
        if response.status_code != 200:
            return str(response.status_code)
        return f"200, with the format {service.picture(response).format} in the URL"


# URLs


@fact(
    "Start of the paths of three uploaded images, before their IDs",
    OBSERVED,
    "1200x600.jpeg., 48x32.png., 40x30.gif.",
    f"{PUBLIC}; {DOCUMENTATION} also shows a URL without dimensions",
)
def _(service):
    names = [p.url.rpartition("/")[2] for p in (service.photo, service.png, service.animated)]
    return ", ".join(re.sub(r"[^.]*$", "", name) for name in names)


@fact("An ID has 32 lowercase hexadecimal digits", OBSERVED, True, PUBLIC)
def _(service):
    return bool(re.fullmatch("[0-9a-f]{32}", service.photo.id))


@fact(
    "The image of 1200x600 pixels at `http://` instead of `https://`",
    OBSERVED,
    "1200x600 pixels",
    "old data dumps",
)
def _(service):
    return size_of(service.image(service.photo.url.replace("https:", "http:")))


@fact(
    "Dimensions in the URL of 48x32 pixels that are displayed as 32x48",
    UNKNOWN,
    "32x48 pixels",
    NONE,
)
def _(service):
    return pixels(service.rotated.width, service.rotated.height)


@fact(
    "The image of 1200x600 pixels at a path with only its ID",
    ASSUMED,
    "1200x600 pixels",
    f"{DOCUMENTATION} and old data dumps have such URLs",
)
def _(service):
    return size_of(service.image(f"{service.client.cdn_url}{service.photo.id}"))


# Thumbnails

for variant, size in {"preview": "200x200", "large": "960x480", "avatar": "60x60"}.items():

    @fact(f"Size of `.{variant}` of 1200x600 pixels", DOCUMENTED, f"{size} pixels", DOCUMENTATION)
    def _(service, variant=variant):
        return size_of(service.thumbnail(service.photo, variant))


for variant in ("preview", "avatar"):

    @fact(
        f"`.{variant}` of red, green, and blue thirds, cropped around the center",
        DOCUMENTED,
        "green, green, green",
        DOCUMENTATION,
    )
    def _(service, variant=variant):
        image = service.thumbnail(service.photo, variant).convert("RGB")
        side = image.width
        return ", ".join(color(image, x) for x in (side // 5, side // 2, side - side // 5))


@fact(
    "`.large` of red, green, and blue thirds, not cropped",
    DOCUMENTED,
    "red, green, blue",
    DOCUMENTATION,
)
def _(service):
    image = service.thumbnail(service.photo, "large").convert("RGB")
    return ", ".join(color(image, x) for x in (50, 480, 910))


@fact("Size of `.large` of 48x32 pixels", ASSUMED, "48x32 pixels", NONE)
def _(service):
    return size_of(service.thumbnail(service.png, "large"))


@fact(
    "Status of `.preview` immediately after an upload",
    ASSUMED,
    200,
    "one public client requests it until it has the status 200, for up to 30 seconds",
)
def _(service):
    picture = service.picture(service.post(pictures.plain()))
    return service.get(picture.preview_url).status_code


@fact("Size of `.preview` of 48x32 pixels", ASSUMED, "200x200 pixels", NONE)
def _(service):
    return size_of(service.thumbnail(service.png, "preview"))


@fact(
    "The image of 1200x600 pixels with the suffix `.original`", OBSERVED, "1200x600 pixels", PUBLIC
)
def _(service):
    return size_of(service.image(f"{service.photo.url}.original"))


@fact(
    "Status of `.preview` after the suffix `.large`",
    ASSUMED,
    404,
    "disputed: in a capture, most of 89 requests of the official web client for `.large.avatar` "
    "had the status 403",
)
def _(service):
    return service.get(f"{service.photo.large_url}.preview").status_code


@fact("`Content-Type` of a thumbnail of a PNG", UNKNOWN, "image/png", NONE)
def _(service):
    return service.thumbnail_response(service.png, "preview").headers["Content-Type"]


@fact("Frames of `.preview` of an animated GIF of 3 frames", UNKNOWN, "1 frame", NONE)
def _(service):
    return frames(service.thumbnail(service.animated, "preview"))


@fact(
    "Size of `.large` of 48x32 pixels that are displayed as 32x48",
    UNKNOWN,
    "32x48 pixels",
    NONE,
)
def _(service):
    return size_of(service.thumbnail(service.rotated, "large"))


# The CDN


@fact(
    "`Content-Type` of a JPEG; `Content-Length` is its size",
    OBSERVED,
    "image/jpeg, with the size",
    PUBLIC,
)
def _(service):
    response = service.get(service.photo.url)
    length = response.headers.get("Content-Length")
    is_size = length == str(len(response.content))
    return f"{response.headers.get('Content-Type')}, {'with' if is_size else 'without'} the size"


@fact(
    "`GroupMeClient` raises for a missing image",
    OBSERVED,
    "PictureNotFound",
    "one bridge's log, September 2026",
)
def _(service):
    return error_of(lambda: service.client.download(service.missing))


@fact(
    "Status of a missing image",
    ASSUMED,
    403,
    "2,825 times in one bridge's log, September 2026; some clients also expect 404",
)
def _(service):
    return service.get(service.missing.url).status_code


@fact(
    "Body of the response for a missing image",
    OBSERVED,
    "application/xml, AccessDenied or NoSuchKey",
    "one bridge's log, September 2026",
)
def _(service):
    response = service.get(service.missing.url)
    code = re.search("<Code>(AccessDenied|NoSuchKey)</Code>", response.text)
    type_ = response.headers["Content-Type"].partition(";")[0]
    return f"{type_}, {'AccessDenied or NoSuchKey' if code else 'another code'}"


@fact(
    "Status of `HEAD` of an image",
    UNKNOWN,
    "200, with the length of GET",
    "one public client requests thumbnails with `HEAD`",
)
def _(service):
    head, get = (service.get(service.photo.url, method) for method in ("HEAD", "GET"))
    length = get.headers["Content-Length"]
    is_same = head.headers.get("Content-Length") == length
    return f"{head.status_code}, {'with' if is_same else 'without'} the length of GET"


@fact(
    "Status of `HEAD` of a missing image",
    UNKNOWN,
    403,
    "one public client expects a status other than 200",
)
def _(service):
    return service.get(service.missing.url, "HEAD").status_code


@fact("Status of a request with `Range`", UNKNOWN, 200, NONE)
def _(service):
    return service.get(service.photo.url, Range="bytes=0-9").status_code


for header, is_present in {
    "Last-Modified": True,
    "ETag": False,
    "Cache-Control": False,
    "Access-Control-Allow-Origin": True,
}.items():

    @fact(f"The response with an image has the header `{header}`", UNKNOWN, is_present, NONE)
    def _(service, header=header):
        # Some servers send Access-Control-Allow-Origin only if the request has an origin.
        return header in service.get(service.photo.url, Origin=PAGE).headers


@fact("A downloaded image has the uploaded bytes", UNKNOWN, True, NONE)
def _(service):
    return service.get(service.rotated.url).content == pictures.rotated(6)


@fact("A downloaded image has its EXIF data", UNKNOWN, True, NONE)
def _(service):
    return bool(service.image(service.rotated).getexif())
