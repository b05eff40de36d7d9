"""Images for people: the right thing in the right place."""

from __future__ import annotations

import io
import zlib

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from acousticsense.analysis.figures import input_png, level_grid, loudest_db, row_notes, spectrogram_drawing, values_png
from acousticsense.spectrogram.front_end import (
    EFFICIENTAT_MEL,
    NATIVE_CQT,
    NATIVE_MEL,
    NATIVE_WINDOWS,
    UPSTREAM_WINDOWS,
    FrontEnd,
    upstream_front_end,
)
from acousticsense.spectrogram.spectrogram import frame_s, frequencies_hz
from acousticsense.spectrogram.windows import SpectrogramImages, clip_images

RATE_HZ = NATIVE_MEL.sample_rate_hz


def pixels(png: bytes) -> NDArray[np.int16]:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(np.int16)


def tone(frequency_hz: float, duration_s: float = 10.0) -> NDArray[np.float32]:
    time_s = np.arange(int(duration_s * RATE_HZ)) / RATE_HZ
    return (0.5 * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.float32)


def drawn(images: SpectrogramImages, *, offset_s: float = 0.0) -> bytes:
    return spectrogram_drawing(images, offset_s=offset_s)()


def brightest_row(png: bytes) -> int:
    plot = pixels(png)[:, 200:1200].sum(axis=2)
    inside = plot[20:560]
    return int(inside.mean(axis=1).argmax())


@pytest.mark.parametrize(
    "front_end", [NATIVE_MEL, NATIVE_CQT, *(upstream_front_end(kind) for kind in ("mel", "cqt", "chroma"))]
)
def test_every_recipe_can_be_drawn(front_end: FrontEnd) -> None:
    windows = UPSTREAM_WINDOWS if front_end.style == "figure" else NATIVE_WINDOWS
    png = drawn(clip_images(tone(440, 3.0), front_end, windows))
    assert pixels(png).shape == (640, 1600, 3)


def test_a_higher_tone_is_drawn_higher() -> None:
    low, high = (drawn(clip_images(tone(hz), NATIVE_MEL, NATIVE_WINDOWS)) for hz in (300, 4000))
    assert brightest_row(high) < brightest_row(low) - 100


def test_the_time_axis_begins_at_the_offset() -> None:
    clip = clip_images(tone(440), NATIVE_MEL, NATIVE_WINDOWS)
    assert not np.array_equal(pixels(drawn(clip)), pixels(drawn(clip, offset_s=60)))


def test_silence_is_drawn_not_refused() -> None:
    assert drawn(clip_images(tone(0), NATIVE_MEL, NATIVE_WINDOWS))


def test_a_long_clip_keeps_its_short_events() -> None:
    long = tone(100, 200.0) * 0.001
    long[100 * RATE_HZ : 100 * RATE_HZ + 400] = 1.0
    plot = pixels(drawn(clip_images(long, NATIVE_MEL, NATIVE_WINDOWS)))[100:300, 100:1400].sum(axis=(0, 2))
    assert plot.max() > 3 * np.median(plot)


def test_the_network_input_is_exact() -> None:
    clip = clip_images(tone(440, 20.0), NATIVE_MEL, NATIVE_WINDOWS)
    for index in range(2):
        assert np.array_equal(pixels(input_png(clip, index)), clip.images[index].permute(1, 2, 0).numpy())


def unpack(png: bytes) -> NDArray[np.uint8]:
    """The levels in a image's bytes, as the page's script reads them: no image library, no filter undone."""
    image = Image.open(io.BytesIO(png))
    at, packed = 8, b""
    while at < len(png):
        length = int.from_bytes(png[at : at + 4], "big")
        packed += png[at + 8 : at + 8 + length] if png[at + 4 : at + 8] == b"IDAT" else b""
        at += length + 12
    rows = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(image.height, image.width + 1)
    assert not rows[:, 0].any()
    return rows[::-1, 1:]


@pytest.mark.parametrize("front_end", [NATIVE_MEL, NATIVE_CQT])
def test_the_bytes_of_the_image_are_its_decibels(front_end: FrontEnd) -> None:
    rng = np.random.default_rng(0)
    clip = clip_images(rng.normal(0, 0.1, 10 * RATE_HZ).astype(np.float32), front_end, NATIVE_WINDOWS)
    per_neper = 10 / np.log(10) * (1 if front_end.kind == "mel" else 2)
    values = clip.spectrogram.numpy() * per_neper
    shown = unpack(values_png(level_grid(clip))) * (90 / 255) - 90
    assert np.abs(shown - np.maximum(values - values.max(), -90)).max() <= 0.5 * 90 / 255 + 1e-4


def test_an_a4_lights_the_row_called_a4() -> None:
    grid = level_grid(clip_images(tone(440), NATIVE_CQT, NATIVE_WINDOWS))
    row = int(grid.levels.astype(float).mean(axis=1).argmax())
    assert row_notes(NATIVE_CQT)[row] == "A4"
    assert frequencies_hz(NATIVE_CQT)[row] == pytest.approx(440, rel=1e-4)


@pytest.mark.parametrize("front_end", [NATIVE_MEL, NATIVE_CQT, EFFICIENTAT_MEL])
def test_digital_silence_is_dark(front_end: FrontEnd) -> None:
    silence = clip_images(np.zeros(10 * front_end.sample_rate_hz, np.float32), front_end, NATIVE_WINDOWS)
    assert level_grid(silence).levels.max() == 0


def test_two_clips_can_share_what_is_called_loudest() -> None:
    loud, quiet = (
        clip_images(level * tone(1000), NATIVE_MEL, NATIVE_WINDOWS) for level in (np.float32(1), np.float32(0.1))
    )
    levels = level_grid(quiet, reference_db=loudest_db(loud)).levels
    assert level_grid(quiet).levels.max() == 255
    assert (255 - int(levels.max())) * 90 / 255 == pytest.approx(20, abs=0.2)


def test_columns_lie_where_their_frames_do() -> None:
    images = clip_images(tone(100, 100.0), NATIVE_MEL, NATIVE_WINDOWS)
    grid = level_grid(images)
    assert grid.frames_per_column == 3
    assert grid.levels.shape[1] == -(-images.spectrogram.shape[1] // 3)
    assert grid.column_s == pytest.approx(3 * frame_s(NATIVE_MEL))
    assert pixels(drawn(images)).shape == (640, grid.levels.shape[1] + 240, 3)
