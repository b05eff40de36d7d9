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
from typing import Final

from acousticsense.training.recordings import FMA, GTZAN, JAMENDO, SONGS, Recording, is_reserved, read_data

__all__ = ["in_full", "read_fma", "read_jamendo"]

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
        FileNotFoundError: there is no such table.
    """
    metadata = folder / "fma_metadata"
    names = _names(FMA)
    titles = _fma_genres(metadata / "genres.csv")
    with (metadata / "tracks.csv").open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        groups, columns, _ = (next(rows) for _ in range(_FMA_HEADERS))
        index = {(group, column): place for place, (group, column) in enumerate(zip(groups, columns, strict=True))}
        audio = sorted(path for path in folder.glob("fma_*") if path != metadata and path.is_dir())
        found = []
        for row in rows:
            number = f"{int(row[0]):06d}"
            inside = Path(number[:3]) / f"{number}.mp3"
            path = next((place / inside for place in audio if (place / inside).exists()), None)
            if path is not None:
                top = row[index["track", "genre_top"]]
                below = [titles.get(each, "") for each in ast.literal_eval(row[index["track", "genres"]] or "[]")]
                recording = Recording(
                    package=FMA,
                    path=str(path.relative_to(folder)),
                    title=row[index["track", "title"]],
                    artist=row[index["artist", "name"]],
                    licence=row[index["track", "license"]],
                    genre=_agreed(below, names) or names.get(top),
                    confidence="medium",
                    known_by="FMA",
                    source="github.com/mdeff/fma",
                    use="train",
                )
                found.append((recording, path))
    return list(_for_training(found, ours))


def _fma_genres(table: Path) -> dict[str | int, str]:
    """Genre number -> title; empty when there is no such table."""
    if not table.exists():
        return {}
    with table.open(encoding="utf-8", newline="") as file:
        return {int(row["genre_id"]): row["title"] for row in csv.DictReader(file)}


def read_jamendo(folder: Path, ours: Iterable[Recording]) -> list[tuple[Recording, Path]]:
    """What there is of MTG-Jamendo (D. Bogdanov et al., 2019): `autotagging_genre.tsv`, `14/214.mp3`.

    Raises:
        FileNotFoundError: there is no such table.
    """
    names, found = _names(JAMENDO), []
    table = next((path for path in (folder, folder / "data") if (path / "autotagging_genre.tsv").exists()), folder)
    with (table / "autotagging_genre.tsv").open(encoding="utf-8") as file:
        next(file)
        for line in file:
            _, artist, _, inside, _, *tags = line.rstrip("\n").split("\t")
            low = Path(inside).with_suffix(".low.mp3")
            path = next((folder / each for each in (inside, low) if (folder / each).exists()), None)
            if path is not None:
                recording = Recording(
                    package=JAMENDO,
                    path=str(path.relative_to(folder)),
                    artist=artist,
                    licence="CC, see its page",
                    genre=_agreed([tag.removeprefix(_JAMENDO_PREFIX) for tag in tags], names),
                    confidence="medium",
                    known_by="MTG-Jamendo",
                    source="github.com/MTG/mtg-jamendo-dataset",
                    use="train",
                )
                found.append((recording, path))
    return list(_for_training(found, ours))


def _names(collection: str) -> dict[str, str]:
    rows = csv.DictReader(read_data("genre_names.csv").splitlines())
    return {row["name"]: row["genre"] for row in rows if row["collection"] == collection}


def _agreed(names: Iterable[str], known: Mapping[str, str]) -> str | None:
    """The genre that all names mean that mean any; None when they disagree or none does."""
    meant = {known[name] for name in names if name in known}
    return meant.pop() if len(meant) == 1 else None


def _for_training(
    found: Iterable[tuple[Recording, Path]], ours: Iterable[Recording]
) -> Iterator[tuple[Recording, Path]]:
    """Those whose artist is neither kept for judging nor one of our validation or test music; unlabelled if unnamed."""
    our_artists = {recording.artist.casefold() for recording in ours if recording.split != "train" and recording.artist}
    for recording, path in found:
        is_kept = is_reserved(package=recording.package, artist=recording.artist)
        if not is_kept and recording.artist.casefold() not in our_artists:
            yield recording if recording.genre else replace(recording, confidence="", known_by=""), path
