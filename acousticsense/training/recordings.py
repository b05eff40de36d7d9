"""The recordings that we train, validate and test on: who made them, under which licence, where they are public.

No audio is shipped. `data/recordings.csv` names a file inside a public package (of Debian, npm or PyPI), or a clip of a
public repository or data set that the user keeps in a local folder; `data/splits.csv`, drawn by `split`, says what each
of them is used for.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final, Literal, cast

from acousticsense.models.genres import GENRES

Split = Literal["train", "val", "test"]

#: Where packages are public. Those of the last two are named with the version: `name@1.0` and `name==1.0`.
DEBIAN: Final = "Debian"
NPM: Final = "npm"
PYPI: Final = "PyPI"

#: Stand where a package name would, for recordings that come from a local folder.
FREE_RECORDINGS: Final = "free-recordings"
SONGS: Final = "songs"
FMA: Final = "fma"
JAMENDO: Final = "mtg-jamendo"

#: Stands there for sounds that are not music and are made here.
SOUNDS: Final = "sounds"

#: What labels of the data set GTZAN are known by.
GTZAN: Final = "GTZAN"

#: Artists whose music is kept for judging, wherever it turns up.
RESERVED_ARTISTS: Final = ("kevin macleod", "brad sucks")

#: Labels that a neural network proposed: never learned from and never measured against.
_BY_NETWORK: Final = "nn"


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One track that people or a network made: a recording, or notes (tracker modules, MIDI), played when fetched.

    Attributes:
        package: as its `source` names it, or the folder that it is kept in: FREE_RECORDINGS, SONGS.
        path: the file inside the package (`archive.zip!member` for a file inside an archive there) or folder.
        title: as its author names it, empty when unknown.
        artist: empty when unknown.
        licence: as its package or repository states it, empty when the package's copyright file says it for all files.
        genre: one of GENRES; None when nobody said.
        confidence: how sure the label is.
        known_by: where the label comes from: GTZAN, "meta", "know", "title", "nn" (proposed by a network) or words.
        source: where the recording is public: DEBIAN, NPM, PYPI or an address.
        generator: the network that made it; empty when people did.
        use: what its source allows: "" is everything, "train or val", or "train".
        split: what it is used for.
    """

    package: str
    path: str
    title: str = ""
    artist: str = ""
    licence: str = ""
    genre: str | None = None
    confidence: Literal["", "low", "medium", "high"] = ""
    known_by: str = ""
    source: str = ""
    generator: str = ""
    use: Literal["", "train or val", "train"] = ""
    split: Split = "train"

    @property
    def key(self) -> str:
        """Identifies the recording across the work folder; usable as a file name."""
        return f"{self.package}--{self.path}".replace("/", "_").replace(" ", "_").replace("!", "_")

    @property
    def is_labelled(self) -> bool:
        """Whether people said its genre."""
        return self.genre is not None and self.known_by != _BY_NETWORK

    @property
    def is_measurable(self) -> bool:
        """Whether people made it, and its label is sure enough to be measured against."""
        return self.is_labelled and not self.generator and self.confidence in ("medium", "high")


def read_data(name: str) -> str:
    """The text of a data file that ships with this package."""
    return (files("acousticsense.training") / "data" / name).read_text(encoding="utf-8")


@cache
def _reserved_packages() -> frozenset[str]:
    return frozenset(cast(list[str], json.loads(read_data("reserved.json"))))


def is_reserved(*, package: str, artist: str) -> bool:
    """Whether this music is kept for judging, and therefore never trained, tuned or validated on."""
    named = artist.casefold()
    return package in _reserved_packages() or any(reserved in named for reserved in RESERVED_ARTISTS)


@cache
def recordings() -> tuple[Recording, ...]:
    """Every recording in the list, reserved music left out; what `splits.csv` does not name is for training."""
    splits = {row["name"]: row["split"] for row in _rows("splits.csv")}
    return tuple(
        Recording(
            **{**row, "genre": row["genre"] if row["genre"] in GENRES else None},  # type: ignore[arg-type]  # columns are fields
            split=cast(Split, splits.get(f"{row['package']}/{row['path']}", "train")),
        )
        for row in _rows("recordings.csv")
        if not is_reserved(package=row["package"], artist=row["artist"])
    )


def _rows(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(read_data(name).splitlines()))
