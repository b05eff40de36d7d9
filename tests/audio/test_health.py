"""Each fault of a recording gets exactly its note, and a clean recording gets none."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray

from acousticsense.audio.clip import AudioClip
from acousticsense.audio.health import CODES, check
from acousticsense.audio.types import ClipInfo, HealthNote
from acousticsense.i18n.messages import LANGUAGES, text

RATE_HZ = 44_100
Samples = NDArray[np.float32]


def _music(seconds: float = 10.0, rate_hz: int = RATE_HZ) -> Samples:
    """Stereo (2, n) like music: a pulsing chord over noise that falls by 6 dB an octave, at -20 dBFS."""
    rng = np.random.default_rng(1)
    n = round(seconds * rate_hz)
    spectrum = np.fft.rfft(rng.standard_normal((2, n)), axis=1)
    frequency_hz = np.fft.rfftfreq(n, 1 / rate_hz)
    noise = np.fft.irfft(spectrum / np.maximum(frequency_hz, 50.0), n, axis=1)
    t = np.arange(n) / rate_hz
    chord = sum(np.sin(2 * np.pi * hz * t + hz) for hz in (110.0, 277.2, 329.6, 880.0))
    mix = noise / noise.std() + 0.5 * chord * (0.6 + 0.4 * np.sin(2 * np.pi * 2 * t))
    return np.asarray(0.1 * mix / mix.std(), np.float32)


def _clip(channels: Samples, rate_hz: int = RATE_HZ) -> AudioClip:
    info = ClipInfo(
        offset_s=0.0,
        duration_s=channels.shape[1] / rate_hz,
        track_duration_s=None,
        sample_rate_hz=rate_hz,
        channels=len(channels),
    )
    return AudioClip(waveform=channels.mean(axis=0), sample_rate_hz=rate_hz, channels=channels, info=info)


def _notes(channels: Samples, rate_hz: int = RATE_HZ) -> tuple[HealthNote, ...]:
    return check(_clip(channels, rate_hz)).notes


def _low_passed(channels: Samples, hz: float, order: int | None) -> Samples:
    """Without what lies above `hz`: a brick wall, or a Butterworth low-pass of that order."""
    spectrum = np.fft.rfft(channels, axis=1)
    frequency_hz = np.fft.rfftfreq(channels.shape[1], 1 / RATE_HZ)
    gain = frequency_hz < hz if order is None else 1 / np.sqrt(1 + (frequency_hz / hz) ** (2 * order))
    return np.fft.irfft(spectrum * gain, channels.shape[1], axis=1).astype(np.float32)


def _as_16_bit(channels: Samples) -> Samples:
    return (np.round(np.clip(channels, -1, 1 - 2**-15) * 32_768) / 32_768).astype(np.float32)


def _noise(slope: float) -> Samples:
    """Stereo noise whose amplitude falls with frequency to the power of `slope`, at -20 dBFS."""
    spectrum = np.fft.rfft(np.random.default_rng(2).standard_normal((2, 441_000)), axis=1)
    frequency_hz = np.fft.rfftfreq(441_000, 1 / RATE_HZ)
    noise = np.fft.irfft(spectrum / np.maximum(frequency_hz, 20.0) ** slope, 441_000, axis=1)
    return np.asarray(0.1 * noise / noise.std(), np.float32)


def _only(channel: int) -> Samples:
    music = _music()
    music[1 - channel] = 0
    return music


FAULTS: dict[str, tuple[Callable[[], Samples], str, str, float, float]] = {
    # name: samples, code, severity, lowest and highest value
    "digital silence": (lambda: np.zeros((2, 441_000), np.float32), "silence", "error", -120, -120),
    "dither": (lambda: _music() * 1e-4, "silence", "error", -105, -90),
    "only DC": (lambda: np.full((2, 441_000), 0.3, np.float32), "silence", "error", -120, -100),
    "45 dB too quiet": (lambda: _music() * 0.01, "quiet", "warning", -65, -50),
    "overdriven": (lambda: _as_16_bit(_music() * 6), "clipping", "warning", 3, 60),
    "overdriven, then turned down": (lambda: np.clip(_music() * 6, -1, 1) * 0.5, "clipping", "warning", 3, 60),
    "left is dead": (lambda: _only(1), "dead_channel", "warning", 1, 1),
    "right is dead": (lambda: _only(0), "dead_channel", "warning", 2, 2),
    "right is upside down": (
        lambda: np.stack([_music()[0], -0.9 * _music()[0]]),
        "out_of_phase",
        "warning",
        20,
        30,
    ),
    "DC": (lambda: _music() - 0.1, "dc_offset", "warning", -10.5, -9.5),
    "white noise": (lambda: _noise(0), "noise", "warning", 0.3, 1.4),
    "pink noise": (lambda: _noise(0.5), "noise", "warning", 0.3, 1.4),
    "brown noise": (lambda: _noise(1), "noise", "warning", 0.3, 1.4),
    "telephone": (lambda: _low_passed(_music(), 3_400, None), "dull", "warning", 3_100, 3_700),
    "muffled": (lambda: _low_passed(_music(), 2_500, 10), "dull", "warning", 2_500, 9_000),
    "64 kbit/s": (lambda: _low_passed(_music(), 8_000, None), "dull", "info", 7_700, 8_300),
    "3 s": (lambda: _music(3), "short", "warning", 3, 3),
    "mono twice": (lambda: np.repeat(_music()[:1], 2, axis=0), "mono_in_stereo", "info", -200, -50),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_gets_exactly_its_note(name: str) -> None:
    samples, code, severity, lowest, highest = FAULTS[name]
    notes = _notes(samples())
    assert [(note.code, note.severity) for note in notes] == [(code, severity)]
    assert lowest <= notes[0].value <= highest


def test_channels_that_would_cancel_completely_are_no_silence() -> None:
    left = _music()[0]
    assert [(n.code, n.severity) for n in _notes(np.stack([left, -left]))] == [("out_of_phase", "warning")]


@pytest.mark.parametrize("rate_hz", [22_050, 44_100, 48_000, 96_000])
def test_clean_music_gets_no_note(rate_hz: int) -> None:
    assert _notes(_music(10, rate_hz), rate_hz) == ()


@pytest.mark.parametrize(
    ("rate_hz", "code", "severity"),
    [
        (8_000, "low_sample_rate", "warning"),
        (16_000, "low_sample_rate", "warning"),
        (37_800, "odd_sample_rate", "info"),
    ],
)
def test_sample_rates(rate_hz: int, code: str, severity: str) -> None:
    assert _notes(_music(10, rate_hz), rate_hz) == (HealthNote(code=code, severity=severity, value=rate_hz),)  # type: ignore[arg-type]  # parametrized


def test_a_full_scale_master_is_not_called_clipped() -> None:
    master = np.tanh(_music() * 2.5)
    assert _notes((master / np.abs(master).max()).astype(np.float32)) == ()


def test_the_square_waves_of_a_chip_tune_are_not_called_clipped() -> None:
    t = np.arange(441_000) / RATE_HZ
    tune = 0.5 * np.sign(np.sin(2 * np.pi * (220 + 110 * (t // 1 % 3)) * t))
    assert "clipping" not in [note.code for note in _notes(np.stack([tune, tune]).astype(np.float32))]


def test_one_fault_does_not_hide_another_and_the_worst_comes_first() -> None:
    faulty = np.repeat(_as_16_bit(_music(3)[:1] * 6), 2, axis=0)
    assert [note.code for note in _notes(faulty)] == ["clipping", "short", "mono_in_stereo"]


@pytest.mark.parametrize("n_samples", [1, 2, 3, 100, 4_095, 4_096, 5_000])
def test_clips_of_a_few_samples_are_no_trouble(n_samples: int) -> None:
    rng = np.random.default_rng(0)
    for channels in (1, 2, 6):
        samples = 0.1 * rng.standard_normal((channels, n_samples)).astype(np.float32)
        assert "short" in [note.code for note in _notes(samples)]
        assert all(np.isfinite(note.value) for note in _notes(samples))


@pytest.mark.parametrize("rate_hz", [2_000, 8_000, 22_050, 768_000])
def test_every_rate_that_can_be_read_can_be_checked(rate_hz: int) -> None:
    samples = np.asarray(soxr.resample(_music(2).T, RATE_HZ, rate_hz), np.float32).T
    assert "silence" not in [note.code for note in _notes(samples, rate_hz)]


def test_a_live_microphone_has_one_channel() -> None:
    assert _notes(_music()[:1]) == ()


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_note_has_words_that_name_the_value(code: str, language: str) -> None:
    words = text(f"health.{code}", language, value=1234.0)
    assert "1234" in words
    assert words.count("。" if language == "zh" else ".") >= 1
