"""Tracks read by libsndfile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
import soundfile

from acousticsense.audio.flac import repaired
from acousticsense.audio.notes import Notes
from acousticsense.audio.pcm import PcmLayout
from acousticsense.audio.source import Slice
from acousticsense.audio.track import BLOCK_FRAMES, Samples
from acousticsense.errors import AudioDecodeError

#: A track that ends this much earlier than its header says has lost something; FLAC's header knows every sample.
_MISSED_S: Final = 0.1


class SndfileTrack:
    """See `track.Track`."""

    def __init__(self, file: soundfile.SoundFile, content: Slice, *, gain: float = 1.0) -> None:
        self._file, self._content, self._gain = file, content, np.float32(gain)
        self.sample_rate_hz: int = file.samplerate
        self.n_channels: int = file.channels
        self.compressed: bool = file.format in {"OGG", "MPEG"}
        #: libsndfile gives the largest integer for "unknown", and other absurd ones for chained files.
        self.n_frames: int | None = file.frames if 0 <= file.frames < 2**50 else None
        self.notes = Notes()

    def blocks(self, start: int) -> Iterator[Samples]:
        """See `track.Track`."""
        n_given = start
        try:
            self._file.seek(start)
            while len(block := self._file.read(BLOCK_FRAMES, dtype="float32", always_2d=True)):
                n_given += len(block)
                yield block.T if self._gain == 1 else block.T * self._gain
        except soundfile.LibsndfileError as error:
            if self.n_frames is None or start < self.n_frames:
                raise AudioDecodeError(error.error_string) from error
        if self._content.failure is not None:
            raise self._content.failure
        missing = 0 if self.n_frames is None or start >= self.n_frames else self.n_frames - n_given
        if missing > (0 if self._file.format == "FLAC" else self.sample_rate_hz * _MISSED_S):
            self.notes.add("truncated", missing / self.sample_rate_hz)

    def count_frames(self) -> int:
        """See `track.Track`."""
        if self.n_frames is None:
            self.n_frames = sum(block.shape[1] for block in self.blocks(0))
        return self.n_frames


class _Quiet:
    """A slice for libsndfile, in whose callbacks no error may be raised; `Slice.failure` keeps it."""

    def __init__(self, content: Slice) -> None:
        self.seek, self.tell, self._content = content.seek, content.tell, content

    def read(self, size: int = -1) -> bytes:
        try:
            return self._content.read(size)
        except OSError:
            return b""

    def readinto(self, buffer: Any) -> int:
        content = self.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)


@contextmanager
def sndfile_track(file: Slice, layout: PcmLayout | None = None) -> Iterator[SndfileTrack]:
    """Opens a file with libsndfile; with a `layout` only its samples, without the header."""
    options: dict[str, Any] = {}
    if layout is not None:
        file = Slice(file, layout.start, layout.start + layout.size)
        options = {
            "samplerate": layout.sample_rate_hz,
            "channels": layout.n_channels,
            "subtype": layout.subtype,
            "endian": layout.endian,
            "format": "RAW",
        }
    try:
        opened = soundfile.SoundFile(_Quiet(file), **options)
    except soundfile.LibsndfileError as error:
        raise file.failure or AudioDecodeError(error.error_string) from error
    except (TypeError, OverflowError) as error:
        raise AudioDecodeError(f"The header gives values that cannot be read ({error}).") from error
    with opened:
        track = SndfileTrack(opened, file, gain=1.0 if layout is None else layout.gain)
        if layout is not None:
            track.notes.include(layout.notes)
        yield track


@contextmanager
def flac_track(file: Slice) -> Iterator[SndfileTrack]:
    """Opens a FLAC file with what its frames say in place of what its header does, where they differ."""
    notes = Notes()
    with sndfile_track(repaired(file, notes)) as track:
        track.notes.include(notes)
        yield track
