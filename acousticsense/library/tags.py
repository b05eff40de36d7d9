"""The genre in a file's own tags: read, write, verify. Nothing but the genre changes, and the sound not at all.

A file is never written to. Its copy in the same folder gets the tag, is read back, compared with the original (every
other tag, and a hash over the audio packets), and only then takes the original's place in one step. A file that is
linked to from several names (hard links), is read-only or has another owner is left alone; a symbolic link stays one.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import av
import mutagen
from mutagen.aiff import AIFF
from mutagen.flac import FLAC
from mutagen.id3 import ID3, TCON, ID3NoHeaderError
from mutagen.mp3 import MP3
from mutagen.mp4 import MP4
from mutagen.oggflac import OggFLAC
from mutagen.oggopus import OggOpus
from mutagen.oggvorbis import OggVorbis
from mutagen.wave import WAVE

from acousticsense.errors import TagError
from acousticsense.files import replace_file, sha256_of
from acousticsense.library.identity import FileStamp, stamp
from acousticsense.library.rows import printable
from acousticsense.library.storage import is_remote

__all__ = [
    "TagPlan",
    "audio_sha256",
    "like_original",
    "plan_line",
    "plan_tag",
    "read_genre",
    "write_tag",
]

_ID3_TYPES: Final = (MP3, WAVE, AIFF)
_COMMENT_TYPES: Final = (FLAC, OggFLAC, OggOpus, OggVorbis)
_MP4_GENRE: Final = "\xa9gen"
#: In lower case: ID3, MP4, Vorbis comments.
_GENRE_KEYS: Final = frozenset({"tcon", _MP4_GENRE, "genre"})
#: Written where there is no ID3 tag yet: the version that every player reads.
_ID3_VERSION: Final = 3

#: Called with the original and the finished copy, before the copy takes the original's place.
BeforeReplace = Callable[[Path, Path], None]


@dataclass(frozen=True, kw_only=True)
class TagPlan:
    """What is to happen to one file.

    Attributes:
        path: the file.
        action: "write"; "keep" when the genre is there, or another one that is not to be overwritten; "refuse" when the
            file must not or cannot be written.
        old: the genre that is in the file.
        new: the genre to write.
        reason: why it is not written.
    """

    path: str
    action: Literal["write", "keep", "refuse"]
    old: str
    new: str
    reason: str = ""


def plan_tag(path: str, genre: str, *, overwrite: bool = False) -> TagPlan:
    """What writing `genre` into the file would do; looks, and writes nothing.

    Args:
        path: an audio file.
        genre: the genre to write.
        overwrite: replace another genre that is there.
    """
    if is_remote(path):
        return TagPlan(path=path, action="refuse", old="", new=genre, reason="only local files get tags")
    try:
        real = Path(path).resolve(strict=True)
        _check_writable(real)
        old = read_genre(real)
    except (TagError, OSError) as error:
        return TagPlan(path=path, action="refuse", old="", new=genre, reason=str(error))
    if old == genre:
        return TagPlan(path=path, action="keep", old=old, new=genre, reason="has this genre already")
    if old and not overwrite:
        return TagPlan(path=path, action="keep", old=old, new=genre, reason="has a genre, which is not overwritten")
    return TagPlan(path=path, action="write", old=old, new=genre)


def read_genre(path: Path) -> str:
    """The genre in a file's tags, of whatever kind they are; empty when there is none.

    Raises:
        TagError: no kind of tag is known for this format, or the file is damaged.
    """
    file = _opened(path)
    found: list[str] = []
    if file.tags is not None and isinstance(file, _ID3_TYPES):
        found = [genre for frame in file.tags.getall("TCON") for genre in frame.genres]
    elif file.tags is not None:
        found = file.tags.get(_genre_key(file), [])
    return "; ".join(found).strip() or _container_genre(path)


def write_tag(plan: TagPlan, *, keep_mtime: bool = False, before_replace: BeforeReplace | None = None) -> None:
    """Carries a plan out: the file as a whole is the old one or the verified new one at any moment.

    Args:
        plan: with the action "write".
        keep_mtime: give the new file the old one's modification time.
        before_replace: called when all is verified; what it raises stops the write.

    Raises:
        TagError: the file was left as it was, and why.
    """
    real = Path(plan.path).resolve()
    try:
        before = _state(real)
        with tempfile.TemporaryDirectory(dir=real.parent, prefix=".acousticsense-") as folder:
            copy = Path(folder, real.name)
            shutil.copyfile(real, copy)
            _set_genre(copy, plan.new)
            _verify(real, copy, plan.new)
            like_original(real, copy, keep_mtime=keep_mtime)
            if before_replace is not None:
                before_replace(real, copy)
            if _state(real) != before:
                raise TagError("It was changed by another program meanwhile.", hint="Run again.")
            replace_file(copy, real)
    except (OSError, mutagen.MutagenError, av.FFmpegError) as error:
        raise TagError(f"Its tag cannot be written: {error}.", hint="The file is as it was.") from error


def _state(path: Path) -> tuple[FileStamp | None, str]:
    """What tells whether a file is as it was: its times to the nanosecond, and its content, since a clock may stand."""
    return stamp(str(path)), sha256_of(path)


def like_original(original: Path, copy: Path, *, keep_mtime: bool) -> None:
    """Gives a copy the permissions, owner, extended attributes and, if wanted, times of the original."""
    now = copy.stat()
    shutil.copystat(original, copy)
    wanted = original.stat()
    if (now.st_uid, now.st_gid) != (wanted.st_uid, wanted.st_gid):
        os.chown(copy, wanted.st_uid, wanted.st_gid)
    if not keep_mtime:
        os.utime(copy)


def audio_sha256(path: Path) -> str:
    """SHA-256 over the packets of all audio streams, as FFmpeg finds them: the sound without any tag.

    Raises:
        TagError: they cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file, av.open(file, "r") as container:
            for packet in container.demux(container.streams.audio):
                digest.update(bytes(packet))
    except (av.FFmpegError, OSError) as error:
        raise TagError(f"Its sound cannot be read ({error}).") from error
    return digest.hexdigest()


def _check_writable(path: Path) -> None:
    status = path.stat()
    if status.st_nlink > 1:
        raise TagError(f"{status.st_nlink} names share this file (hard links), which a new copy would part.")
    if not status.st_mode & 0o222 or not os.access(path, os.W_OK):
        raise TagError("It is read-only.")
    if not os.access(path.parent, os.W_OK):
        raise TagError("Its folder is read-only.")
    if hasattr(os, "geteuid") and os.geteuid() not in (0, status.st_uid):
        raise TagError("It belongs to another user, to whom a new copy would not.")


def _opened(path: Path) -> Any:
    """The file by mutagen, which looks at its content and name."""
    try:
        file = mutagen.File(path, options=[*_ID3_TYPES, *_COMMENT_TYPES, MP4])
    except (mutagen.MutagenError, OSError) as error:
        raise TagError(f"Its tags cannot be read ({error}).") from error
    if file is None:
        raise TagError("Tags are written into mp3, wav, aiff, flac, ogg, opus and mp4 files; this is another format.")
    return file


def _container_genre(path: Path) -> str:
    """A genre in tags that mutagen does not know, such as a wav file's INFO or an mp3's APE tag."""
    with suppress(av.FFmpegError, OSError), path.open("rb") as file, av.open(file, "r") as container:
        for metadata in (container.metadata, *(stream.metadata for stream in container.streams)):
            for key, value in metadata.items():
                if key.lower() == "genre" and value.strip():
                    return str(value.strip())
    return ""


def _set_genre(path: Path, genre: str) -> None:
    file = _opened(path)
    if isinstance(file, _ID3_TYPES):
        _set_id3_genre(path, file, genre)
        return
    if file.tags is None:
        file.add_tags()
    file.tags[_genre_key(file)] = [genre]
    file.save()


def _genre_key(file: Any) -> str:
    return _MP4_GENRE if isinstance(file, MP4) else "GENRE"


def _set_id3_genre(path: Path, file: Any, genre: str) -> None:
    """Keeps the tag's version and its other frames as they are; version 2.2, which nobody writes, becomes 2.3."""
    is_new = file.tags is None
    if is_new:
        file.add_tags()
    tags: Any = file.tags
    version = 4 if tags.version[:2] == (2, 4) and not is_new else _ID3_VERSION
    if isinstance(file, MP3) and tags.version[:2] == (2, version):
        with suppress(ID3NoHeaderError):
            tags = ID3(path, translate=False)
    elif version == _ID3_VERSION:
        tags.update_to_v23()
    tags.setall("TCON", [TCON(encoding=3, text=[genre])])
    tags.save(path, v2_version=version)


def _verify(original: Path, copy: Path, genre: str) -> None:
    """Raises TagError unless the copy is the original with the genre and nothing else changed."""
    if read_genre(copy) != genre:
        raise TagError("The genre did not read back as it was written.", hint="The file is as it was.")
    if _other_tags(original) != _other_tags(copy):
        raise TagError("Other tags would have changed.", hint="The file is as it was.")
    if audio_sha256(original) != audio_sha256(copy):
        raise TagError("The sound would have changed.", hint="The file is as it was.")


def _other_tags(path: Path) -> dict[str, str]:
    tags = _opened(path).tags
    items = tags.items() if tags is not None else ()
    return {str(key): repr(value) for key, value in items if str(key).lower() not in _GENRE_KEYS}


def plan_line(plan: TagPlan) -> str:
    """One line that says what is planned."""
    path = printable(plan.path)
    if plan.action == "write":
        return f"write  {path}: {plan.old or '(no genre)'} -> {plan.new}"
    return f"{plan.action:<6} {path}: {plan.old or '(no genre)'}; {plan.reason}"
