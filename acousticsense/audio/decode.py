"""Which library decodes a file.

Content decides, never the name. FLAC and Ogg Vorbis go to libsndfile, everything else to FFmpeg, and each is asked when
the other declines. Why FFmpeg has the larger share:

- libsndfile ends a VBR mp3 without a Xing header at an estimate (171 s of a 240 s file when measured);
- it needs three times as long for Opus;
- its IMA-ADPCM reader overflows (CVE-2026-37555), so nothing that can hold ADPCM (wav, w64, aiff) is handed to it.

Nothing that a header claims is believed: limits hold for the samples that really come out, while they come out.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar

from acousticsense.audio.ffmpeg import WAV_LIKE, ffmpeg_track
from acousticsense.audio.limits import FORMATS_HINT, AudioLimits, channels_fault, rate_fault
from acousticsense.audio.sndfile import sndfile_track
from acousticsense.audio.source import Source, opened, unreadable
from acousticsense.audio.track import Track
from acousticsense.errors import AudioDecodeError, AudioError

__all__ = ["decoded", "read_artist"]

_T = TypeVar("_T")

#: What libsndfile must not see: formats that can hold IMA ADPCM, and tags in front of which it looks for such formats.
_NOT_FOR_SNDFILE: Final = (*WAV_LIKE, b"FORM", b"ID3")


@contextmanager
def decoded(source: Source, limits: AudioLimits, begin: Callable[[Track], _T]) -> Iterator[_T]:
    """What `begin` makes of the track of the first decoder that it can work with; the track stays open meanwhile."""
    with opened(source, limits) as file, ExitStack() as kept_open:
        failures = _wav_faults(file.read(64), limits)
        for name, open_track in _decoders(file):
            try:
                file.seek(0)
                with ExitStack() as attempt:
                    begun = begin(attempt.enter_context(open_track(file)))
                    kept_open.push(attempt.pop_all())
                break
            except AudioDecodeError as error:
                if error.message not in failures:
                    failures.append(error.message if error.hint else f"{name}: {error.message}")
            except OSError as error:
                raise unreadable(error) from error
        else:
            raise AudioDecodeError(f"This cannot be decoded as audio. {' '.join(failures)}", hint=FORMATS_HINT)
        yield begun


_Opener = Callable[[BinaryIO], Any]


def _decoders(file: BinaryIO) -> tuple[tuple[str, _Opener], ...]:
    """Who reads this file, in order, by its first bytes."""
    file.seek(0)
    head = file.read(64)
    ffmpeg, sndfile = ("FFmpeg", ffmpeg_track), ("libsndfile", sndfile_track)
    is_mpeg = head[:1] == b"\xff" and head[1:2] >= b"\xe0"
    if is_mpeg or head.startswith(_NOT_FOR_SNDFILE):
        return (ffmpeg,)
    if head.startswith(b"fLaC") or (head.startswith(b"OggS") and b"vorbis" in head):
        return sndfile, ffmpeg
    return ffmpeg, sndfile


def _wav_faults(head: bytes, limits: AudioLimits) -> list[str]:
    """What a wav header claims that no decoder will accept, in words; decoders only say "invalid data"."""
    if not (head.startswith(WAV_LIKE) and head[12:16] == b"fmt " and len(head) >= 28):
        return []
    n_channels, rate_hz = struct.unpack_from("<HI", head, 22)
    return [message for message in (rate_fault(rate_hz, limits), channels_fault(n_channels, limits)) if message]


def read_artist(path: Path) -> str:
    """Who plays, by the file's tags; empty when they do not say, or when the file cannot be read."""
    try:
        with opened(path, AudioLimits()) as file, ffmpeg_track(file) as track:
            return next(
                (track.tags[key] for key in ("album_artist", "albumartist", "artist") if track.tags.get(key)), ""
            )
    except AudioError:
        return ""
