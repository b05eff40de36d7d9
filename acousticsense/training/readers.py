"""Collections that people have in local folders, in the layouts that they are published in: GTZAN, FMA, MTG-Jamendo.

`data/genre_names.csv` says which of our genres each of their names is; what it does not name stays unlabelled. All of
FMA and MTG-Jamendo is for training, but for artists that our own list validates or tests with, or keeps for judging.
"""

from __future__ import annotations

import ast
import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from acousticsense.training.recordings import FMA, GTZAN, JAMENDO, SONGS, Recording, is_reserved, read_data

#: Where a track may lie, its genre if its names agree on one, and fields of `Recording`.
_Track = tuple[list[Path], str | None, dict[str, Any]]

#: Rows above FMA's tracks: groups of columns, names of columns, and the name of the index.
_FMA_HEADERS: Final = 3

#: MTG-Jamendo's tags begin with their category.
_JAMENDO_PREFIX: Final = "genre---"


def in_full(recordings: Iterable[Recording], gtzan: Path) -> list[tuple[Recording, Path]]:
    """The excerpts of GTZAN in the list, each with its whole file in `gtzan`: `genres/blues/blues.00000.wav`.

    Files that the list does not name are of artists that are kept for judging, and are left alone.

    Raises:
        FileNotFoundError: none of them is there.
    """
    found = []
    for recording in recordings:
        if recording.package == SONGS and recording.known_by == GTZAN:
            name = Path(recording.path).stem.removeprefix("gtzan-")
            for folder in ("genres", "genres_original", "."):
                path = gtzan / folder / name.partition(".")[0] / f"{name}.wav"
                if path.exists():
                    found.append((recording, path))
                    break
    if not found:
        raise FileNotFoundError(f"{gtzan} holds no genres/blues/blues.00000.wav or the like: is it GTZAN?")
    return found


def read_fma(folder: Path, ours: Iterable[Recording]) -> list[tuple[Recording, Path]]:
    """What there is of FMA (M. Defferrard et al., arXiv 1612.01840): `fma_metadata/tracks.csv`, `fma_*/000/000002.mp3`.

    Raises:
        FileNotFoundError: `tracks.csv` or `genres.csv` is not there.
    """
    alike = Recording(
        package=FMA, path="", confidence="medium", known_by="FMA", source="github.com/mdeff/fma", use="train"
    )
    return _for_training(folder, _fma_tracks(folder), alike, ours)


def _fma_tracks(folder: Path) -> Iterator[_Track]:
    metadata, names = folder / "fma_metadata", _names(FMA)
    with (metadata / "genres.csv").open(encoding="utf-8", newline="") as file:
        titles = {int(row["genre_id"]): row["title"] for row in csv.DictReader(file)}
    with (metadata / "tracks.csv").open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        groups, columns, _ = (next(rows) for _ in range(_FMA_HEADERS))
        index = {(group, column): place for place, (group, column) in enumerate(zip(groups, columns, strict=True))}
        audio = sorted(path for path in folder.glob("fma_*") if path != metadata and path.is_dir())
        for row in rows:
            number = f"{int(row[0]):06d}"
            paths = [place / number[:3] / f"{number}.mp3" for place in audio]
            below = [titles.get(each, "") for each in ast.literal_eval(row[index["track", "genres"]] or "[]")]
            genre = _agreed(below, names) or names.get(row[index["track", "genre_top"]])
            fields = {
                "title": row[index["track", "title"]],
                "artist": row[index["artist", "name"]],
                "licence": row[index["track", "license"]],
            }
            yield paths, genre, fields


def read_jamendo(folder: Path, ours: Iterable[Recording]) -> list[tuple[Recording, Path]]:
    """What there is of MTG-Jamendo (D. Bogdanov et al., 2019): `autotagging_genre.tsv`, `14/214.mp3`.

    Raises:
        FileNotFoundError: there is no such table.
    """
    source = "github.com/MTG/mtg-jamendo-dataset"
    alike = Recording(package=JAMENDO, path="", confidence="medium", known_by="MTG-Jamendo", source=source, use="train")
    return _for_training(folder, _jamendo_tracks(folder), alike, ours)


def _jamendo_tracks(folder: Path) -> Iterator[_Track]:
    names = _names(JAMENDO)
    table = next((path for path in (folder, folder / "data") if (path / "autotagging_genre.tsv").exists()), folder)
    with (table / "autotagging_genre.tsv").open(encoding="utf-8") as file:
        next(file)
        for line in file:
            _, artist, _, inside, _, *tags = line.rstrip("\n").split("\t")
            paths = [folder / inside, (folder / inside).with_suffix(".low.mp3")]
            genre = _agreed([tag.removeprefix(_JAMENDO_PREFIX) for tag in tags], names)
            yield paths, genre, {"artist": artist, "licence": "CC, see its page"}


def _names(collection: str) -> dict[str, str]:
    rows = csv.DictReader(read_data("genre_names.csv").splitlines())
    return {row["name"]: row["genre"] for row in rows if row["collection"] == collection}


def _agreed(names: Iterable[str], known: Mapping[str, str]) -> str | None:
    """The genre that all names mean that mean any; None when they disagree or none does."""
    meant = {known[name] for name in names if name in known}
    return meant.pop() if len(meant) == 1 else None


def _for_training(
    folder: Path, tracks: Iterable[_Track], alike: Recording, ours: Iterable[Recording]
) -> list[tuple[Recording, Path]]:
    """Tracks that are there, but for artists that are kept for judging or of our own validation or test music.

    Args:
        folder: of the collection.
        tracks: all that its table names.
        alike: what all of them have in common; what labels are known by, and how surely, is theirs that have one.
        ours: our own list.
    """
    our_artists = {recording.artist.casefold() for recording in ours if recording.split != "train" and recording.artist}
    found = []
    for paths, genre, fields in tracks:
        path = next((path for path in paths if path.exists()), None)
        if path is not None:
            recording = replace(alike, path=str(path.relative_to(folder)), genre=genre, **fields)
            is_kept = is_reserved(package=recording.package, artist=recording.artist)
            if not is_kept and recording.artist.casefold() not in our_artists:
                found.append((recording if genre else replace(recording, confidence="", known_by=""), path))
    return found
