"""Group hold-out: every track is held out once, and no group lies on both sides of a split."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def assign_folds(
    genres: Sequence[str], groups: Sequence[str], *, most: int, seed: int
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """A fold for each track: each genre is spread as evenly as its groups allow.

    Where no group has tracks of two genres, each fold leaves some of every genre to learn from. Groups that genres
    share may bring all of a genre into one fold.

    Args:
        genres: (n,) of each track.
        groups: (n,) of each track; tracks of one group share a fold.
        most: number of folds; with fewer groups in the smallest genre, fewer are made, and at least 2.
        seed: of the order among groups of one size.

    Returns:
        (n,) fold numbers, and the genres that consist of a single group: their tracks had to be split one by one.
    """
    members: dict[str, set[str]] = defaultdict(set)
    for genre, group in zip(genres, groups, strict=True):
        members[genre].add(group)
    single = tuple(sorted(genre for genre, found in members.items() if len(found) == 1))
    keys = [
        f"{group}\0{number}" if genre in single else group
        for number, (genre, group) in enumerate(zip(genres, groups, strict=True))
    ]
    tracks_of: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for number, (genre, key) in enumerate(zip(genres, keys, strict=True)):
        tracks_of[genre][key].append(number)
    n_folds = max(2, min(most, *(len(found) for found in tracks_of.values())))
    return _spread(tracks_of, keys, n_folds, np.random.default_rng(seed)), single


def _spread(
    tracks_of: dict[str, dict[str, list[int]]], keys: Sequence[str], n_folds: int, source: np.random.Generator
) -> NDArray[np.int64]:
    """Genre by genre, the one with the fewest groups first: the largest group into the fold that has least of it."""
    fold_of: dict[str, int] = {}
    for genre in sorted(tracks_of, key=lambda genre: (len(tracks_of[genre]), genre)):
        loads = source.random(n_folds) * 1e-3
        found = tracks_of[genre]
        for key in found.keys() & fold_of.keys():
            loads[fold_of[key]] += len(found[key])
        waiting = sorted(found.keys() - fold_of.keys())
        for key in sorted(source.permutation(waiting).tolist(), key=lambda key: -len(found[key])):
            fold_of[key] = int(loads.argmin())
            loads[fold_of[key]] += len(found[key])
    return np.array([fold_of[key] for key in keys])
