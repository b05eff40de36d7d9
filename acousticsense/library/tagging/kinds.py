"""Which kind of file this is, by its content, and what that kind does with genres."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Final

from mutagen import MutagenError

from acousticsense.audio.container import open_container
from acousticsense.audio.source import Slice
from acousticsense.errors import AudioDecodeError, TagError
from acousticsense.library.tagging import asf, mp4, riff, vorbis
from acousticsense.library.tagging.edits import Edit, read_at
from acousticsense.library.tagging.ends import ape_edits, ends, id3_edits, plain_genres


@dataclass(frozen=True)
class _Kind:
    genres: Callable[[BinaryIO], list[str]]
    edits: Callable[[BinaryIO, str], list[Edit]]


_ID3_FILE: Final = _Kind(plain_genres, id3_edits)
_APE_FILE: Final = _Kind(plain_genres, ape_edits)
_CHUNKED: Final = _Kind(riff.genres, riff.edits)
_FLAC: Final = _Kind(vorbis.flac_genres, vorbis.flac_edits)
_OGG: Final = _Kind(vorbis.ogg_genres, vorbis.ogg_edits)
_MP4: Final = _Kind(mp4.genres, mp4.edits)
_ASF: Final = _Kind(asf.genres, asf.edits)
#: First bytes behind any ID3 tag.
_MAGIC: Final = {
    b"fLaC": _FLAC,
    b"OggS": _OGG,
    b"wvpk": _APE_FILE,
    b"MPCK": _APE_FILE,
    b"MP+": _APE_FILE,
    b"MAC ": _APE_FILE,
    b"tBaK": _APE_FILE,
    b"TTA1": _ID3_FILE,
    b"TTA2": _ID3_FILE,
}
#: Formats, as FFmpeg names them, that begin with no magic number.
_STREAMS: Final = ("mp3", "aac")
#: What reading bytes that lie about themselves ends in.
_DAMAGE: Final = (MutagenError, struct.error, ValueError, IndexError, OverflowError, EOFError)


def genres_of(file: BinaryIO) -> list[str]:
    """What a file's tags say, each genre once, in the order of the places that it may stand in.

    Large and small letters are the same, since ID3 version 1 has numbers for names; the first spelling counts.

    Raises:
        TagError: no kind of tag is known for this format, or the file is damaged.
    """
    try:
        found = [genre.strip() for genre in _kind(file).genres(file)]
    except _DAMAGE as error:
        raise TagError(f"Its tags cannot be read ({error}).") from error
    once: dict[str, str] = {}
    for genre in filter(None, found):
        once.setdefault(genre.casefold(), genre)
    return list(once.values())


def genre_edits(file: BinaryIO, genre: str) -> list[Edit]:
    """What to replace so that the tags say this genre and no other; raises like `genres_of`."""
    try:
        return _kind(file).edits(file, genre)
    except _DAMAGE as error:
        raise TagError(f"Its tags cannot be changed ({error}).") from error


def _kind(file: BinaryIO) -> _Kind:
    head = read_at(file, 0, 16)
    if riff.is_chunked(head):
        return _CHUNKED
    if head == asf.MAGIC:
        return _ASF
    if mp4.is_mp4(head):
        return _MP4
    start = read_at(file, ends(file).start, 4)
    for magic, kind in _MAGIC.items():
        if start.startswith(magic):
            return kind
    if _ffmpeg_name(file) in _STREAMS:
        return _ID3_FILE
    raise TagError(
        "Tags are written into mp3, aac, wav, aiff, flac, ogg, opus, mp4, wma, wv, mpc, ape and tta files; "
        "this is another format."
    )


def _ffmpeg_name(file: BinaryIO) -> str:
    try:
        with open_container(Slice(file)) as container:
            return str(container.format.name)
    except (AudioDecodeError, OSError):
        return ""
