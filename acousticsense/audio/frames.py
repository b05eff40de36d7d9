"""Frames that a decoder hands out, as samples of one rate and one number of channels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import av
import numpy as np
import soxr
from numpy.typing import NDArray

from acousticsense.audio.notes import Notes
from acousticsense.audio.track import Samples, fit_channels
from acousticsense.errors import AudioDecodeError

#: PyAV counts a frame's planes up to a null pointer, for which FFmpeg's lists have no room behind more than these.
_MOST_PLANES: Final = 7

#: A time stamp is wrong when it is this much later or earlier than the frame before ends, relative to that one's
#: length, and a tick more; a gap makes one of them wrong, a wrong sample rate all.
_WRONG_STEP: Final = 0.002
_FEWEST_WRONG_STEPS: Final = 3


class TimeSteps:
    """Compares how far time stamps move on with how long the frames between them last.

    Args:
        tick: unit of the time stamps, in samples.
    """

    def __init__(self, tick: float) -> None:
        self._tick = tick
        self._end: int | None = None
        self._n_last, self._n_steps, self._n_wrong = 1, 0, 0

    def take(self, start: int, n_samples: int) -> float | None:
        """How wrong the sample rate is, relative, if most steps say so.

        Args:
            start: sample at which a frame begins by its time stamp.
            n_samples: in the frame.
        """
        off = 0 if self._end is None else abs(start - self._end)
        self._n_steps += 1
        self._n_wrong += off > self._tick + _WRONG_STEP * self._n_last
        is_wrong = self._n_wrong >= _FEWEST_WRONG_STEPS and 2 * self._n_wrong > self._n_steps
        wrong_by = off / self._n_last if is_wrong else None
        self._end, self._n_last = start + n_samples, max(1, n_samples)
        return wrong_by


class Uniform:
    """Converts frames to the rate and the channels that a track began with; a note counts the changes."""

    def __init__(self, sample_rate_hz: int, n_channels: int, notes: Notes) -> None:
        self._rate_hz, self._n_channels, self._notes = sample_rate_hz, n_channels, notes
        self._last_format: tuple[int, int] | None = None
        self._resampler: Any = None
        self._packers: dict[tuple[str, int, int], Any] = {}

    def take(self, frame: Any) -> Iterator[Samples]:
        """Samples (n_channels, n) of a decoded frame."""
        if frame.format.is_planar and frame.layout.nb_channels > _MOST_PLANES:
            frame = self._packed(frame)
        samples = _to_float(frame)
        if (frame.sample_rate, len(samples)) != self._last_format:
            yield from self.rest()
            self._begin(frame.sample_rate, len(samples))
        samples = fit_channels(samples, self._n_channels)
        if self._resampler is not None:
            samples = self._resampler.resample_chunk(np.ascontiguousarray(samples.T, np.float32)).T
        yield samples

    def rest(self) -> Iterator[Samples]:
        """What the resampler still holds."""
        if self._resampler is not None:
            yield self._resampler.resample_chunk(np.zeros((0, self._n_channels), np.float32), last=True).T
            self._resampler = None

    def _packed(self, frame: Any) -> Any:
        """The frame with its channels in one plane."""
        kind = frame.format.name, frame.layout.nb_channels, frame.sample_rate
        if kind not in self._packers:
            self._packers[kind] = av.AudioResampler(frame.format.packed.name, frame.layout, frame.sample_rate)
        try:
            (packed,) = self._packers[kind].resample(frame)
        except (av.error.FFmpegError, ValueError) as error:
            raise AudioDecodeError(f"Its {frame.layout.nb_channels} channels cannot be told apart.") from error
        return packed

    def _begin(self, rate_hz: int, n_channels: int) -> None:
        if self._last_format is not None:
            self._notes.count("joined")
        self._last_format = (rate_hz, n_channels)
        if rate_hz != self._rate_hz:
            self._resampler = soxr.ResampleStream(rate_hz, self._rate_hz, self._n_channels, "float32", quality="HQ")


def _to_float(frame: Any) -> Samples:
    """Samples of a decoded frame (n_channels, n), full scale at 1; what is beyond a float32 becomes infinite."""
    try:
        samples: NDArray[Any] = frame.to_ndarray()
    except ValueError as error:
        raise AudioDecodeError(f"Samples of type {frame.format.name} are not read.") from error
    if not frame.format.is_planar:
        samples = samples.reshape(frame.samples, -1).T
    if samples.dtype == np.uint8:
        return (samples.astype(np.float32) - 128.0) / 128.0
    if samples.dtype.kind == "i":
        samples = samples * np.float32(2.0 ** (1 - 8 * samples.dtype.itemsize))
    with np.errstate(over="ignore"):  # as damage, `track.mend` says so
        return samples.astype(np.float32, copy=False)
