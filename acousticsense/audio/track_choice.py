"""Which of a file's audio tracks is read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Final

import numpy as np
from av.stream import Disposition

from acousticsense.audio.container import open_container
from acousticsense.audio.ffmpeg import FFmpegTrack
from acousticsense.audio.source import Slice
from acousticsense.errors import AudioDecodeError

#: Seconds looked at to tell whether a track is silent, and the peak below which it is (-70 dBFS).
_PROBE_S: Final = 5
_SILENT_PEAK: Final = 10 ** (-70 / 20)

#: Tracks that are looked at: each opens the file three times, and a header can name thousands.
_MOST_PROBED: Final = 16


@contextmanager
def ffmpeg_track(file: Slice, *, kind: str | None = None) -> Iterator[FFmpegTrack]:
    """Opens a file with FFmpeg: its default track or its first, unless that is silent and another is not.

    A note says which, where there are several. Silence is what a track holds at its beginning and in its middle; of
    more than 16 tracks the others are not looked at.

    Args:
        file: what to read; it has no name that FFmpeg could recognise it by.
        kind: the one format that it is to be read as; None lets its content decide.

    Raises:
        AudioDecodeError: not a format that FFmpeg reads, or no sound in it.
    """
    with closing(open_container(Slice(file), kind)) as container:
        is_default = [bool(stream.disposition & Disposition.default) for stream in container.streams.audio]
    if not is_default:
        raise AudioDecodeError("There is no sound track in it.")
    places = sorted(range(len(is_default)), key=lambda place: not is_default[place])
    chosen = places[0]
    if len(places) > 1:
        chosen = next((place for place in places[:_MOST_PROBED] if _holds_sound(file, kind, place)), places[0])
    with closing(FFmpegTrack(file, kind, chosen)) as track:
        if len(places) > 1:
            track.notes.add("track_choice", chosen + 1)
        yield track


def _holds_sound(file: Slice, kind: str | None, place: int) -> bool:
    try:
        with closing(FFmpegTrack(file, kind, place)) as track:
            has_rate = track.sample_rate_hz > 0  # a header may name none
            return has_rate and any(_is_loud(track, start) for start in (0, (track.n_frames or 0) // 2))
    except AudioDecodeError:
        return False


def _is_loud(track: FFmpegTrack, start: int) -> bool:
    n_left = track.sample_rate_hz * _PROBE_S
    for block in track.blocks(start):
        if np.abs(block).max(initial=0.0) > _SILENT_PEAK:
            return True
        n_left -= block.shape[1]
        if n_left <= 0:
            return False
    return False
