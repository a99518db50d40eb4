"""
Add members, albums, and photos, and upload their images.

Objects that exist are skipped, so that a second run uploads nothing, and a run after an interrupted
one adds what is missing.
"""

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from django.core.files import File
from django.core.management.base import BaseCommand, CommandError
from django.template.defaultfilters import pluralize

from django_groupme_images.exceptions import ServiceError

from ...models import Album, Member, Photo

PHOTOS = Path(__file__).resolve().parents[2] / "photos"


class MemberSeed(NamedTuple):
    name: str
    role: str
    joined: str
    avatar: str


class PhotoSeed(NamedTuple):
    file: str
    taken: str
    by: str
    caption: str
    alternative_text: str


class AlbumSeed(NamedTuple):
    title: str
    slug: str
    date: str
    description: str
    photos: list[PhotoSeed]


MEMBERS = [
    MemberSeed("Ines Duarte", "Chair", "2019-03-01", "avatar-galaxy.jpg"),
    MemberSeed("Tomasz Wilk", "Telescope manager", "2019-03-01", "avatar-raccoon.jpg"),
    MemberSeed("Amara Okoye", "Treasurer", "2020-09-12", "avatar-dandelion.jpg"),
    MemberSeed("Jonas Lindqvist", "Coffee and catering", "2021-01-30", "avatar-cup.jpg"),
    MemberSeed("Mei Tanaka", "Library and sky charts", "2023-11-04", "avatar-cat.jpg"),
    MemberSeed("Rafael Ortega", "", "2025-09-06", ""),
]

ALBUMS = [
    AlbumSeed(
        "Midsummer camp",
        "midsummer-camp",
        "2025-06-21",
        "Two short nights on the hill. The sky stayed pale until one in the morning, "
        "and nobody minded.",
        [
            PhotoSeed(
                "photographer.png",
                "2025-06-20",
                "Tomasz Wilk",
                "Trying out the new tripod before we leave town",
                "A man in a dark coat looks through a camera on a tripod, in black and white",
            ),
            PhotoSeed(
                "meadow-at-sunset.jpg",
                "2025-06-20",
                "Amara Okoye",
                "The meadow at sunset, two hours before the first star",
                "Dandelion clocks in tall grass, with the low sun behind them",
            ),
            PhotoSeed(
                "dandelion-clock.jpg",
                "2025-06-20",
                "Amara Okoye",
                "The only clock on the hill that was not set to UTC",
                "A single dandelion clock against the evening light",
            ),
            PhotoSeed(
                "raccoon.jpg",
                "2025-06-21",
                "Jonas Lindqvist",
                "Our visitor, five minutes after we opened the cookies",
                "A raccoon looks down from between the leaves of a palm",
            ),
        ],
    ),
    AlbumSeed(
        "On the clubhouse wall",
        "clubhouse-wall",
        "2025-03-08",
        "The prints we hung in spring. None of them is ours, and the captions say whose they are.",
        [
            PhotoSeed(
                "deep-field.jpg",
                "2025-03-08",
                "Ines Duarte",
                "Hubble eXtreme Deep Field: nearly every speck is a galaxy (NASA)",
                "Thousands of galaxies, as dots and smudges of all colors on black",
            ),
            PhotoSeed(
                "into-the-deep-field.gif",
                "2025-03-08",
                "Mei Tanaka",
                "A walk into the Deep Field (animation of NASA's image)",
                "The view moves into a dense field of galaxies",
            ),
            PhotoSeed(
                "city-lights.jpg",
                "2025-03-08",
                "Mei Tanaka",
                "City lights, or why we drive for an hour (NASA)",
                "A map of Africa, Europe, and Asia at night, on which cities are golden dots",
            ),
            PhotoSeed(
                "rocket.jpg",
                "2025-03-08",
                "Tomasz Wilk",
                "DSCOVR on its Falcon 9, ready to go (SpaceX)",
                "A white rocket stands upright between four lattice masts at dusk",
            ),
            PhotoSeed(
                "astronaut.jpg",
                "2025-03-08",
                "Ines Duarte",
                "Eileen Collins, the first woman to pilot a Space Shuttle (NASA)",
                "A smiling woman in an orange spacesuit, in front of a model of a Space Shuttle",
            ),
        ],
    ),
    AlbumSeed(
        "After the meeting",
        "after-the-meeting",
        "2025-10-04",
        "Clouded out again, so the espresso machine was the instrument of the evening.",
        [
            PhotoSeed(
                "espresso.jpg",
                "2025-10-04",
                "Jonas Lindqvist",
                "First light: one espresso, seeing excellent",
                "An espresso in a red cup, on a red saucer with a small spoon",
            ),
            PhotoSeed(
                "cat.jpg",
                "2025-10-04",
                "Mei Tanaka",
                "Chelsea, who has not missed a meeting yet",
                "The face of a tabby cat with green eyes",
            ),
        ],
    ),
    AlbumSeed(
        "Perseids under cloud",
        "perseids-under-cloud",
        "2024-08-12",
        "Eleven of us, three hours, no gap. If you took a photo of the clouds, please add it.",
        [],
    ),
]


class Command(BaseCommand):
    help = "Add the members, albums, and photos of the example. Existing ones are skipped."

    def handle(self, *args: Any, **options: Any) -> None:
        added = 0
        try:
            for part, uploads in fill_club():
                added += uploads
                if uploads and options["verbosity"]:
                    self.stdout.write(f"  {part}: {uploads}")
                    self.stdout.flush()  # A pipe is buffered.
        except ServiceError as error:
            raise CommandError(f"An image could not be uploaded: {error}") from error
        if added:
            self.stdout.write(f"{added} image{pluralize(added)} uploaded.")


def fill_club() -> Iterator[tuple[str, int]]:
    """Yield the name of each part when it is complete, and the number of uploads."""
    yield "Members", sum([add_member(seed) for seed in MEMBERS])
    for seed in ALBUMS:
        yield seed.title, add_album(seed)


def add_member(seed: MemberSeed) -> int:
    """Return the number of uploads."""
    if Member.objects.filter(name=seed.name).exists():
        return 0
    member = Member(name=seed.name, role=seed.role, joined=_date(seed.joined))
    return _save_with_image(member, "avatar", seed.avatar)


def add_album(seed: AlbumSeed) -> int:
    """Return the number of uploads."""
    album, _ = Album.objects.get_or_create(
        slug=seed.slug,
        defaults={
            "title": seed.title,
            "date": _date(seed.date),
            "description": seed.description,
        },
    )
    return sum([add_photo(album, photo) for photo in seed.photos])


def add_photo(album: Album, seed: PhotoSeed) -> int:
    """Return the number of uploads."""
    if album.photos.filter(caption=seed.caption).exists():
        return 0
    photo = Photo(
        album=album,
        caption=seed.caption,
        alternative_text=seed.alternative_text,
        taken=_date(seed.taken),
        by=Member.objects.filter(name=seed.by).first(),
    )
    return _save_with_image(photo, "picture", seed.file)


def _save_with_image(instance: Member | Photo, field: str, file: str) -> int:
    if not file:
        instance.save()
        return 0
    with (PHOTOS / file).open("rb") as image:
        setattr(instance, field, File(image, name=file))
        instance.save()
    return 1


_date = datetime.date.fromisoformat
