"""How right the soft labels are: on measurable recordings, whose whole group was left out of the probe's fit.

Student weights are chosen by few validation recordings. What the labels themselves are worth can be asked of all
training and validation recordings, since a probe is fitted in seconds. Test music is not needed, and not heard.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from acousticsense.training.bank import NOT_MUSIC_INDEX, Item, windows_of
from acousticsense.training.probe import Probe, fit_probe, shared_with_track, soft_targets, usual_scores
from acousticsense.training.sources import Recording, split_name
from acousticsense.training.split import groups
from acousticsense.training.teachers.zero_shot import ClassLists, zero_shot_opinions

__all__ = ["held_out_table"]

#: Windows of a genre that count in full: 20 tracks of three. The rest make its mean surer, not heavier.
_MOST_COUNTED: Final = 60

_Answers = dict[str, NDArray[np.float32]]


def held_out_table(items: list[Item], known: tuple[Recording, ...], *, c: float, class_lists: ClassLists) -> str:
    """Top-1, Top-3, macro recall and nats of teachers, both regressions of the probe and soft labels, as Markdown.

    Args:
        items: of the training and validation splits.
        known: the recordings among them.
        c: inverse strength of the probe's penalty.
        class_lists: what the teachers' outputs are called.

    Raises:
        ValueError: none of the items is labelled by people.
    """
    answers: dict[str, list[NDArray[np.float32]]] = {}
    labels: list[NDArray[np.int64]] = []
    training = [item for item in items if item.track.split == "train"]
    whole = fit_probe(training, c=c)  # for validation groups, which it never heard
    for names in (group.names for group in groups(known) if group.counts):
        mine = {entry.key for entry in known if split_name(package=entry.package, artist=entry.artist) in names}
        heard = [item for item in items if item.track.key in mine and item.track.is_measurable]
        if not heard:
            continue
        others = [item for item in training if not mine & set(_parts(item))]
        probe = whole if len(others) == len(training) else fit_probe(others, c=c)
        for name, table in _judged(heard, others, probe, class_lists).items():
            answers.setdefault(name, []).append(table)
        labels.append(np.array([item.label for item in heard])[windows_of(heard).item])
    if not labels:
        raise ValueError("no recording of the training and validation splits is in the store and labelled by people")
    truth = np.concatenate(labels)
    lines = ["| | Top-1 | Top-3 | macro recall | nats |", "|---|---:|---:|---:|---:|"]
    lines += [_line(name, np.concatenate(tables), truth) for name, tables in answers.items()]
    return "\n".join(lines)


def _parts(item: Item) -> Iterator[str]:
    """Keys of the recordings in a track: an altered one is made of one or two."""
    yield item.track.key
    if item.track.kind == "altered":
        yield from item.track.origin.split(" over ")


def _judged(heard: list[Item], others: list[Item], probe: Probe, class_lists: ClassLists) -> _Answers:
    """Genre probabilities (W, 16) of every window, by who gives them; labels are not looked at.

    Each is averaged with that of the whole track, as soft labels are.
    """
    bare = [Item(replace(item.track, genre=None), item.arrays) for item in heard]
    windows = windows_of(bare)
    usual = usual_scores(others, windows_of(others))
    teachers = zero_shot_opinions(windows.scores, usual, class_lists)
    alone = {**teachers, "the first regression": probe.labelled.probabilities(windows.features)}
    if probe.rendered is not None:
        alone["the one of rendered music"] = probe.rendered.probabilities(windows.features)
    tables = {name: shared_with_track(table, windows) for name, table in alone.items()}
    tables["the soft labels"] = soft_targets(bare, windows, probe, usual=usual, class_lists=class_lists)
    return {name: table[:, :NOT_MUSIC_INDEX] for name, table in tables.items()}


def _line(name: str, table: NDArray[np.float32], truth: NDArray[np.int64]) -> str:
    ranks = ((-table).argsort(1) == truth[:, None]).argmax(1)
    counts = np.bincount(truth)
    weights = np.minimum(1.0, _MOST_COUNTED / counts[truth])
    right = [float((ranks[truth == genre] == 0).mean()) for genre in np.unique(truth)]
    believed = table[np.arange(len(truth)), truth] / table.sum(1)
    figures = (
        np.average(ranks == 0, weights=weights),
        np.average(ranks < 3, weights=weights),
        np.mean(right),
        np.average(-np.log(np.maximum(believed, 1e-9)), weights=weights),
    )
    return f"| {name} | " + " | ".join(f"{figure:.2f}" for figure in figures) + " |"
