"""Audio whose genre somebody stated: a list, or a folder per genre."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from acousticsense.audio.names import AUDIO_SUFFIXES, is_audio_name
from acousticsense.errors import SettingsError
from acousticsense.evaluation.places import locate
from acousticsense.evaluation.table import TableRow, read_table
from acousticsense.files import sha256_of


@dataclass(frozen=True)
class LabelledClip:
    """A file and its genre.

    Attributes:
        genre: as stated.
        group: what it shares with others (artist, album); empty when nobody said.
        stated: where somebody said so, for messages.
    """

    path: Path
    genre: str
    group: str = ""
    stated: str = field(default="", compare=False)

    def label_among(self, labels: Sequence[str]) -> str:
        """The label that is meant, large and small letters being the same.

        Raises:
            SettingsError: none is.
        """
        known = {label.casefold(): label for label in reversed(labels)}
        label = self.genre if self.genre in labels else known.get(self.genre.casefold())
        if label is None:
            where = f"{self.stated}: " if self.stated else ""
            raise SettingsError(
                f"{where}{self.genre!r} is not a label of this model.", hint=f"It knows: {', '.join(labels)}."
            )
        return label


def read_items(source: Path) -> list[LabelledClip]:
    """Labelled clips from a list with the columns `path` and `genre`, or from a folder with a folder per genre.

    A list is what spreadsheets write, see `table`. Its paths are relative to it, see `places`; a column `group` may
    name artists or albums. In a folder per genre, a folder below the genre's is a group. The genre "not_music" stands
    for clips that are none.

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
        items = [_clip(source, row) for row in read_table(source, ("path", "genre"))]
    if not items:
        raise SettingsError(f"{source} names no clips.", hint="Give a list with path,genre or a folder per genre.")
    return items


@dataclass(frozen=True, kw_only=True)
class Distinct:
    """Clips of which no two are the same file.

    Attributes:
        clips: SHA-256 of a file -> its clip, in the order of the source.
        repeated: files that are left out because others are the same, with the reason.
        unreadable: files that cannot be read, with the reason.
    """

    clips: Mapping[str, LabelledClip]
    repeated: Mapping[str, str]
    unreadable: Mapping[str, str]


def distinct(items: Sequence[LabelledClip]) -> Distinct:
    """Each file once: copies in one genre count once, a file that lies in two is left out."""
    clips: dict[str, LabelledClip] = {}
    repeated: dict[str, str] = {}
    unreadable: dict[str, str] = {}
    contradicted: set[str] = set()
    for item in items:
        try:
            sha256 = sha256_of(item.path)
        except OSError as error:
            unreadable[str(item.path)] = f"cannot be read: {error.strerror}"
            continue
        first = clips.setdefault(sha256, item)
        if first is item:
            continue
        if first.genre == item.genre:
            if first.path != item.path:  # else the list only names it twice
                repeated[str(item.path)] = f"the same file as {first.path}"
        else:
            repeated[str(item.path)] = f"the same file is {first.genre} as {first.path}"
            contradicted.add(sha256)
    for sha256 in contradicted:
        repeated[str(clips.pop(sha256).path)] = "the same file is in another genre too"
    return Distinct(clips=clips, repeated=repeated, unreadable=unreadable)


def listed_paths(source: Path) -> list[str]:
    """The paths of a list with a column `path`, whatever else it has; raises like `read_items`."""
    return [_path(source, row, ("path",)) for row in read_table(source, ("path",))]


def _folder_below(path: Path) -> str:
    return path.parts[0] if len(path.parts) > 1 else ""


def _clip(source: Path, row: TableRow) -> LabelledClip:
    path = _path(source, row, ("path", "genre"))
    return LabelledClip(Path(path), row.values["genre"], row.values.get("group", ""), f"{source}, line {row.line}")


def _path(source: Path, row: TableRow, needed: Sequence[str]) -> str:
    """Raises SettingsError: a cell is empty, or one was probably cut at a delimiter in a name."""
    for name in needed:
        if not row.values[name]:
            raise SettingsError(f"{source}, line {row.line}: the {name} is empty.", hint="Fill the cell in.")
    path = locate(row.values["path"], os.fspath(source.parent))
    if row.more and not os.path.lexists(path) and any(map(_is_name, (*row.values.values(), *row.more)[1:])):
        n_columns = len(row.values)
        raise SettingsError(
            f"{source}, line {row.line} has {n_columns + len(row.more)} cells under {n_columns} columns, and there is "
            f"no file {row.values['path']!r}.",
            hint="Put quotation marks around a name that holds the delimiter.",
        )
    return path


def _is_name(cell: str) -> bool:
    return Path(cell).suffix.lower() in AUDIO_SUFFIXES
