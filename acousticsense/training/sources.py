"""The recordings that we train, validate and test on: who made them, under which licence, where they are public.

No audio is shipped. `data/recordings.csv` names a file inside a public package (of Debian, npm or PyPI), or a file of a
public repository that the user keeps in a local folder; `data/splits.csv`, drawn by `split`, says what each package or
artist is used for.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final, Literal, cast

from acousticsense.models.genres import GENRES

__all__ = [
    "DEBIAN",
    "FREE_RECORDINGS",
    "NPM",
    "PYPI",
    "Kind",
    "Recording",
    "Split",
    "is_reserved",
    "read_data",
    "recordings",
    "split_name",
]

Split = Literal["train", "val", "test"]
Kind = Literal["real", "generated", "altered", "rendered", "not_music"]

#: Where packages are public. Those of the last two are named with the version: `name@1.0` and `name==1.0`.
DEBIAN: Final = "Debian"
NPM: Final = "npm"
PYPI: Final = "PyPI"

#: Stands where a package name would, for recordings that come from a local folder.
FREE_RECORDINGS: Final = "free-recordings"

#: Artists whose music is kept for judging, wherever it turns up.
RESERVED_ARTISTS: Final = ("kevin macleod", "brad sucks")

#: Labels that a neural network proposed: good enough to learn from, never to be measured against.
_BY_NETWORK: Final = "nn"


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One track that people or a network made: a recording, or notes (tracker modules, MIDI), played when fetched.

    Attributes:
        package: as its `source` names it, or FREE_RECORDINGS.
        path: the file inside the package (`archive.zip!member` for a file inside an archive there) or folder.
        title: as its author names it, empty when unknown.
        artist: empty when unknown.
        licence: as its package or repository states it, empty when the package's copyright file says it for all files.
        genre: one of GENRES; None when nobody said.
        confidence: how sure the label is.
        known_by: where the label comes from: "meta", "know", "title", "nn" (proposed by a network) or words.
        source: where the recording is public: DEBIAN, NPM, PYPI or an address.
        generator: the network that made it; empty when people did.
        split: what it is used for.
    """

    package: str
    path: str
    title: str
    artist: str
    licence: str
    genre: str | None
    confidence: Literal["", "low", "medium", "high"]
    known_by: str
    source: str
    generator: str = ""
    split: Split

    @property
    def key(self) -> str:
        """Identifies the recording across the work folder; usable as a file name."""
        return f"{self.package}--{self.path}".replace("/", "_").replace(" ", "_").replace("!", "_")

    @property
    def group(self) -> str:
        """What it shares with recordings that must not lie in another split: its artist, or else its package."""
        return self.artist or self.package

    @property
    def kind(self) -> Kind:
        """Whether people or a network made it."""
        return "generated" if self.generator else "real"

    @property
    def is_measurable(self) -> bool:
        """Whether it was made by people, and its label is sure enough, and of no network, to be measured against."""
        return (
            self.kind == "real"
            and self.genre is not None
            and self.confidence in ("medium", "high")
            and self.labelled_by_people
        )

    @property
    def labelled_by_people(self) -> bool:
        """Whether its label, if it has one, is not a network's guess."""
        return self.known_by != _BY_NETWORK


def read_data(name: str) -> str:
    """The text of a data file that ships with this package."""
    return (files("acousticsense.training") / "data" / name).read_text(encoding="utf-8")


def _rows(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(read_data(name).splitlines()))


@cache
def _reserved_packages() -> frozenset[str]:
    return frozenset(cast(list[str], json.loads(read_data("reserved.json"))))


def is_reserved(*, package: str, artist: str) -> bool:
    """Whether this music is kept for judging, and therefore never trained, tuned or validated on."""
    named = artist.casefold()
    return package in _reserved_packages() or any(reserved in named for reserved in RESERVED_ARTISTS)


@cache
def _splits() -> dict[str, Split]:
    return {row["name"]: cast(Split, row["split"]) for row in _rows("splits.csv")}


def split_name(*, package: str, artist: str) -> str:
    """What `splits.csv` knows a recording by: its package, or its artist if it is of none."""
    return artist if package == FREE_RECORDINGS else package


def _split_of(package: str, artist: str) -> Split:
    """What `splits.csv` does not name is for training."""
    return _splits().get(split_name(package=package, artist=artist), "train")


@cache
def recordings() -> tuple[Recording, ...]:
    """Every recording in the list, reserved music left out."""
    found = []
    for row in _rows("recordings.csv"):
        if is_reserved(package=row["package"], artist=row["artist"]):
            continue
        split = _split_of(row["package"], row["artist"])
        genre = row.pop("genre")
        found.append(Recording(**row, genre=genre if genre in GENRES else None, split=split))  # type: ignore[arg-type]  # columns are fields
    return tuple(found)
