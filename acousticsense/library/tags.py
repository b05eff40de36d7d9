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
from typing import Final, Literal

import av
import mutagen

from acousticsense.audio.container import open_container
from acousticsense.audio.source import Slice
from acousticsense.errors import AudioDecodeError, TagError, printable
from acousticsense.files import replace_file, sha256_of
from acousticsense.library.identity import FileStamp, stamp
from acousticsense.library.storage import is_remote
from acousticsense.library.tagging.edits import apply_edits
from acousticsense.library.tagging.ends import ends
from acousticsense.library.tagging.kinds import genre_edits, genres_of

#: Where mutagen keeps genres: ID3, MP4, Vorbis comments and APE, ASF. In lower case.
_GENRE_KEYS: Final = frozenset({"tcon", "tco", "\xa9gen", "gnre", "genre", "wm/genre", "wm/genreid"})
_SEPARATOR: Final = "; "

#: Called with the original and the finished copy, before the copy takes the original's place.
BeforeReplace = Callable[[Path, Path], None]


@dataclass(frozen=True, kw_only=True)
class TagPlan:
    """What is to happen to one file.

    Attributes:
        action: "write"; "keep" when the genre is there, or another one that is not to be overwritten; "refuse" when the
            file must not or cannot be written.
        old: the genre that is in the file.
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
    """The genre in a file's tags, of whatever kind they are; several with semicolons between; empty when there is none.

    Raises:
        TagError: no kind of tag is known for this format, or the file is damaged.
    """
    try:
        with path.open("rb") as file:
            found = genres_of(file)
    except OSError as error:
        raise TagError(f"Its tags cannot be read ({error.strerror}).") from error
    return _SEPARATOR.join(found) or _genre_by_ffmpeg(path)


def write_tag(plan: TagPlan, *, keep_mtime: bool = False, before_replace: BeforeReplace | None = None) -> None:
    """Carries a plan out: the file as a whole is the old one or the verified new one at any moment.

    Args:
        plan: with the action "write".
        before_replace: called when all is verified; what it raises stops the write.

    Raises:
        TagError: the file was left as it was, and why.
    """
    real = Path(plan.path).resolve()
    try:
        before = _state(real)
        with tempfile.TemporaryDirectory(dir=real.parent, prefix=".acousticsense-") as folder:
            copy = Path(folder, real.name)
            _set_genre(real, copy, plan.new)
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
        # Without the tags behind the sound, which FFmpeg takes for sound in some formats.
        with path.open("rb") as file, open_container(Slice(file, 0, ends(file).end)) as container:
            for packet in container.demux(container.streams.audio):
                digest.update(bytes(packet))
    except (AudioDecodeError, av.FFmpegError, OSError) as error:
        raise TagError(f"Its sound cannot be read ({str(error).rstrip('.')}).") from error
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


def _genre_by_ffmpeg(path: Path) -> str:
    """What FFmpeg takes for the genre: it may know a place that we do not."""
    with (
        suppress(AudioDecodeError, OSError),
        path.open("rb") as file,
        open_container(Slice(file)) as container,
    ):
        for metadata in (container.metadata, *(stream.metadata for stream in container.streams)):
            for key, value in metadata.items():
                if key.lower() == "genre" and value.strip():
                    return str(value.strip())
    return ""


def _set_genre(original: Path, copy: Path, genre: str) -> None:
    """Writes `original` with this genre to `copy`."""
    with original.open("rb") as old, copy.open("wb") as new:
        apply_edits(old, genre_edits(old, genre), new)


def _verify(original: Path, copy: Path, genre: str) -> None:
    """Raises TagError unless the copy is the original with the genre and nothing else changed."""
    unchanged = "The file is as it was."
    if read_genre(copy) != genre:
        raise TagError("The genre did not read back as it was written.", hint=unchanged)
    if (left := _genre_by_ffmpeg(copy)) not in ("", genre):
        raise TagError(f"It would keep the genre {left!r} in a place that cannot be changed.", hint=unchanged)
    if _other_tags(original) != _other_tags(copy):
        raise TagError("Other tags would have changed.", hint=unchanged)
    if audio_sha256(original) != audio_sha256(copy):
        raise TagError("The sound would have changed.", hint=unchanged)


def _other_tags(path: Path) -> dict[str, str]:
    """All tags but the genre, as mutagen reads them; none where it does not know the format."""
    try:
        file = mutagen.File(path)
    except mutagen.MutagenError:
        return {}
    items = file.tags.items() if file is not None and file.tags is not None else ()
    return {str(key): repr(value) for key, value in items if str(key).lower().split(":")[-1] not in _GENRE_KEYS}


def plan_line(plan: TagPlan) -> str:
    """One line that says what is planned."""
    path = printable(plan.path)
    if plan.action == "write":
        return f"write  {path}: {plan.old or '(no genre)'} -> {plan.new}"
    return f"{plan.action:<6} {path}: {plan.old or '(no genre)'}; {plan.reason}"
