"""
``make bench``: what the app costs beside what one would write without it.

Both sides of a pair run in turn, in one process; the figures are medians, and the ratio
is that of the medians. A shared machine is noisy, so compare ratios, not times.
"""

from __future__ import annotations

import io
import json
import statistics
import time
from collections.abc import Callable

import django
import requests
from django.conf import settings
from django.template import Context, Template

from django_groupme_images.client import GroupMeClient
from django_groupme_images.emulator import EmulatorServer
from django_groupme_images.emulator.faults import Fault
from django_groupme_images.pictures import CDN_URL, Picture, _pattern

ROUNDS = 15
UPLOADS = 20
URL = "https://i.groupme.com/480x325.jpeg.9e20b71dd6af4b58bbd132d4a7dec009"


def compare(title: str, ours: Callable[[], object], theirs: Callable[[], object]) -> None:
    """Print the median of each side in milliseconds, and the ratio."""
    times: dict[Callable[[], object], list[float]] = {ours: [], theirs: []}
    for turn in range(ROUNDS + 1):
        for side, taken in times.items():
            started = time.perf_counter()
            side()
            if turn:  # the first round warms up
                taken.append(time.perf_counter() - started)
    mine, other = (statistics.median(taken) * 1000 for taken in times.values())
    print(f"{title:<48} {mine:9.2f} ms {other:9.2f} ms   ratio {mine / other:.2f}")


def rendering() -> None:
    from django.db import models

    from django_groupme_images.fields import GroupMeImageField

    class Member(models.Model):
        photo = GroupMeImageField()

        class Meta:
            app_label = "benchmarks"

    context = Context({"rows": [Member(photo=URL) for _ in range(1000)]})
    tag = '{% load groupme_images %}{% for row in rows %}{% groupme_image row.photo "preview" %}'
    by_hand = (
        '{% for row in rows %}<img src="{{ row.photo.url }}.preview" width="200" height="200" '
        'alt="" loading="lazy" decoding="async">'
    )
    pairs = [
        ("1,000 <img> tags, and by hand", tag, by_hand),
        (
            "1,000 preview URLs, and by hand",
            "{% load groupme_images %}{% for row in rows %}{{ row.photo|groupme_preview }}",
            "{% for row in rows %}{{ row.photo.url }}.preview",
        ),
    ]
    for title, *sources in pairs:
        ours, theirs = (Template(source + "{% endfor %}") for source in sources)
        assert ours.render(context) == theirs.render(context)
        compare(title, lambda t=ours: t.render(context), lambda t=theirs: t.render(context))


def parsing() -> None:
    bare = _pattern(CDN_URL)
    compare(
        "10,000 URLs parsed, and the bare expression",
        lambda: [Picture.parse(URL) for _ in range(10_000)],
        lambda: [bare.fullmatch(URL).groups() for _ in range(10_000)],
    )


def uploading() -> None:
    photo = b"\xff\xd8\xff" + bytes(100_000)
    body = json.dumps({"payload": {"url": URL}})
    with EmulatorServer() as server, requests.Session() as session:
        client = GroupMeClient("any", upload_url=server.upload_url)
        headers = {"X-Access-Token": "any", "Content-Type": "image/jpeg"}

        # The emulator's own work would hide the client's.
        times = 2 * UPLOADS * (ROUNDS + 1)
        server.app.faults.add(Fault("status", status=200, body=body, times=times))

        def ours() -> None:
            for _ in range(UPLOADS):
                client.upload(io.BytesIO(photo))

        def theirs() -> None:
            for _ in range(UPLOADS):
                session.post(
                    server.upload_url, io.BytesIO(photo), headers=headers, timeout=5
                ).json()

        compare(f"{UPLOADS} uploads of 100 kB, and with bare requests", ours, theirs)


def main() -> None:
    settings.configure(
        INSTALLED_APPS=["django_groupme_images"],
        TEMPLATES=[
            {"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}
        ],
    )
    django.setup()
    print(f"{'':<48} {'ours':>12} {'theirs':>12}")
    rendering()
    parsing()
    uploading()


if __name__ == "__main__":
    main()
