"""Names of files: which ones are audio's, and where a list may be written."""

from __future__ import annotations

import os
from pathlib import Path, PurePath
from typing import Final

from acousticsense.errors import RequestError

#: Suffixes that are looked for in folders.
AUDIO_SUFFIXES: Final = frozenset(
    f".{name}"
    for name in (
        *("3gp", "aac", "ac3", "aif", "aifc", "aiff", "amr", "ape", "au", "caf", "dff", "dsf", "flac", "m4a", "m4b"),
        *("mka", "mp2", "mp3", "mp4", "mpc", "oga", "ogg", "opus", "snd", "spx", "tta", "w64", "wav", "weba", "webm"),
        *("wma", "wv"),
    )
)


def is_audio_name(path: PurePath) -> bool:
    """Whether a path below a folder or in an archive looks like audio: by its suffix, and no part of it hidden."""
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
    return path.suffix.lower() in AUDIO_SUFFIXES and not hidden


def check_output(path: Path) -> None:
    """Refuses a place for a list or an image before work is spent on it.

    What is named like audio is refused, too: where a shell expands `--csv *.mp3`, the first song is the place.

    Raises:
        RequestError: it is a folder or a file of music, its folder is not there, or it cannot be written.
    """
    if path.suffix.lower() in AUDIO_SUFFIXES:
        raise RequestError(f"'{path}' is named like audio; no list is written there.", hint="Choose another name.")
    if path.is_dir():
        raise RequestError(f"'{path}' is a folder.", hint="Name a file.")
    if not os.access(path if path.exists() else path.absolute().parent, os.W_OK):
        raise RequestError(f"'{path}' cannot be written.", hint="Make its folder, or check its permissions.")
