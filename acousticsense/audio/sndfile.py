"""Tracks read by libsndfile."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import soundfile

from acousticsense.audio.track import BLOCK_FRAMES, Samples
from acousticsense.errors import AudioDecodeError

__all__ = ["SndfileTrack", "sndfile_track"]


class SndfileTrack:
    """See `track.Track`."""

    def __init__(self, file: soundfile.SoundFile) -> None:
        self._file = file
        self.sample_rate_hz: int = file.samplerate
        self.n_channels: int = file.channels
        self.compressed: bool = file.format in {"OGG", "MPEG"}
        #: libsndfile gives the largest integer for "unknown".
        self.n_frames: int | None = file.frames if 0 <= file.frames < 2**62 else None

    def blocks(self, start: int) -> Iterator[Samples]:
        """See `track.Track`."""
        try:
            self._file.seek(start)
            while len(block := self._file.read(BLOCK_FRAMES, dtype="float32", always_2d=True)):
                yield block.T
        except soundfile.LibsndfileError as error:
            if self.n_frames is None or start < self.n_frames:
                raise AudioDecodeError(error.error_string) from error

    def count_frames(self) -> int:
        """See `track.Track`."""
        return sum(block.shape[1] for block in self.blocks(0))


@contextmanager
def sndfile_track(file: BinaryIO) -> Iterator[SndfileTrack]:
    """Opens by descriptor where there is one: libsndfile must not see the name, whose suffix it would believe."""
    try:
        opened = soundfile.SoundFile(file.fileno() if isinstance(file, io.FileIO) else file, closefd=False)
    except soundfile.LibsndfileError as error:
        raise AudioDecodeError(error.error_string) from error
    except TypeError as error:  # a file object called *.raw
        raise AudioDecodeError("Headerless audio is not read.") from error
    with opened:
        yield SndfileTrack(opened)
