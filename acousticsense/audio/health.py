"""What is wrong with a recording before anyone predicts it: levels, channels, bandwidth.

Every finding carries the value that was measured. Thresholds stand here with their reason; they were checked against
real, freely licensed recordings: of 207 excerpts of 10 s, four of a copy made at 10.5 kHz and one lo-fi intro without
treble get "dull", the others nothing. The words are in `i18n.messages`.
Steady noise is recognised here. Speech is not: that takes the model, whose verdict "not music" stands for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from acousticsense.audio.bandwidth import check_spectrum, decibels
from acousticsense.audio.clip import AudioClip
from acousticsense.audio.mixing import covariance, mix, mix_weights
from acousticsense.audio.notes import DECODING_CODES
from acousticsense.audio.track import Samples
from acousticsense.audio.types import HealthNote, HealthReport

#: Every note there is, in the order in which equally severe ones are listed.
CODES: Final = (
    "silence",
    *DECODING_CODES,
    "quiet",
    "clipping",
    "out_of_phase",
    "dead_channel",
    "silent_channels",
    "dc_offset",
    "noise",
    "dull",
    "short",
    "low_sample_rate",
    "odd_sample_rate",
    "mono_in_stereo",
)
_SEVERITY_RANK: Final = {"error": 0, "warning": 1, "info": 2}

#: Levels are those of the loudest 400 ms: a clip may fade in. 400 ms is the block of ITU-R BS.1770-4.
_BLOCK_S: Final = 0.4
#: Below -70 dBFS is silence: the absolute gate of ITU-R BS.1770-4. Also the level of a dead channel.
SILENCE_DB: Final = -70.0
#: 22 dB below the -23 LUFS of EBU R 128; the quietest of the real recordings reaches -31 dBFS.
_QUIET_DB: Final = -45.0

#: 0.5 % of the samples is 5 ms in every second: clipping that is heard, not a master that touches the ceiling. The
#: loudest of the real recordings, brickwalled on purpose, has 0.24 %; music driven 6 dB too hot has several percent.
_CLIPPED_SHARE: Final = 0.005
#: 0.01 dB below full scale, so that clipping is still seen after rounding.
_FULL_SCALE: Final = 0.999
#: A flat top is this many samples in a row within one 16-bit step of the clip's peak: no music holds still there ...
_FLAT_RUN: Final = 3
_FLAT_STEP: Final = 2.0**-15
#: ... unless it is a square wave, which rests there most of the time (chip tunes). Only full scale then counts.
_SQUARE_WAVE_SHARE: Final = 0.25

#: Two channels are one when they differ by less than this: below it only the codec's rounding is left.
_SAME_CHANNELS_DB: Final = -50.0

#: 2 % of full scale. Converters stay below 0.1 % and the real recordings below 0.7 %; beyond 2 % the lowest bands of
#: the image fill up.
_DC_OFFSET: Final = 0.02

#: One window of the networks is 10 s; below half of it, most of the image is repetition.
_SHORT_S: Final = 5.0


def check(clip: AudioClip) -> HealthReport:
    """Everything remarkable about a clip; about 15 ms for 10 s of stereo at 44.1 kHz.

    Args:
        clip: its channels are (n_channels, m) with m of 1 or more.

    Returns:
        Notes, worst first; none when the clip is clean.
    """
    notes = sorted(_notes(clip), key=lambda note: (_SEVERITY_RANK[note.severity], CODES.index(note.code)))
    return HealthReport(tuple(notes))


def _notes(clip: AudioClip) -> Iterator[HealthNote]:
    channels = np.ascontiguousarray(clip.channels)
    rate_hz = clip.info.sample_rate_hz
    means = channels.mean(axis=1, dtype=np.float64)
    levels_db = [loudest_db(channel, rate_hz) for channel in channels]
    weights = mix_weights(covariance(channels))
    mono = mix(channels, weights)
    level_db = loudest_db(mono, rate_hz)
    yield from clip.notes
    yield from _check_length(clip)
    if max(levels_db) > SILENCE_DB:
        lost_db = max(levels_db) - loudest_db(channels.mean(axis=0, dtype=np.float32), rate_hz)
        yield from _check_channels(channels, levels_db, weights, lost_db)
    if level_db <= SILENCE_DB:
        yield HealthNote(code="silence", severity="error", value=level_db)
        return
    if max(levels_db) < _QUIET_DB:
        yield HealthNote(code="quiet", severity="warning", value=max(levels_db))
    yield from _check_clipping(channels)
    yield from _check_dc(means)
    yield from check_spectrum(mono, rate_hz)


def _check_length(clip: AudioClip) -> Iterator[HealthNote]:
    if clip.info.duration_s < _SHORT_S:
        yield HealthNote(code="short", severity="warning", value=clip.info.duration_s)


def loudest_db(samples: Samples, rate_hz: int) -> float:
    """RMS of the loudest 400 ms of (n,) in dBFS, without its DC; a sine at full scale is -3, silence `SILENCE_DB`."""
    block = min(len(samples), max(1, round(_BLOCK_S * rate_hz)))
    blocks = samples[: len(samples) // block * block].reshape(-1, block)
    power = np.einsum("ij,ij->i", blocks, blocks) / block - blocks.mean(axis=1) ** 2
    return decibels(float(power.max()))


def _check_channels(
    channels: Samples, levels_db: list[float], weights: NDArray[np.float32], lost_db: float
) -> Iterator[HealthNote]:
    """Silent channels, channels that would cancel each other, or one channel written twice."""
    if len(channels) < 2:
        return
    loud = [number for number, level in enumerate(levels_db) if level > SILENCE_DB]
    if len(channels) == 2 and len(loud) == 1 and levels_db[loud[0]] > _QUIET_DB:
        yield HealthNote(code="dead_channel", severity="warning", value=2.0 - loud[0])
        return
    if len(channels) > 2 and not weights.all():
        yield HealthNote(code="silent_channels", severity="info", value=float(np.count_nonzero(weights == 0)))
    if (weights < 0).any():
        yield HealthNote(code="out_of_phase", severity="warning", value=lost_db)
        return
    if len(channels) == 2:
        difference = channels[0] - channels[1]
        below_db = decibels(float(np.mean(difference**2))) - decibels(float(np.mean(channels[0] ** 2)))
        if below_db < _SAME_CHANNELS_DB:
            yield HealthNote(code="mono_in_stereo", severity="info", value=below_db)


def _check_clipping(channels: Samples) -> Iterator[HealthNote]:
    share = max(_clipped_share(channel) for channel in channels)
    if share >= _CLIPPED_SHARE:
        yield HealthNote(code="clipping", severity="warning", value=100.0 * share)


def _clipped_share(channel: Samples) -> float:
    """Share of samples at full scale or, when that is more, on flat tops below it."""
    high, low = float(channel.max()), float(channel.min())
    peak = max(high, -low)
    at_full_scale = 0.0
    if peak >= _FULL_SCALE:
        at_full_scale = float(np.count_nonzero(np.abs(channel) >= _FULL_SCALE)) / len(channel)
    flat = (_flat_samples(channel, high) + _flat_samples(-channel, -low)) / len(channel)
    return max(at_full_scale, flat if flat < _SQUARE_WAVE_SHARE else 0.0)


def _flat_samples(channel: Samples, peak: float) -> int:
    """Samples that are in the middle or at the end of a run at the positive peak."""
    at_peak = channel >= peak * (1.0 - _FLAT_STEP)
    if np.count_nonzero(at_peak) < _FLAT_RUN:
        return 0
    return int(np.count_nonzero(at_peak[2:] & at_peak[1:-1] & at_peak[:-2]))


def _check_dc(means: NDArray[np.float64]) -> Iterator[HealthNote]:
    offset = float(means[np.abs(means).argmax()])
    if abs(offset) >= _DC_OFFSET:
        yield HealthNote(code="dc_offset", severity="warning", value=100.0 * offset)
