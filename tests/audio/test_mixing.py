"""Stereo, mono and 5.1 of one sound are one waveform; what is silent or inverted is found before mixing."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile

from acousticsense.audio.clip import AudioClip
from acousticsense.audio.health import check
from acousticsense.audio.mixing import covariance, mix_weights
from acousticsense.audio.stream import open_stream
from tests.audio.files import RATE_HZ, WANTED_HZ, Samples, make_signal, read


@pytest.fixture(scope="module")
def stereo() -> Samples:
    """Stereo (n, 2) as music is: mostly the same on both sides."""
    noise = make_signal(4)
    return np.asarray(noise + noise.mean(axis=1, keepdims=True), np.float32)


def _file(samples: Samples) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, RATE_HZ, format="WAV", subtype="FLOAT")
    return file.getvalue()


def _waveform(samples: Samples) -> Samples:
    """As predict decodes it, which the timeline's blocks must equal."""
    file = _file(samples)
    waveform = read(file, duration_s=None).waveform
    with open_stream(file, sample_rate_hz=WANTED_HZ) as stream:
        np.testing.assert_allclose(np.concatenate(list(stream.blocks()))[: len(waveform)], waveform, atol=1e-6)
        codes = {note.code for note in stream.notes}
    assert codes >= {note.code for note in check(read(file, duration_s=None)).notes if note.code == "out_of_phase"}
    return waveform


def _notes(samples: Samples) -> dict[str, float]:
    clip: AudioClip = read(_file(samples), duration_s=None)
    return {note.code: note.value for note in check(clip).notes if note.code not in {"short", "noise", "dull"}}


@pytest.mark.parametrize("gain", [1.0, 0.9, 0.3])
def test_an_inverted_channel_is_turned_round(stereo: Samples, gain: float) -> None:
    upright = stereo * [1, gain]
    for inverted in (upright * [1, -1], upright * [-1, 1]):
        waveform = _waveform(inverted.astype(np.float32))
        sign = np.sign(waveform @ _waveform(upright.astype(np.float32)))
        np.testing.assert_allclose(sign * waveform, _waveform(upright.astype(np.float32)), atol=1e-5)
        assert "out_of_phase" in _notes(inverted.astype(np.float32))


def test_wide_stereo_is_left_alone() -> None:
    wide = make_signal(4)  # unrelated channels
    np.testing.assert_allclose(_waveform(wide), _waveform(wide.mean(axis=1, keepdims=True)), atol=1e-6)
    assert _notes(wide) == {}


@pytest.mark.parametrize("silent", [0, 1])
@pytest.mark.parametrize("noise", [0.0, 1e-5])
def test_a_silent_channel_takes_nothing_away(stereo: Samples, silent: int, noise: float) -> None:
    half = stereo.copy()
    half[:, silent] = noise * make_signal(4)[:, 0]
    np.testing.assert_allclose(_waveform(half), _waveform(half[:, 1 - silent :][:, :1]), atol=1e-5)
    assert _notes(half)["dead_channel"] == 1.0 + silent


@pytest.mark.parametrize("places", [(0, 1), (4, 5)])
def test_stereo_within_5_1_is_stereo(stereo: Samples, places: tuple[int, int]) -> None:
    surround = np.zeros((len(stereo), 6), np.float32)
    surround[:, places] = stereo
    np.testing.assert_allclose(_waveform(surround), _waveform(stereo), atol=1e-6)
    assert _notes(surround) == {"silent_channels": 4.0}


def test_mono_in_the_centre_of_5_1_is_mono(stereo: Samples) -> None:
    surround = np.zeros((len(stereo), 6), np.float32)
    surround[:, 2] = stereo[:, 0]
    np.testing.assert_allclose(_waveform(surround), _waveform(stereo[:, :1]), atol=1e-6)


def test_mono_on_every_channel_is_mono(stereo: Samples) -> None:
    everywhere = np.repeat(stereo[:, :1], 6, axis=1)
    np.testing.assert_allclose(_waveform(everywhere), _waveform(stereo[:, :1]), atol=1e-6)


def test_the_mix_does_not_depend_on_the_level(stereo: Samples) -> None:
    inverted = np.asarray(stereo * [1, -1], np.float32)
    np.testing.assert_allclose(_waveform(inverted * np.float32(1e-3)) * 1e3, _waveform(inverted), atol=1e-4)


def test_an_offset_is_no_correlation() -> None:
    shifted = np.asarray(make_signal(4) + np.array([0.5, -0.5]), np.float32)
    assert (mix_weights(covariance(np.ascontiguousarray(shifted.T))) > 0).all()


def test_silence_on_all_channels_is_their_mean() -> None:
    np.testing.assert_allclose(mix_weights(np.zeros((3, 3))), 1 / 3)
