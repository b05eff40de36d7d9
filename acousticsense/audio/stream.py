"""An excerpt of any audio file block by block, however long it is: the samples of `read_clip`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import partial
from itertools import chain
from typing import Final

import numpy as np
import soxr

from acousticsense.audio.decode import decoded
from acousticsense.audio.limits import AudioLimits, check_format
from acousticsense.audio.mixing import Mixer
from acousticsense.audio.resample import between_zeros
from acousticsense.audio.source import Source, unreadable
from acousticsense.audio.track import (
    BLOCK_FRAMES,
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

#: Seconds that are listened to before the first is mixed: a network's window.
_LOOK_AHEAD_S: Final = 10.0


@contextmanager
def open_stream(
    source: Source,
    *,
    sample_rate_hz: int,
    duration_s: float | None = None,
    offset_s: float = 0.0,
    limits: AudioLimits | None = None,
) -> Iterator[AudioStream]:
    """An excerpt of a track, to be read block by block while the context lasts; memory does not grow with its length.

    The samples are those of `read_clip`. The limit on length is `max_stream_s`, not `max_clip_s` or `max_pcm_bytes`.

    Args:
        source: path of a local file, the file's bytes, or a binary file object (read from its beginning, left open).
        sample_rate_hz: rate of the waveform that is wanted, above 0.
        duration_s: seconds, above 0; less comes when the track ends earlier. None is to the end.
        offset_s: seconds into the track, 0 or more.
        limits: bounds that hold while decoding; the defaults of `AudioLimits` when None.

    Raises:
        RequestError: an argument is out of range.
        AudioDecodeError: no such file, not audio, or damaged beyond use.
        AudioTooLargeError: a limit was reached.
        AudioEmptyError: no sound in the file, or none at that offset.
    """
    check_arguments(sample_rate_hz, duration_s, offset_s, "start")
    excerpt = Excerpt(offset_s=offset_s, duration_s=duration_s, centred=False)
    limits = limits or AudioLimits()
    begin = partial(AudioStream, excerpt=excerpt, sample_rate_hz=sample_rate_hz, limits=limits)
    with decoded(source, limits, begin) as stream:
        yield stream


class AudioStream:
    """An opened excerpt of a track; see `open_stream`.

    Attributes:
        expected_s: seconds that will come, as far as the header tells; None when it does not.
    """

    def __init__(self, track: Track, *, excerpt: Excerpt, sample_rate_hz: int, limits: AudioLimits) -> None:
        check_format(track.sample_rate_hz, track.n_channels, limits)
        self._track, self._excerpt, self._limits = track, excerpt, limits
        rate = track.sample_rate_hz
        self._rates_hz = (rate, sample_rate_hz)
        self._ratio = Fraction(sample_rate_hz, rate)
        self._start = round(excerpt.offset_s * rate)
        self._lead = min(self._start, round(MARGIN_S * rate))
        self._wanted = None if excerpt.duration_s is None else max(1, round(excerpt.duration_s * rate))
        self._n_decoded, self._ended = 0, False
        self._most_frames = limits.max_stream_s * rate
        self._mixer = Mixer(track.n_channels, rate)
        expected = self._expected()
        if expected is not None and expected > self._most_frames:  # which may be the header's mistake
            track.count_frames()
            expected = self._expected()
        self._check_length(expected or 0)
        self.expected_s = None if expected is None else expected / rate
        self._mono_blocks = self._mono()
        self._first = next(self._mono_blocks, None)  # so that a decoder that cannot read the file fails here

    @property
    def notes(self) -> tuple[HealthNote, ...]:
        """What was skipped, assumed or cut so far."""
        lost_db = self._mixer.lost_db
        inverted = () if lost_db is None else (HealthNote(code="out_of_phase", severity="warning", value=lost_db),)
        return (*self._track.notes, *inverted)

    def blocks(self) -> Iterator[Samples]:
        """Mono blocks (n,) of about a second, one after the other, once; together they are the excerpt.

        Raises:
            AudioDecodeError: the file is damaged beyond use.
            AudioTooLargeError: the track goes on beyond the limit.
            AudioEmptyError: there is no sound in the excerpt.
        """
        skip, given = round(self._lead * self._ratio), 0
        try:
            for block in self._resampled():
                part = block[skip:]
                skip -= len(block) - len(part)
                if self._wanted is not None:
                    part = part[: round(self._wanted * self._ratio) - given]
                given += len(part)
                if len(part):
                    yield part
        except OSError as error:
            raise unreadable(error) from error
        if not given:
            refuse_empty(self._track, self._excerpt)

    @property
    def info(self) -> ClipInfo:
        """Where the excerpt lies and what the file is; its duration counts what was decoded so far."""
        rate, n_frames = self._track.sample_rate_hz, max(0, self._n_decoded - self._lead)
        end = self._start - self._lead + self._n_decoded
        total = end if self._ended else self._track.n_frames and max(end, self._track.n_frames)
        return ClipInfo(
            offset_s=self._start / rate,
            duration_s=(n_frames if self._wanted is None else min(self._wanted, n_frames)) / rate,
            track_duration_s=None if total is None else total / rate,
            sample_rate_hz=rate,
            channels=self._track.n_channels,
        )

    def _expected(self) -> int | None:
        """Frames that will come, as far as the track knows its length."""
        n_frames = self._track.n_frames
        ahead = None if n_frames is None else max(0, n_frames - self._start)
        return min((n for n in (self._wanted, ahead) if n is not None), default=None)

    def _resampled(self) -> Iterator[Samples]:
        """The mono sound at the rate that is wanted, margins included, as `_resample` makes it."""
        blocks = self._mono_blocks if self._first is None else chain((self._first,), self._mono_blocks)
        rate_hz, wanted_hz = self._rates_hz
        same = rate_hz == wanted_hz
        resampler = soxr.ResampleStream(2 * rate_hz if same else rate_hz, wanted_hz, 1, "float32", quality="HQ")
        for block in blocks:
            yield resampler.resample_chunk(between_zeros(block) if same else block)
        yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)

    def _mono(self) -> Iterator[Samples]:
        """Mono blocks at the file's rate; the mixer knows the first seconds before it mixes the first block."""
        waiting: list[Samples] = []
        ahead_s = 0.0
        for block in self._mended():
            self._mixer.learn(block)
            waiting.append(block)
            ahead_s += block.shape[1] / self._track.sample_rate_hz
            if ahead_s >= _LOOK_AHEAD_S:
                yield from map(self._mixer.mix, waiting)
                waiting = []
        yield from map(self._mixer.mix, waiting)

    def _mended(self) -> Iterator[Samples]:
        """Blocks (n_channels, n) without damage, from the leading margin to the end of the trailing one."""
        n_bad = n_samples = 0
        margin = round(MARGIN_S * self._track.sample_rate_hz)
        enough = None if self._wanted is None else self._lead + self._wanted + margin
        for block in _gathered(self._track.blocks(self._start - self._lead)):
            n_bad += mend(block, self._track)
            n_samples += block.size
            left = block.shape[1] if enough is None else enough - self._n_decoded
            self._n_decoded += block.shape[1]
            decoded = self._n_decoded - self._lead
            self._check_length(decoded if self._wanted is None else min(self._wanted, decoded))
            yield block[:, :left]
            if left <= block.shape[1] and enough is not None:
                break
        else:
            self._ended = True
        if n_samples:
            refuse_damage(n_bad, n_samples, self._track.notes)

    def _check_length(self, n_frames: int) -> None:
        if n_frames > self._most_frames:
            raise AudioTooLargeError(
                f"The track is longer than {self._limits.max_stream_s:g} s, the limit.",
                hint="Choose a shorter excerpt or cut the file.",
            )


def _gathered(blocks: Iterator[Samples]) -> Iterator[Samples]:
    """The same samples in copies of at least `BLOCK_FRAMES`: an mp3 comes in pieces of 26 ms, too many to work on."""
    waiting: list[Samples] = []
    n_frames = 0
    for block in blocks:
        waiting.append(block)
        n_frames += block.shape[1]
        if n_frames >= BLOCK_FRAMES:
            yield np.concatenate(waiting, axis=1, dtype=np.float32)
            waiting, n_frames = [], 0
    if waiting:
        yield np.concatenate(waiting, axis=1, dtype=np.float32)
