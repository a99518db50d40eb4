"""
The facts about the image service that no test queries.

A query would need many requests, another service, or years. ``docs/explanation/service.md`` lists
these facts below those of ``facts``.
"""

from __future__ import annotations

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
    UntestedFact,
)

UNTESTED_FACTS = [
    UntestedFact(
        "Uploads require the access token of a user; the ID of a bot does not work",
        DOCUMENTED,
        DOCUMENTATION,
        "The option `access_token` is a user's token.",
    ),
    UntestedFact(
        "An access token has at least eight characters",
        ASSUMED,
        NONE,
        "Shorter tokens count as placeholders, and are redacted only as whole words.",
    ),
    UntestedFact(
        "Most failed uploads have a wrong user token",
        DOCUMENTED,
        DOCUMENTATION,
        "The status 401 or 403 raises `AuthenticationFailed`.",
    ),
    UntestedFact(
        "GroupMe's API accepts images for messages, avatars, and groups only by URLs of the image "
        "service",
        DOCUMENTED,
        DOCUMENTATION,
        "The stored name is such a URL.",
    ),
    UntestedFact(
        "The official web client uploads avatars to `/pictures`, with the image as the body",
        OBSERVED,
        WEB_CLIENT,
        "Uploads have the same form.",
    ),
    UntestedFact(
        "The official web client uploads images of messages to `m.groupme.com/uploads`, whose "
        "URLs redirect to URLs that are signed for about a day",
        OBSERVED,
        WEB_CLIENT,
        "These URLs are not URLs of the image service, so they raise `InvalidPicture`.",
    ),
    UntestedFact(
        "Bots and third-party clients use images of `/pictures` in messages",
        OBSERVED,
        PUBLIC,
        "None.",
    ),
    UntestedFact(
        "One client expects the status 201 for an upload",
        ASSUMED,
        "one public client",
        "Each 2xx status is accepted.",
    ),
    UntestedFact(
        "One client uploads to `/upload` instead of `/pictures`",
        UNKNOWN,
        "one public client",
        "None.",
    ),
    UntestedFact(
        "No request deletes, replaces, or lists images",
        OBSERVED,
        f"no such request in {DOCUMENTATION}, or in public clients",
        "`delete()` only logs, and `listdir()` raises `NotImplementedError`.",
    ),
    UntestedFact(
        "Some old images no longer exist",
        OBSERVED,
        "old avatars in data dumps",
        "`groupme_check` reports missing images, and keeps a mirror.",
    ),
    UntestedFact(
        "An image does not change at its URL",
        ASSUMED,
        NONE,
        "Your own caches can keep images for a long time.",
    ),
    UntestedFact(
        "An access token contains no dot",
        ASSUMED,
        NONE,
        "A string with a dot is the dotted path of a callable. If your token contains a dot, "
        "pass a callable.",
    ),
    UntestedFact(
        "The status 420 or 429 is a rate limit",
        ASSUMED,
        MAIN_API,
        "Both raise `RateLimited`, and are retried.",
    ),
    UntestedFact(
        "A token may make about 10 requests per second; 8 had no errors",
        ASSUMED,
        MAIN_API,
        "The commands make at most 8 requests per second by default.",
    ),
    UntestedFact(
        "A rate limit has a `Retry-After` header",
        UNKNOWN,
        "none was found",
        "The header is used if there is one.",
    ),
    UntestedFact(
        "The status 502 means that the service is down, and 503 that it is overloaded",
        ASSUMED,
        MAIN_API,
        "Both raise `ServiceUnavailable`, and are retried.",
    ),
    UntestedFact(
        "The status 408 or 425 is a temporary failure",
        ASSUMED,
        "one public client retries a 4xx response with the text “request timeout”; HTTP",
        "Both raise `ServiceUnavailable`, and are retried.",
    ),
    UntestedFact(
        "Maximum size of a file in bytes, and of an image in pixels",
        UNKNOWN,
        NONE,
        "The option `max_upload_size` has no default.",
    ),
    UntestedFact(
        "Support for HEIC, AVIF, and TIFF",
        UNKNOWN,
        NONE,
        "The app converts HEIC and AVIF files before the upload, and TIFF files if you allow it.",
    ),
    UntestedFact(
        "Body of an error response to an upload",
        UNKNOWN,
        "no capture, and no OpenAPI description, was found",
        "Exceptions contain the first 200 characters of the body, without the token.",
    ),
]
