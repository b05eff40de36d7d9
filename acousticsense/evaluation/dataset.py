"""Audio whose genre somebody stated: a CSV, or a folder per genre."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from acousticsense.errors import RequestError, SettingsError

__all__ = ["AUDIO_SUFFIXES", "LabelledClip", "check_output", "is_audio_name", "read_items"]

#: Suffixes that are looked for in folders.
AUDIO_SUFFIXES: Final = frozenset(
    f".{name}"
    for name in (
        *("3gp", "aac", "ac3", "aif", "aifc", "aiff", "amr", "ape", "au", "caf", "dff", "dsf", "flac", "m4a", "m4b"),
        *("mka", "mp2", "mp3", "mp4", "mpc", "oga", "ogg", "opus", "snd", "spx", "tta", "w64", "wav", "weba", "webm"),
        *("wma", "wv"),
    )
)


@dataclass(frozen=True)
class LabelledClip:
    """A file and its genre; `group` names what it shares with others (artist, album), empty when nobody said."""

    path: Path
    genre: str
    group: str = ""


def read_items(source: Path) -> list[LabelledClip]:
    """Labelled clips from a CSV with the columns `path` and `genre`, or from a folder with a folder per genre.

    Relative paths in a CSV are relative to the CSV; a column `group` may name artists or albums. In a folder per genre,
    a folder below the genre's is a group. The genre "not_music" stands for clips that are none.

    Raises:
        SettingsError: no such file, a column or a value is missing, or nothing is in it.
    """
    if source.is_dir():
        items = [
            LabelledClip(path, folder.name, _folder_below(path.relative_to(folder)))
            for folder in sorted(entry for entry in source.iterdir() if entry.is_dir())
            for path in sorted(folder.rglob("*"))
            if is_audio_name(path.relative_to(source))
        ]
    else:
        items = _read_csv(source)
    if not items:
        raise SettingsError(f"{source} names no clips.", hint="Give a CSV with path,genre or a folder per genre.")
    return items


def _folder_below(path: Path) -> str:
    return path.parts[0] if len(path.parts) > 1 else ""


def check_output(path: Path) -> None:
    """Refuses a place for a list or a image before work is spent on it.

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


def is_audio_name(path: Path) -> bool:
    """Whether a path below a folder looks like audio: by its suffix, and no part of it hidden."""
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
    return path.suffix.lower() in AUDIO_SUFFIXES and not hidden


def _read_csv(source: Path) -> list[LabelledClip]:
    try:
        with source.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{source} cannot be read: {error}.") from error
    if rows and not {"path", "genre"} <= set(rows[0]):
        raise SettingsError(f"{source} lacks a column.", hint=f"It has {', '.join(rows[0])}; needed are path, genre.")
    items = []
    for number, row in enumerate(rows, 2):
        path, genre = ((row[key] or "").strip() for key in ("path", "genre"))
        if not path or not genre:
            raise SettingsError(f"{source}, line {number}: path or genre is empty.")
        items.append(LabelledClip(source.parent / path, genre, (row.get("group") or "").strip()))
    return items
