"""Several recordings in one file, read as one track."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import soxr

from acousticsense.audio.notes import Notes
from acousticsense.audio.source import Slice
from acousticsense.audio.track import Samples, Track, fit_channels
from acousticsense.errors import AudioDecodeError

OpenTrack = Callable[[Slice], AbstractContextManager[Track]]


@dataclass(frozen=True)
class _Link:
    content: Slice
    sample_rate_hz: int
    n_frames: int


class JoinedTrack:
    """See `track.Track`; rate and channels are those of the first recording, to which the others are converted."""

    def __init__(self, contents: Sequence[Slice], open_track: OpenTrack) -> None:
        self._open = open_track
        self.notes = Notes()
        self.compressed = False
        self.sample_rate_hz = self.n_channels = 0
        self._links: list[_Link] = []
        formats = []
        for content in contents:
            try:
                with open_track(content) as track:
                    if not (track.sample_rate_hz and track.n_channels):  # its header names none
                        self.notes.count("damaged")
                        continue
                    self._add(content, track)
                    formats.append((track.sample_rate_hz, track.n_channels))
            except AudioDecodeError:
                self.notes.count("damaged")
        if not self._links:
            raise AudioDecodeError("None of the recordings in it can be decoded.")
        self.notes.add("chained", len(self._links))
        if len(set(formats)) > 1:
            self.notes.add("joined", sum(a != b for a, b in pairwise(formats)))
        self.n_frames: int | None = sum(self._frames_here(link) for link in self._links)

    def blocks(self, start: int) -> Iterator[Samples]:
        """See `track.Track`."""
        for link in self._links:
            n_frames = self._frames_here(link)
            if start < n_frames:
                yield from self._link_blocks(link, round(start * link.sample_rate_hz / self.sample_rate_hz))
            start = max(0, start - n_frames)

    def count_frames(self) -> int:
        """See `track.Track`."""
        return self.n_frames or 0

    def _add(self, content: Slice, track: Track) -> None:
        n_frames = track.count_frames() if track.n_frames is None else track.n_frames
        if not self._links:
            self.sample_rate_hz, self.n_channels = track.sample_rate_hz, track.n_channels
        self.compressed = self.compressed or track.compressed
        self._links.append(_Link(content, track.sample_rate_hz, n_frames))
        self.notes.include(track.notes)

    def _frames_here(self, link: _Link) -> int:
        return round(link.n_frames * self.sample_rate_hz / link.sample_rate_hz)

    def _link_blocks(self, link: _Link, start: int) -> Iterator[Samples]:
        rates_hz = (link.sample_rate_hz, self.sample_rate_hz)
        with self._open(link.content) as track:
            if rates_hz[0] == rates_hz[1]:
                for block in track.blocks(start):
                    yield fit_channels(block, self.n_channels)
                return
            stream = soxr.ResampleStream(*rates_hz, self.n_channels, "float32", quality="HQ")
            for block in track.blocks(start):
                samples = fit_channels(block, self.n_channels)
                yield stream.resample_chunk(np.ascontiguousarray(samples.T, np.float32)).T
            yield stream.resample_chunk(np.zeros((0, self.n_channels), np.float32), last=True).T
