"""Which music trains, which decides, which judges: `python -m acousticsense.training split` writes `data/splits.csv`.

Recordings that share an artist or a package form one group, and a group is never divided; songs whose artist nobody
knows are for training. The draw is seeded: the same list of recordings gives the same file.
"""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from acousticsense.training.recordings import FREE_RECORDINGS, SONGS, Recording, Split

#: What each split should get of a genre's measurable tracks, by what their sources allow.
SHARES: Final[Mapping[tuple[Split, ...], Mapping[Split, float]]] = {
    ("train", "val", "test"): {"train": 0.35, "val": 0.15, "test": 0.5},
    ("train", "val"): {"train": 0.8, "val": 0.2},
    ("train",): {"train": 1.0},
}

#: A genre can be measured with so many test clips of so many artists.
_TEST_CLIPS: Final = 5
_TEST_ARTISTS: Final = 3

#: A genre is learned from so many training clips, when no single artist is most of them.
_TRAIN_CLIPS: Final = 10
_TRAIN_ARTISTS: Final = 2.0

#: Cost of a genre that cannot be measured, is not learned, or decides nothing; shares count 1.
_NOT_MEASURED: Final = 2.0
_NOT_LEARNED: Final = 4.0
_NOT_DECIDING: Final = 1.0

_SEED: Final = 18
_RESTARTS: Final = 10

_BETWEEN_ARTISTS: Final = re.compile(r"\s*(?:&|;|,|/|\bfeat\.|\bfeaturing\b|\band\b|\bvs\b)\s*")


@dataclass(frozen=True)
class Group:
    """Recordings that must stay together.

    Attributes:
        recordings: all of them.
        allowed: splits that they may be used for.
    """

    recordings: tuple[Recording, ...]
    allowed: tuple[Split, ...]

    @cached_property
    def counts(self) -> Counter[str]:
        """Measurable tracks of each genre."""
        return Counter(found.genre for found in self.recordings if found.is_measurable and found.genre)


def groups(recordings: Iterable[Recording]) -> list[Group]:
    """Recordings joined by artists that they share, and by the package that they come in."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            name = parent[name]
        return name

    members = [(recording, _names(recording)) for recording in recordings]
    for _, names in members:
        for name in names[1:]:
            parent[root(name)] = root(names[0])
    joined = defaultdict(list)
    for recording, names in members:
        joined[root(names[0])].append(recording)
    return [Group(tuple(found), _allowed(found)) for _, found in sorted(joined.items())]


def _names(recording: Recording) -> list[str]:
    """What a recording is joined by: its artists, and its package unless that is a folder of many sources."""
    artists = [part for part in _BETWEEN_ARTISTS.split(recording.artist.casefold()) if part]
    of_many = recording.package in (SONGS, FREE_RECORDINGS)
    return [*artists, *([] if of_many else [recording.package])] or [f"{recording.package}/{recording.path}"]


def _allowed(recordings: Sequence[Recording]) -> tuple[Split, ...]:
    uses = {recording.use for recording in recordings}
    nobody_knows = any(recording.package == SONGS and not recording.artist for recording in recordings)
    if "train" in uses or nobody_knows:
        return ("train",)
    return ("train", "val") if "train or val" in uses else ("train", "val", "test")


def draw(found: Sequence[Group], *, seed: int = _SEED) -> list[Split]:
    """The split of each group: the best of several searches, each of which moves one group at a time."""
    free = [index for index, group in enumerate(found) if group.counts and len(group.allowed) > 1]
    best: tuple[float, list[Split]] = (float("inf"), [])
    for restart in range(_RESTARTS):
        source = random.Random(f"{seed}-{restart}")
        drawn: list[Split] = ["train"] * len(found)
        for index in free:
            drawn[index] = source.choice(found[index].allowed)
        best = min(best, _improved(drawn, found, free, source), key=lambda entry: entry[0])
    return best[1]


def _improved(
    drawn: list[Split], found: Sequence[Group], free: list[int], source: random.Random
) -> tuple[float, list[Split]]:
    """Moves groups as long as that lowers the cost."""
    least, improves = _cost(drawn, found), True
    while improves:
        improves = False
        for index in source.sample(free, len(free)):
            for split in found[index].allowed:
                before, drawn[index] = drawn[index], split
                if (cost := _cost(drawn, found)) < least - 1e-9:
                    least, improves = cost, True
                else:
                    drawn[index] = before
    return least, drawn


def _cost(drawn: Sequence[Split], found: Sequence[Group]) -> float:
    """How far every genre is from its shares, and which genres cannot be measured, learned or decided by."""
    tracks: dict[tuple[str, tuple[Split, ...]], Counter[Split]] = defaultdict(Counter)
    artists: dict[str, dict[Split, list[int]]] = defaultdict(lambda: defaultdict(list))
    for split, group in zip(drawn, found, strict=True):
        for genre, number in group.counts.items():
            tracks[genre, group.allowed][split] += number
            artists[genre][split].append(number)
    apart = sum(_from_shares(count, SHARES[allowed]) for (_, allowed), count in tracks.items())
    return apart + sum(_not_useful(of_genre) for of_genre in artists.values())


def _from_shares(tracks: Counter[Split], shares: Mapping[Split, float]) -> float:
    return sum(abs(tracks[split] / tracks.total() - share) for split, share in shares.items())


def _not_useful(artists: Mapping[Split, list[int]]) -> float:
    """Cost of what a genre's splits lack, given the tracks of each artist (or package) in them."""
    train, test = artists.get("train", []), artists.get("test", [])
    measured = min(1.0, sum(test) / _TEST_CLIPS) * min(1.0, len(test) / _TEST_ARTISTS)
    learned = min(1.0, sum(train) / _TRAIN_CLIPS) * min(1.0, _effective(train) / _TRAIN_ARTISTS)
    return _NOT_MEASURED * (1 - measured) + _NOT_LEARNED * (1 - learned) + _NOT_DECIDING * ("val" not in artists)


def _effective(tracks: Sequence[int]) -> float:
    """How many artists of equally many tracks would be as diverse (inverse Simpson index); 0 for none."""
    return sum(tracks) ** 2 / sum(number**2 for number in tracks) if tracks else 0.0


def splits_csv(recordings: Iterable[Recording]) -> str:
    """The text of `data/splits.csv`: recordings of the validation and test splits; all others are for training."""
    found = groups(recordings)
    rows = [
        f'"{recording.package}/{recording.path}",{split}'
        for group, split in zip(found, draw(found), strict=True)
        if split != "train"
        for recording in group.recordings
    ]
    return "\n".join(["name,split", *sorted(rows)]) + "\n"
