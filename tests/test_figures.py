"""Pictures for people: the right thing in the right place."""

from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from acousticsense.config import NATIVE_CQT, NATIVE_MEL, NATIVE_WINDOWS, UPSTREAM_WINDOWS, FrontEnd, upstream_front_end
from acousticsense.figures import input_png, spectrogram_png
from acousticsense.spectrogram import clip_pictures

RATE_HZ = NATIVE_MEL.sample_rate_hz


def pixels(png: bytes) -> NDArray[np.int16]:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(np.int16)


def tone(frequency_hz: float, duration_s: float = 10.0) -> NDArray[np.float32]:
    time_s = np.arange(int(duration_s * RATE_HZ)) / RATE_HZ
    return (0.5 * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.float32)


def brightest_row(png: bytes) -> int:
    plot = pixels(png)[:, 200:1200].sum(axis=2)
    inside = plot[20:560]
    return int(inside.mean(axis=1).argmax())


@pytest.mark.parametrize(
    "front_end", [NATIVE_MEL, NATIVE_CQT, *(upstream_front_end(kind) for kind in ("mel", "cqt", "chroma"))]
)
def test_every_recipe_can_be_drawn(front_end: FrontEnd) -> None:
    windows = UPSTREAM_WINDOWS if front_end.style == "figure" else NATIVE_WINDOWS
    png = spectrogram_png(clip_pictures(tone(440, 3.0), front_end, windows))
    assert pixels(png).shape == (640, 1600, 3)


def test_a_higher_tone_is_drawn_higher() -> None:
    low, high = (spectrogram_png(clip_pictures(tone(hz), NATIVE_MEL, NATIVE_WINDOWS)) for hz in (300, 4000))
    assert brightest_row(high) < brightest_row(low) - 100


def test_the_time_axis_begins_at_the_offset() -> None:
    clip = clip_pictures(tone(440), NATIVE_MEL, NATIVE_WINDOWS)
    assert not np.array_equal(pixels(spectrogram_png(clip)), pixels(spectrogram_png(clip, offset_s=60)))


def test_silence_is_drawn_not_refused() -> None:
    assert spectrogram_png(clip_pictures(tone(0), NATIVE_MEL, NATIVE_WINDOWS))


def test_a_long_clip_keeps_its_short_events() -> None:
    long = tone(100, 200.0) * 0.001
    long[100 * RATE_HZ : 100 * RATE_HZ + 400] = 1.0
    plot = pixels(spectrogram_png(clip_pictures(long, NATIVE_MEL, NATIVE_WINDOWS)))[100:300, 100:1400].sum(axis=(0, 2))
    assert plot.max() > 3 * np.median(plot)


def test_the_network_input_is_exact() -> None:
    clip = clip_pictures(tone(440, 20.0), NATIVE_MEL, NATIVE_WINDOWS)
    for index in range(2):
        assert np.array_equal(pixels(input_png(clip, index)), clip.pictures[index].permute(1, 2, 0).numpy())
