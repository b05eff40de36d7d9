"""Which library decodes a file, and what makes one distrust the other.

Content decides, never the name, which no library sees.

| content | read by |
|---|---|
| an ID3 tag, and behind it no mp3 | as what stands behind the tag (`mp3`) |
| plain PCM in wav, RIFX, RF64, Wave64, AIFF, CAF | `pcm` reads the header against the content, libsndfile the samples |
| the same, when the samples are DTS or AC-3 in disguise | FFmpeg, from where they begin |
| FLAC | `flac` mends the header by what the frames say, libsndfile reads it |
| Ogg Vorbis | libsndfile; `ogg` counts damaged pages |
| mp3 whose ID3 tag claims a part of the sound | `mp3` finds the first frame, FFmpeg reads from there |
| Ogg or FLAC files joined end to end | each recording as above, one after the other |
| everything else | FFmpeg |

Each is asked when the other declines, except where libsndfile must not look: its IMA ADPCM reader overflows
(CVE-2026-37555), so no wav, w64 or aiff header reaches it. FFmpeg has the rest because libsndfile ends a VBR mp3
without a Xing header at an estimate (171 s of a 240 s file when measured) and needs three times as long for Opus.

Nothing that a header claims is believed: limits hold for the samples that really come out, while they come out, and
whatever was skipped, assumed or cut is a note of the track.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

import numpy as np

from acousticsense.audio.bitstream import Bitstream, find_bitstream
from acousticsense.audio.container import WAV_LIKE
from acousticsense.audio.ffmpeg import FFmpegTrack
from acousticsense.audio.joined import JoinedTrack
from acousticsense.audio.limits import FORMATS_HINT, AudioLimits, channels_fault, rate_fault
from acousticsense.audio.mp3 import behind_tags, hidden_start
from acousticsense.audio.ogg import find_links
from acousticsense.audio.pcm import PcmLayout, find_pcm
from acousticsense.audio.sndfile import SndfileTrack, flac_track, sndfile_track
from acousticsense.audio.source import Slice, Source, opened, unreadable
from acousticsense.audio.track import Track
from acousticsense.audio.track_choice import ffmpeg_track
from acousticsense.errors import AudioDecodeError, AudioError

_T = TypeVar("_T")
_Opener = Callable[[Slice], AbstractContextManager[Track]]

#: What libsndfile must not see: formats that can hold IMA ADPCM, and tags in front of which it looks for such formats.
_NOT_FOR_SNDFILE: Final = (*WAV_LIKE, b"FORM", b"ID3")
#: Boxes of an mp4 file that are looked at for its index.
_MOST_BOXES: Final = 10_000
#: Blocks of a FLAC file that are looked at for a coded stream.
_BLOCKS_PROBED: Final = 4


class _CodedStreamError(AudioDecodeError):
    """The samples are no sound, whoever decodes them."""


@contextmanager
def decoded(source: Source, limits: AudioLimits, begin: Callable[[Track], _T]) -> Iterator[_T]:
    """What `begin` makes of the track of the first decoder that it can work with; the track stays open meanwhile."""
    with opened(source, limits) as whole, ExitStack() as kept_open:
        try:
            begun = _begun(Slice(whole), limits, begin, kept_open)
        except OSError as error:
            raise unreadable(error) from error
        yield begun


def _begun(whole: Slice, limits: AudioLimits, begin: Callable[[Track], _T], kept_open: ExitStack) -> _T:
    """See `decoded`; what has to be closed later goes into `kept_open`."""
    file = behind_tags(whole)
    failures = _faults(file, limits)
    for name, open_track in _decoders(file):
        try:
            file.seek(0)
            with ExitStack() as attempt:
                begun = begin(attempt.enter_context(open_track(file)))
                kept_open.push(attempt.pop_all())
            return begun
        except _CodedStreamError:
            raise
        except AudioDecodeError as error:
            if error.message not in failures:
                failures.append(error.message if error.hint else f"{name}: {error.message}")
    raise AudioDecodeError(f"This cannot be decoded as audio. {' '.join(failures)}", hint=FORMATS_HINT)


def _decoders(file: Slice) -> tuple[tuple[str, _Opener], ...]:
    """Who reads this file, in order, by its content."""
    links, n_bad = find_links(file)
    if len(links) > 1:
        decoders: tuple[tuple[str, _Opener], ...] = (("Its recordings", partial(_joined_track, links)),)
    else:
        decoders = _decoders_of_one(file)
    return tuple((name, partial(_noted, open_track, n_bad)) for name, open_track in decoders) if n_bad else decoders


@contextmanager
def _noted(open_track: _Opener, n_bad: int, file: Slice) -> Iterator[Track]:
    """A track with a note on pages that its decoder leaves out."""
    with open_track(file) as track:
        track.notes.add("damaged", n_bad)
        yield track


def _decoders_of_one(file: Slice) -> tuple[tuple[str, _Opener], ...]:
    file.seek(0)
    head = file.read(64)
    layout = find_pcm(file)
    if layout is not None:
        return _decoders_of_pcm(layout, file)
    if head.startswith(b"fLaC"):
        return ("libsndfile", _checked_flac_track), ("FFmpeg", ffmpeg_track)
    if head.startswith(b"OggS") and b"vorbis" in head:
        return ("libsndfile", sndfile_track), ("FFmpeg", ffmpeg_track)
    begin = hidden_start(file)
    if begin is not None:
        return (("FFmpeg", partial(_hidden_mp3_track, begin)),)
    is_mpeg = head[:1] == b"\xff" and head[1:2] >= b"\xe0"
    if is_mpeg or head.startswith(_NOT_FOR_SNDFILE):
        return (("FFmpeg", ffmpeg_track),)
    return ("FFmpeg", ffmpeg_track), ("libsndfile", sndfile_track)


def _decoders_of_pcm(layout: PcmLayout, file: Slice) -> tuple[tuple[str, _Opener], ...]:
    samples = Slice(file, layout.start, layout.start + layout.size)
    hidden = find_bitstream(samples) if layout.subtype == "PCM_16" else None
    if hidden is not None:
        return ((hidden.name, partial(_hidden_track, hidden, layout)),)
    if layout.more:
        return (("libsndfile", partial(_parted_track, layout)),)
    return ("libsndfile", partial(sndfile_track, layout=layout)), ("FFmpeg", ffmpeg_track)


@contextmanager
def _parted_track(layout: PcmLayout, file: Slice) -> Iterator[JoinedTrack]:
    """A wav file with several chunks of samples."""
    parts = [Slice(file, start, start + size) for start, size in ((layout.start, layout.size), *layout.more) if size]
    yield JoinedTrack(parts, lambda part: sndfile_track(part, replace(layout, start=0, size=part.seek(0, os.SEEK_END))))


@contextmanager
def _joined_track(links: list[tuple[int, int]], file: Slice) -> Iterator[JoinedTrack]:
    yield JoinedTrack([Slice(file, start, end) for start, end in links], _first_that_opens)


@contextmanager
def _first_that_opens(file: Slice) -> Iterator[Track]:
    failure: AudioDecodeError | None = None
    with ExitStack() as kept_open:
        for _, open_track in _decoders_of_one(file):
            file.seek(0)
            try:
                track = kept_open.enter_context(open_track(file))
                break
            except AudioDecodeError as error:
                failure = error
        else:
            raise failure or AudioDecodeError("No decoder reads it.")
        yield track


@contextmanager
def _hidden_mp3_track(begin: int, file: Slice) -> Iterator[FFmpegTrack]:
    """An mp3 whose tag claims a part of the sound."""
    with ffmpeg_track(Slice(file, begin), kind="mp3") as track:
        track.notes.add("header_repaired", 1)
        yield track


@contextmanager
def _hidden_track(hidden: Bitstream, layout: PcmLayout, file: Slice) -> Iterator[FFmpegTrack]:
    """The sound that is coded in what looks like PCM samples."""
    begin = layout.start + hidden.start
    with ffmpeg_track(Slice(file, begin, layout.start + layout.size), kind=hidden.kind) as track:
        if not track.sample_rate_hz:
            raise AudioDecodeError(
                f"The samples are a coded stream ({hidden.name}), and not one that can be decoded.",
                hint="Export the recording again as PCM.",
            )
        track.notes.add("coded_in_pcm", hidden.start / (2 * layout.n_channels * layout.sample_rate_hz))
        yield track


@contextmanager
def _checked_flac_track(file: Slice) -> Iterator[SndfileTrack]:
    """FLAC by libsndfile, unless its samples are something else in disguise, which is refused by name."""
    with flac_track(file) as track:
        blocks = [np.rint(block.T * 32_768).astype("<i2") for block in islice(track.blocks(0), _BLOCKS_PROBED)]
        hidden = find_bitstream(Slice(io.BytesIO(b"".join(block.tobytes() for block in blocks))))
        if hidden is not None:
            raise _CodedStreamError(
                f"The samples of this file are a coded stream ({hidden.name}), not sound.",
                hint="Decode it first, for instance with ffmpeg after unpacking it to wav.",
            )
        yield track


def read_artist(path: Path) -> str:
    """Who plays, by the file's tags; empty when they do not say, or when the file cannot be read."""
    try:
        with opened(path, AudioLimits()) as file, ffmpeg_track(Slice(file)) as track:
            tags = track.tags
            return next((tags[key] for key in ("album_artist", "albumartist", "artist") if tags.get(key)), "")
    except (AudioError, OSError):
        return ""


def _faults(file: Slice, limits: AudioLimits) -> list[str]:
    """What no decoder will accept in a wav or mp4 file, in words; decoders only say "invalid data"."""
    file.seek(0)
    head = file.read(64)
    if head[4:8] == b"ftyp":
        return [message for message in (_index_fault(file),) if message]
    if not (head.startswith(WAV_LIKE) and head[12:16] == b"fmt " and len(head) >= 28):
        return []
    n_channels, rate_hz = struct.unpack_from(">HI" if head.startswith(b"RIFX") else "<HI", head, 22)
    return [message for message in (rate_fault(rate_hz, limits), channels_fault(n_channels, limits)) if message]


def _index_fault(file: Slice) -> str:
    """What is wrong when an mp4 file has no box `moov` as far as the sizes of its boxes lead; else empty."""
    position = 0
    for _ in range(_MOST_BOXES):
        file.seek(position)
        header = file.read(16)
        if header[4:8] == b"moov":
            return ""
        size = int.from_bytes(header[:4], "big")
        size = int.from_bytes(header[8:], "big") if size == 1 else size
        if size < 8:  # 0 is to the end of the file, which is also where less than a header stands
            return "Its index (the box 'moov') is missing, as when a recording or a download broke off."
        position += size
    return ""
