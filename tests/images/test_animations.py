"""Conversion of animated images to GIF: what is shown, and for how long."""

from __future__ import annotations

import gc
import io
import logging
from itertools import pairwise

import pytest
from PIL import Image, ImageCms, ImageOps

from django_groupme_images.exceptions import ImageRejected
from django_groupme_images.images.block_reader import BlockReader
from django_groupme_images.images.completeness.structure import check_gif
from django_groupme_images.images.converting import animations
from django_groupme_images.images.converting.animations import MAX_FRAMES, is_animation, write_gif
from django_groupme_images.images.formats.gif import gif_blocks
from tests.support.animations import (
    BLUE,
    CLEAR,
    FORMATS,
    GREEN,
    RED,
    animated,
    difference,
    durations,
    gradient,
    moving,
    needs_avif,
    plain,
    shown,
    to_gif,
)

pytestmark = pytest.mark.any_django


def opened(data):
    return Image.open(io.BytesIO(data))


def extensions(gif):
    """Return the content of each extension that does not control a frame."""
    reader = BlockReader(io.BytesIO(gif))
    blocks = [gif[block.start : block.stop] for _, block in gif_blocks(reader, head_only=False)]
    return [block for block in blocks if block[:1] == b"!" and block[1] != 0xF9]


def assert_shows(gif, frames, tolerance=0):
    results = shown(gif)
    assert len(results) == len(frames)
    differences = [
        difference(result.image, frame) for result, frame in zip(results, frames, strict=True)
    ]
    assert max(differences) <= tolerance, differences


@pytest.mark.parametrize("image_format", FORMATS)
def test_frames_and_durations_are_kept(image_format):
    frames = moving(6, Image.new("RGBA", (40, 30), GREEN))
    times = [40, 120, 70, 500, 1000, 30]
    gif = to_gif(animated(frames, image_format, duration=times))
    assert_shows(gif, frames, 0 if image_format == "WEBP" else 12)
    assert durations(gif) == times
    check_gif(io.BytesIO(gif), 10**6)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_frames_of_many_colors_are_similar(mode):
    frames = [frame.convert(mode) for frame in moving(5, gradient((120, 90)))]
    assert_shows(to_gif(animated(frames)), frames, 40)


def test_unchanged_pixels_are_stored_once():
    frames = moving(20, gradient((120, 90)))
    assert len(to_gif(animated(frames))) < 2 * len(to_gif(animated(frames[:2])))


def test_sampled_palette_is_similar_to_image():
    frames = moving(3, gradient((300, 200)))
    assert_shows(to_gif(animated(frames)), frames, 60)


@pytest.mark.parametrize("image_format", FORMATS)
def test_moving_object_on_transparency_leaves_no_trace(image_format):
    frames = moving(6, Image.new("RGBA", (40, 30), CLEAR))
    gif = to_gif(animated(frames, image_format))
    results = [frame.image.getchannel("A").tobytes() for frame in shown(gif)]
    assert results == [frame.getchannel("A").tobytes() for frame in frames]
    assert_shows(gif, frames, 0 if image_format == "WEBP" else 12)


def test_opaque_frames_between_transparent_ones_are_cleared():
    frames = plain(RED, CLEAR, BLUE, CLEAR, GREEN)
    assert_shows(to_gif(animated(frames)), frames)


def test_disappearing_object_is_cleared():
    background = moving(1, Image.new("RGBA", (40, 30), CLEAR))[0]
    with_object = background.copy()
    with_object.paste(BLUE, (20, 15, 30, 25))
    frames = [background, with_object, background, with_object]
    assert_shows(to_gif(animated(frames)), frames)


def test_transparent_first_frame_keeps_size():
    frames = plain(CLEAR, RED)
    assert_shows(to_gif(animated(frames)), frames)


def test_partial_transparency_becomes_opaque_or_transparent():
    frames = [*plain((255, 0, 0, 127), (255, 0, 0, 128))]
    assert_shows(to_gif(animated(frames)), plain(CLEAR, RED))


def test_slow_fade_reaches_last_frame():
    frames = plain(*((2 * level, 100, 100, 255) for level in range(40)), size=(4, 4))
    results = shown(to_gif(animated(frames)))
    assert difference(results[-1].image, frames[-1]) <= 3
    assert sum(frame.duration for frame in results) == 4_000


def test_identical_frames_keep_total_time():
    red, blue = plain(RED, BLUE)
    data = bytearray(animated(plain(RED, (250, 0, 0, 255), (245, 0, 0, 255), BLUE)))
    assert durations(to_gif(bytes(data))) == [100, 100, 100, 100]
    nearly_red = Image.new("RGBA", red.size, (253, 0, 0, 255))
    gif = to_gif(animated([red, nearly_red, red, blue, red], duration=[30, 45, 55, 70, 20]))
    assert durations(gif) == [130, 70, 20]


def test_animation_of_similar_frames_becomes_one_frame():
    gif = to_gif(animated(plain(RED, (253, 0, 0, 255)), duration=60))
    assert durations(gif) == [120]


@pytest.mark.parametrize("duration", [15, 16.7, 21, 25, 33.4, 99])
def test_total_time_does_not_drift(duration):
    count = 60
    ends = [round(duration * number) for number in range(count + 1)]
    times = [end - start for start, end in pairwise(ends)]
    frames = plain(*(RED, BLUE) * (count // 2))
    results = durations(to_gif(animated(frames, duration=times)))
    assert abs(sum(results) - sum(times)) < 10
    assert min(results) >= 20


@needs_avif
def test_total_time_of_avif_with_fractions_of_milliseconds_does_not_drift():
    data = animated(plain(*(RED, BLUE) * 50), "AVIF", duration=40)
    position = data.index(b"mdhd") + 4 + 4 + 16
    assert data[position : position + 4] == (1_000).to_bytes(4, "big")
    data = data[:position] + (1_010).to_bytes(4, "big") + data[position + 4 :]
    assert abs(sum(durations(to_gif(data))) - 4_000 * 1_000 / 1_010) < 10


def test_too_many_frames_keep_last_frame_and_total_time():
    frames = plain(*((0, 6 * number, 0, 255) for number in range(40)))
    results = shown(to_gif(animated(frames, duration=11)))
    assert difference(results[-1].image, frames[-1]) == 0
    assert abs(sum(frame.duration for frame in results) - 440) < 10


@pytest.mark.parametrize(("duration", "expected"), [(0, 100), (10, 100), (11, 20), (20, 20)])
def test_shortest_durations_are_those_in_browsers(duration, expected):
    frames = plain(RED, BLUE, GREEN)
    data = animated(frames, duration=[1_000, 1_000, duration])
    assert durations(to_gif(data)) == [1_000, 1_000, expected]


def test_duration_above_maximum_of_gif_is_reduced():
    gif = to_gif(animated(plain(RED, BLUE), duration=[700_000, 655_350]))
    assert durations(gif) == [655_350, 655_350]


@pytest.mark.parametrize(
    ("plays", "repetitions"), [(0, 0), (1, None), (2, 1), (5, 4), (65_535, 65_534)]
)
def test_webp_loop_count_is_kept(plays, repetitions):
    gif = to_gif(animated(plain(RED, BLUE), loop=plays))
    assert opened(gif).info.get("loop") == repetitions


@pytest.mark.parametrize("number", range(1, 9))
def test_frames_are_upright(number):
    exif = Image.Exif()
    exif[0x0112] = number
    frames = moving(3, Image.new("RGBA", (40, 30), GREEN))
    expected = []
    for frame in frames:
        frame.getexif()[0x0112] = number
        expected.append(ImageOps.exif_transpose(frame))
    assert_shows(to_gif(animated(frames, exif=exif)), expected)


@pytest.mark.parametrize(
    ("size", "expected"),
    [((40, 30), (40, 30)), ((80, 20), (40, 10)), ((20, 80), (10, 40))],
)
def test_frames_are_scaled_down(size, expected):
    frames = moving(3, Image.new("RGBA", size, GREEN))
    gif = to_gif(animated(frames), max_dimension=40)
    assert opened(gif).size == expected
    resized = [frame.resize(expected, Image.Resampling.LANCZOS) for frame in frames]
    assert_shows(gif, resized, 16)


def test_thin_frames_are_scaled_down_to_one_pixel():
    gif = to_gif(animated(plain(RED, BLUE, size=(400, 2))), max_dimension=40)
    assert_shows(gif, plain(RED, BLUE, size=(40, 1)))


@pytest.fixture
def swapped_profile():
    """Return a profile in which red and blue are exchanged."""
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = data.replace(b"rXYZ", b"gone").replace(b"bXYZ", b"rXYZ").replace(b"gone", b"bXYZ")
    return data.replace("sRGB".encode("utf-16-be"), "test".encode("utf-16-be"))


@pytest.mark.parametrize("image_format", FORMATS)
def test_color_profile_is_applied(image_format, swapped_profile):
    data = animated(plain(RED, BLUE), image_format, icc_profile=swapped_profile)
    assert_shows(to_gif(data), plain(BLUE, RED), 12)


def test_color_profile_keeps_transparency(swapped_profile):
    data = animated(plain(RED, CLEAR, BLUE), icc_profile=swapped_profile)
    assert_shows(to_gif(data), plain(BLUE, CLEAR, RED), 12)


@pytest.mark.parametrize(
    "profile",
    [
        b"no profile",
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes(),
    ],
    ids=["broken", "sRGB", "LAB"],
)
def test_broken_color_profile_or_srgb_changes_nothing(profile):
    data = animated(plain(RED, BLUE), icc_profile=profile)
    assert_shows(to_gif(data), plain(RED, BLUE))


@pytest.mark.parametrize("image_format", FORMATS)
def test_gif_contains_no_metadata(image_format):
    exif = Image.Exif()
    exif[0x010E] = "secret"
    frames = plain(RED, BLUE)
    data = animated(frames, image_format, exif=exif, xmp=b"<x:xmpmeta>secret</x:xmpmeta>")
    assert b"secret" in data
    image, output = opened(data), io.BytesIO()
    image.info["comment"] = b"secret"
    assert write_gif(image, output, source=io.BytesIO(data), max_pixels=1_000)
    assert extensions(output.getvalue()) == [b"!\xff\x0bNETSCAPE2.0\3\1\0\0\0"]
    assert b"secret" not in output.getvalue()


def test_output_before_gif_is_kept():
    data, output = animated(plain(RED, BLUE)), io.BytesIO()
    output.write(b"before")
    assert write_gif(opened(data), output, source=io.BytesIO(data), max_pixels=1_000)
    assert output.getvalue() == b"before" + to_gif(data)


def test_large_gif_is_not_written(monkeypatch, caplog):
    data, output = animated(moving(30, gradient((120, 90)))), io.BytesIO(b"before, after")
    size = len(to_gif(data))
    monkeypatch.setattr(animations, "MAX_GIF_SIZE", size)
    assert to_gif(data)
    monkeypatch.setattr(animations, "MAX_GIF_SIZE", size // 2)
    image = opened(data)
    output.seek(6)
    with caplog.at_level(logging.WARNING):
        assert not write_gif(image, output, source=io.BytesIO(data), max_pixels=1_000_000)
    assert output.getvalue() == b"before"
    assert output.tell() == 6
    assert image.tell() < 25
    assert "30 frames and 120×90 pixels" in caplog.text
    assert f"more than {size // 2:,} bytes" in caplog.text


def test_animation_of_too_many_pixels_is_not_decoded(caplog):
    data, output = animated(plain(RED, BLUE, GREEN)), io.BytesIO()
    to_gif(data, max_pixels=3 * 8 * 6)
    image = opened(data)
    assert not write_gif(image, output, source=io.BytesIO(data), max_pixels=3 * 8 * 6 - 1)
    assert "timestamp" not in image.info
    assert output.getvalue() == b""
    assert "more than 143 pixels" in caplog.text


def test_animation_of_too_many_frames_is_not_decoded(caplog):
    frames = plain(*(RED, BLUE) * (MAX_FRAMES // 2), GREEN, size=(1, 1))
    data = animated(frames)
    image, output = opened(data), io.BytesIO()
    assert not write_gif(image, output, source=io.BytesIO(data), max_pixels=1_000_000)
    assert "timestamp" not in image.info
    assert "more than 10,000 frames" in caplog.text


@pytest.mark.parametrize("image_format", FORMATS)
def test_damaged_frame_is_rejected(image_format):
    data = animated(moving(6, gradient((120, 90))), image_format)
    start = data.rindex(b"ANMF") + 40 if image_format == "WEBP" else len(data) - 300
    data = data[:start] + b"\xff" * (len(data) - start)
    image = opened(data)
    with pytest.raises(ImageRejected, match=r"frame [2-6] is damaged") as raised:
        write_gif(image, io.BytesIO(), source=io.BytesIO(data), max_pixels=1_000_000)
    assert raised.value.code == "truncated"


@needs_avif
def test_avif_without_time_scale_is_rejected():
    data = animated(plain(RED, BLUE), "AVIF")
    position = data.index(b"mdhd") + 4 + 4 + 16
    data = data[:position] + bytes(4) + data[position + 4 :]
    with pytest.raises(ImageRejected, match="frame 1 is damaged"):
        to_gif(data)


def test_memory_error_while_decoding_propagates(monkeypatch):
    data = animated(plain(RED, BLUE))
    image = opened(data)

    def fail():
        raise MemoryError

    monkeypatch.setattr(image, "load", fail)
    with pytest.raises(MemoryError):
        write_gif(image, io.BytesIO(), source=io.BytesIO(data), max_pixels=1_000)


def test_write_gif_to_failing_output_raises_its_error():
    class FullDisk(io.BytesIO):
        def write(self, data):
            raise OSError("no space left")

    data = animated(plain(RED, BLUE))
    with pytest.raises(OSError, match="no space left"):
        write_gif(opened(data), FullDisk(), source=io.BytesIO(data), max_pixels=1_000)


def test_write_gif_keeps_few_frames_in_memory():
    class Output(io.BytesIO):
        images = 0

        def write(self, data):
            alive = [item for item in gc.get_objects() if isinstance(item, Image.Image)]
            self.images = max(self.images, sum(item.size == (77, 33) for item in alive))
            return super().write(data)

    data, output = animated(moving(25, gradient((77, 33)))), Output()
    gc.collect()
    assert write_gif(opened(data), output, source=io.BytesIO(data), max_pixels=1_000_000)
    assert 2 <= output.images <= 12


@pytest.mark.parametrize("image_format", FORMATS)
def test_only_images_with_several_frames_are_animations(image_format):
    assert is_animation(opened(animated(plain(RED, BLUE), image_format)))
    assert not is_animation(opened(animated(plain(RED), image_format)))


def test_heif_with_several_images_is_not_an_animation():
    pillow_heif = pytest.importorskip("pillow_heif")
    from pillow_heif.as_plugin import HeifImageFile

    file, output = pillow_heif.from_pillow(gradient((64, 64))), io.BytesIO()
    file.add_from_pillow(gradient((96, 64)))
    file.save(output)
    output.seek(0)
    image = HeifImageFile(output)
    assert image.n_frames == 2
    assert not is_animation(image)
