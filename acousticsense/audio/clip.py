"""An excerpt of any audio file as a mono waveform: open, decode only what was asked for, mix, resample."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from acousticsense.audio.decode import decoded
from acousticsense.audio.limits import AudioLimits, check_format
from acousticsense.audio.mixing import covariance, mix, mix_weights
from acousticsense.audio.resample import resample
from acousticsense.audio.source import Source
from acousticsense.audio.track import (
    MARGIN_S,
    Excerpt,
    Samples,
    Track,
    check_arguments,
    mend,
    refuse_damage,
    refuse_empty,
)
from acousticsense.audio.types import ClipInfo, HealthNote
from acousticsense.errors import AudioTooLargeError


@dataclass(frozen=True, kw_only=True)
class AudioClip:
    """A decoded excerpt.

    Attributes:
        waveform: float32 (n,), mean of all sounding channels at `sample_rate_hz` (see `mixing`), nominally in -1..1.
        sample_rate_hz: the rate that was asked for.
        channels: float32 (n_channels, m), the same excerpt as the file holds it, at `info.sample_rate_hz`.
        info: where the excerpt lies and what the file is.
        notes: what was skipped, assumed or cut while decoding; `health.check` repeats them.
    """

    waveform: Samples
    sample_rate_hz: int
    channels: Samples
    info: ClipInfo
    notes: tuple[HealthNote, ...] = ()


def read_clip(
    source: Source,
    *,
    sample_rate_hz: int,
    duration_s: float | None = 10.0,
    offset_s: float = 0.0,
    anchor: Literal["start", "center"] = "start",
    limits: AudioLimits | None = None,
) -> AudioClip:
    """Decodes an excerpt of a track; only that excerpt is decoded, not what lies before or after it.

    A damaged or truncated file gives what can be decoded.

    Args:
        source: path of a local file, the file's bytes, or a binary file object (read from its beginning, left open).
        sample_rate_hz: rate of the waveform that is wanted, above 0.
        duration_s: seconds, above 0; less comes back when the track ends earlier. None is to the end.
        offset_s: seconds into the track, 0 or more.
        anchor: "center" takes the middle of the track; `offset_s` must then be 0.
        limits: bounds that hold while decoding; the defaults of `AudioLimits` when None.

    Raises:
        RequestError: an argument is out of range.
        AudioDecodeError: no such file, not audio, or damaged beyond use.
        AudioTooLargeError: a limit was reached.
        AudioEmptyError: no sound in the file, or none at that offset.
    """
    check_arguments(sample_rate_hz, duration_s, offset_s, anchor)
    excerpt = Excerpt(offset_s=offset_s, duration_s=duration_s, centred=anchor == "center")
    limits = limits or AudioLimits()
    read = partial(_read, excerpt=excerpt, sample_rate_hz=sample_rate_hz, limits=limits)
    with decoded(source, limits, read) as clip:
        return clip


def _read(track: Track, excerpt: Excerpt, sample_rate_hz: int, limits: AudioLimits) -> AudioClip:
    """Finds the excerpt, decodes it with margins, mixes, resamples and cuts the margins off."""
    check_format(track.sample_rate_hz, track.n_channels, limits)
    rate = track.sample_rate_hz
    start = _start_frame(track, excerpt)
    wanted = None if excerpt.duration_s is None else max(1, round(excerpt.duration_s * rate))
    channels, lead, ended = _decode(track, start, wanted, limits)
    if channels.shape[1] <= lead and excerpt.centred and start:  # the header promised more than there is
        start = 0
        channels, lead, ended = _decode(track, start, wanted, limits)
    n_frames = channels.shape[1] - lead if wanted is None else min(wanted, channels.shape[1] - lead)
    if n_frames <= 0:
        refuse_empty(track, excerpt)
    refuse_damage(mend(channels, track), channels.size, track.notes)
    excerpt_channels = channels[:, lead : lead + n_frames]
    mono = mix(channels, mix_weights(covariance(excerpt_channels)))
    waveform = resample(mono, rate, sample_rate_hz, lead, n_frames)
    end = start - lead + channels.shape[1]
    track_frames = end if ended else track.n_frames and max(end, track.n_frames)
    info = ClipInfo(
        offset_s=start / rate,
        duration_s=n_frames / rate,
        track_duration_s=None if track_frames is None else track_frames / rate,
        sample_rate_hz=rate,
        channels=track.n_channels,
    )
    return AudioClip(
        waveform=waveform,
        sample_rate_hz=sample_rate_hz,
        channels=excerpt_channels,
        info=info,
        notes=tuple(track.notes),
    )


def _start_frame(track: Track, excerpt: Excerpt) -> int:
    if not excerpt.centred:
        return round(excerpt.offset_s * track.sample_rate_hz)
    if excerpt.duration_s is None:
        return 0
    return max(0, (track.count_frames() - round(excerpt.duration_s * track.sample_rate_hz)) // 2)


def _decode(track: Track, start: int, wanted: int | None, limits: AudioLimits) -> tuple[Samples, int, bool]:
    """Samples (n_channels, n) around the excerpt, the frames among them that lie before it, whether the track ended."""
    margin = round(MARGIN_S * track.sample_rate_hz)
    lead = min(start, margin)
    ahead = None if track.n_frames is None else max(0, track.n_frames - start)
    if ahead is not None and _size_fault(_fewer(wanted, ahead), track, limits):  # which may be the header's mistake
        ahead = max(0, track.count_frames() - start)
        _check_size(_fewer(wanted, ahead), track, limits)
    enough = None if wanted is None else lead + wanted + margin
    buffer = _Buffer(track.n_channels, expected=min((n for n in (enough, ahead) if n is not None), default=margin))
    for block in track.blocks(start - lead):
        buffer.append(block)
        decoded = max(0, buffer.n_frames - lead)
        _check_size(_fewer(wanted, decoded), track, limits)
        if enough is not None and buffer.n_frames >= enough:
            return buffer.samples[:, :enough], lead, False
    return buffer.samples, lead, True


def _fewer(wanted: int | None, there: int) -> int:
    """Frames that will be decoded: all there are, or fewer when fewer are wanted."""
    return there if wanted is None else min(wanted, there)


def _check_size(n_frames: int, track: Track, limits: AudioLimits) -> None:
    """Refuses an excerpt of `n_frames`, whether a header announces it or it has just been decoded."""
    fault = _size_fault(n_frames, track, limits)
    if fault:
        raise AudioTooLargeError(fault, hint="Analyse fewer seconds or cut the file.")


def _size_fault(n_frames: int, track: Track, limits: AudioLimits) -> str:
    if n_frames > limits.max_clip_s * track.sample_rate_hz:
        return f"The excerpt is longer than {limits.max_clip_s:g} s, the limit."
    bytes_per_s = track.n_channels * track.sample_rate_hz * 4
    if n_frames * track.n_channels * 4 > limits.max_pcm_bytes:
        return (
            f"The excerpt is longer than {limits.max_pcm_bytes / bytes_per_s:.0f} s and takes more than "
            f"{limits.max_pcm_bytes / 2**20:.0f} MiB decoded, the limit "
            f"({track.n_channels} channels at {track.sample_rate_hz} Hz)."
        )
    return ""


class _Buffer:
    """Grows with what is really decoded; the expected size only saves copies, memory is touched when it is filled."""

    def __init__(self, n_channels: int, *, expected: int) -> None:
        self._data = np.empty((n_channels, min(expected, 1 << 22)), np.float32)
        self.n_frames = 0

    def append(self, block: Samples) -> None:
        end = self.n_frames + block.shape[1]
        if end > self._data.shape[1]:
            grown = np.empty((len(self._data), max(end, self._data.shape[1] * 3 // 2)), np.float32)
            grown[:, : self.n_frames] = self.samples
            self._data = grown
        self._data[:, self.n_frames : end] = block
        self.n_frames = end

    @property
    def samples(self) -> Samples:
        return self._data[:, : self.n_frames]
