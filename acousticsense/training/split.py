"""Which music trains, which decides, which judges: `python -m acousticsense.training.split` writes `data/splits.csv`.

Recordings that share a package, a game or an artist form one group, and a group is never divided. Groups with
measurable tracks are shared out so that every genre comes close to SHARES; all others are for training, and so is a
group that holds most of a genre, which nothing else would teach. The search is seeded: the same list of recordings
gives the same file.
"""

from __future__ import annotations

import json
import random
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from acousticsense.models.genres import GENRES
from acousticsense.training.sources import FREE_RECORDINGS, Recording, Split, read_data, recordings, split_name

__all__ = ["SHARES", "Group", "draw", "groups", "splits_csv", "table"]

#: What each split should get of the measurable tracks of every genre.
SHARES: Final[dict[Split, float]] = {"train": 0.40, "val": 0.25, "test": 0.35}

#: Splits in the order in which a genre needs them: with two groups it is learned and judged, with one it is learned.
_NEEDED: Final[tuple[Split, ...]] = ("train", "test", "val")

_SEED: Final = 16
_RESTARTS: Final = 300

#: Weight of a genre that is missing where it is needed, and of test music that an earlier version was judged by.
_MISSING: Final = 4.0
_SEEN: Final = 1.0

#: A group with more than half of a genre's tracks is for training, if the genre has at least so many.
_FEWEST_TO_HOLD_MOST: Final = 5

#: More tracks than this do not make a genre more important.
_MOST_COUNTED: Final = 20

_BETWEEN_ARTISTS: Final = re.compile(r"\s*(?:&|;|,|/|\bfeat\.|\band\b)\s*")


@dataclass(frozen=True)
class Group:
    """Recordings that belong together.

    Attributes:
        names: their packages, and the artists of those without one, as `splits.csv` names them.
        counts: measurable tracks by genre.
        seen: whether an earlier version of the model was tested on some of it.
    """

    names: tuple[str, ...]
    counts: Counter[str]
    seen: bool

    def __hash__(self) -> int:
        return hash(self.names)


Draw = dict[Group, Split]


def groups(known: Iterable[Recording]) -> list[Group]:
    """The recordings in groups that share no package, no game and no artist, in the order of their names."""
    parts: list[tuple[set[str], list[Recording]]] = []
    for recording in known:
        marks, members = set(_marks(recording)), [recording]
        for part in [part for part in parts if part[0] & marks]:
            parts.remove(part)
            marks |= part[0]
            members += part[1]
        parts.append((marks, members))
    seen = frozenset(json.loads(read_data("seen.json")))
    return sorted((_group(members, seen) for _, members in parts), key=lambda group: group.names)


def _marks(recording: Recording) -> Iterator[str]:
    """What no two groups have in common. The packages of one game share the first word of their names."""
    if recording.package != FREE_RECORDINGS:
        yield f"game {recording.package.partition('-')[0]}"
    for artist in _BETWEEN_ARTISTS.split(recording.artist.casefold()):
        if artist:
            yield f"artist {artist}"


def _group(members: list[Recording], seen: frozenset[str]) -> Group:
    names = {split_name(package=member.package, artist=member.artist) for member in members}
    counts = Counter(recording.genre for recording in members if recording.genre and recording.is_measurable)
    return Group(tuple(sorted(names)), counts, bool(names & seen))


def draw(everything: list[Group], *, seed: int = _SEED, restarts: int = _RESTARTS) -> Draw:
    """A split for every group: the best of many random beginnings, each improved by moving one group at a time."""
    chance = random.Random(seed)
    measurable = [group for group in everything if group.counts]
    fixed = _teachers(measurable)
    best = min((_improved(_random(measurable, chance) | fixed, fixed, chance) for _ in range(restarts)), key=_cost)
    return dict.fromkeys(everything, _NEEDED[0]) | best


def _teachers(measurable: list[Group]) -> Draw:
    """The groups that hold most of a genre."""
    totals = sum((group.counts for group in measurable), Counter[str]())
    return {
        group: "train"
        for group in measurable
        if any(2 * group.counts[genre] > total >= _FEWEST_TO_HOLD_MOST for genre, total in totals.items())
    }


def _random(measurable: list[Group], chance: random.Random) -> Draw:
    return {group: chance.choice(_NEEDED) for group in measurable}


def _improved(drawn: Draw, fixed: Draw, chance: random.Random) -> Draw:
    """`drawn` after moving groups for as long as a single move lowers the cost."""
    cost, moved = _cost(drawn), True
    movable = [group for group in drawn if group not in fixed]
    while moved:
        moved = False
        for group in chance.sample(movable, len(movable)):
            for split in _NEEDED:
                trial = drawn | {group: split}
                trial_cost = _cost(trial)
                if trial_cost < cost - 1e-9:
                    drawn, cost, moved = trial, trial_cost, True
    return drawn


def _cost(drawn: Draw) -> float:
    """Squared distance from SHARES, genre by genre; what is missing or was seen before counts on top."""
    by_genre: defaultdict[str, list[tuple[Split, int, bool]]] = defaultdict(list)
    for group, split in drawn.items():
        for genre, count in group.counts.items():
            by_genre[genre].append((split, count, group.seen))
    return sum(_genre_cost(entries) for entries in by_genre.values())


def _genre_cost(entries: list[tuple[Split, int, bool]]) -> float:
    total = sum(count for _, count, _ in entries)
    got = dict.fromkeys(SHARES, 0)
    seen_in_test = 0
    for split, count, seen in entries:
        got[split] += count
        seen_in_test += count if seen and split == "test" else 0
    distance = sum((got[split] / total - share) ** 2 for split, share in SHARES.items())
    missing = sum(not got[split] for split in _NEEDED[: len(entries)])
    return float(min(total, _MOST_COUNTED) ** 0.5 * (distance + _SEEN * seen_in_test / total) + _MISSING * missing)


def splits_csv(drawn: Draw) -> str:
    """What `data/splits.csv` holds: the packages and artists that are not for training."""
    rows = sorted((split, name) for group, split in drawn.items() for name in group.names if split != "train")
    return "name,split\n" + "".join(f"{_quoted(name)},{split}\n" for split, name in rows)


def _quoted(name: str) -> str:
    return f'"{name}"' if "," in name else name


def table(drawn: Draw) -> str:
    """Measurable tracks (and groups) of every genre in every split, in Markdown."""
    lines = ["| genre | " + " | ".join(SHARES) + " |", "|---" * (len(SHARES) + 1) + "|"]
    for genre in (*GENRES, None):
        cells = [_cell(drawn, split, genre) for split in SHARES]
        lines.append(f"| {genre or 'all'} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(drawn: Draw, split: Split, genre: str | None) -> str:
    counts = [
        group.counts.total() if genre is None else group.counts[genre]
        for group, where in drawn.items()
        if where == split
    ]
    return f"{sum(counts)} ({sum(count > 0 for count in counts)})"


def main() -> None:
    """Writes `data/splits.csv` and prints the table."""
    drawn = draw(groups(recordings()))
    (Path(__file__).parent / "data" / "splits.csv").write_text(splits_csv(drawn), encoding="utf-8")
    lines = [table(drawn)]
    for split in ("test", "val"):
        seen = [name for group in drawn if drawn[group] == split and group.seen for name in group.names]
        lines.append(f"{split}, tested on before: {', '.join(seen) or 'none'}")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
