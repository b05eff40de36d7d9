"""An opened file, and the excerpt of it that was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from numbers import Real
from typing import Any, Final, NoReturn, Protocol

import numpy as np
from numpy.typing import NDArray

from acousticsense.audio.notes import Notes
from acousticsense.errors import AudioDecodeError, AudioEmptyError, RequestError, quoted

Samples = NDArray[np.float32]

#: Decoded on either side of the excerpt and cut off after resampling, so that the filter never sees an edge.
MARGIN_S: Final = Fraction(1, 10)
#: Frames per read from libsndfile: 0.7 s at 44.1 kHz.
BLOCK_FRAMES: Final = 1 << 15
#: Larger samples than this are damage; float files scaled like integers stay below it, and its square fits a float32.
_ABSURD_SAMPLE: Final = 1e6
#: A codec overshoots full scale by a few dB; what goes further is a damaged frame's burst.
_LOUDEST_COMPRESSED: Final = 2.0
#: Damaged samples are silenced up to this share; a file with more is not worth analysing.
_MAX_DAMAGED_SHARE: Final = 0.01


class Track(Protocol):
    """An opened file: what its header says, and its samples from a given frame on."""

    sample_rate_hz: int
    n_channels: int
    n_frames: int | None
    compressed: bool
    notes: Notes

    def blocks(self, start: int) -> Iterator[Samples]:
        """Blocks (n_channels, n) from frame `start` to the end; none when it lies beyond."""

    def count_frames(self) -> int:
        """Frames of the whole track, measured where the header may be wrong; `n_frames` says the same from then on."""


@dataclass(frozen=True, kw_only=True)
class Excerpt:
    """What was asked for, in seconds; `duration_s` None is to the end."""

    offset_s: float
    duration_s: float | None
    centred: bool


def check_number(name: str, value: object, hint: str, kind: type = Real) -> None:
    """Refuses what is no number, of the kind that is wanted: text from a form, or a truth value.

    Raises:
        RequestError: naming the argument, its value and what is allowed.
    """
    if isinstance(value, bool) or not isinstance(value, kind):
        raise RequestError(f"{name} is {quoted(value)}.", hint=hint)


def check_arguments(sample_rate_hz: int, duration_s: float | None, offset_s: float, anchor: str) -> None:
    """Raises RequestError when an argument is out of range."""
    if sample_rate_hz <= 0:
        raise RequestError(f"The sample rate asked for is {sample_rate_hz} Hz.", hint="It must be above 0.")
    if duration_s is not None:
        check_number("The duration asked for", duration_s, "Give a number of seconds, or None for the whole track.")
    check_number("The offset asked for", offset_s, "Give a number of seconds from the start.")
    if duration_s is not None and not 0 < duration_s < float("inf"):
        raise RequestError(f"The duration asked for is {duration_s} s.", hint="It must be above 0.")
    if not 0 <= offset_s < float("inf"):
        raise RequestError(f"The offset asked for is {offset_s} s.", hint="It must be 0 or more.")
    if anchor not in {"start", "center"}:
        raise RequestError(f"The anchor is {anchor!r}.", hint='It must be "start" or "center".')
    if anchor == "center" and offset_s:
        raise RequestError(
            f"An offset of {offset_s} s was given for the middle of the track.",
            hint='Leave the offset out, or use anchor "start".',
        )


def refuse_empty(track: Track, excerpt: Excerpt) -> NoReturn:
    """Raises AudioEmptyError: nothing was decoded."""
    if not excerpt.offset_s:
        raise AudioEmptyError("The file holds no sound (0 samples).", hint="Export or record it again.")
    length_s = track.count_frames() / track.sample_rate_hz
    raise AudioEmptyError(
        f"There is no sound at {excerpt.offset_s:g} s: the track is {length_s:.1f} s long.",
        hint="Choose an earlier offset.",
    )


def fit_channels(samples: NDArray[Any], n_channels: int) -> NDArray[Any]:
    """As many channels as the track began with; a change within it, as radio streams have, is mixed to mono."""
    if len(samples) == n_channels:
        return samples
    return np.broadcast_to(samples.mean(axis=0), (n_channels, samples.shape[1]))


def mend(channels: Samples, track: Track) -> int:
    """Limits a codec's bursts, silences NaN, infinite and absurd samples, both in place; how many were silenced."""
    if track.compressed:
        np.clip(channels, -_LOUDEST_COMPRESSED, _LOUDEST_COMPRESSED, out=channels)
    if max(channels.max(), -channels.min()) <= _ABSURD_SAMPLE:  # False when a NaN is among them
        return 0
    bad = ~(np.abs(channels) <= _ABSURD_SAMPLE)
    channels[bad] = 0.0
    return int(np.count_nonzero(bad))


def refuse_damage(n_bad: int, n_samples: int, notes: Notes) -> None:
    """Notes samples that had to be silenced; raises AudioDecodeError when they are more than a few."""
    share = n_bad / n_samples
    if n_bad:
        notes.add("bad_samples", 100 * share)
    if share > _MAX_DAMAGED_SHARE:
        raise AudioDecodeError(
            f"{share:.1%} of the samples are not numbers (NaN, infinite or beyond {_ABSURD_SAMPLE:g}).",
            hint="Export the file again.",
        )
