"""Chord symbols, scales and melodies: just enough music theory to accompany."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import Final

from acousticsense.training.render.parts import Note

__all__ = ["Chord", "melody", "parse_chord", "scale_for"]

_ROOTS: Final = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}

#: Semitones above the root, by the rest of the symbol.
_QUALITIES: Final = {
    "": (0, 4, 7),
    "m": (0, 3, 7),
    "5": (0, 7, 12),
    "7": (0, 4, 7, 10),
    "m7": (0, 3, 7, 10),
    "M7": (0, 4, 7, 11),
    "9": (0, 4, 7, 10, 14),
    "m9": (0, 3, 7, 10, 14),
    "M9": (0, 4, 7, 11, 14),
    "m6": (0, 3, 7, 9),
    "13": (0, 4, 10, 14, 21),
}
_MAJOR: Final = (0, 2, 4, 5, 7, 9, 11)
_MINOR: Final = (0, 2, 3, 5, 7, 8, 10)
_BLUES: Final = (0, 3, 5, 6, 7, 10)


@dataclass(frozen=True)
class Chord:
    """Root pitch class in 0..11 and intervals above it in semitones."""

    root: int
    intervals: tuple[int, ...]

    @property
    def is_minor(self) -> bool:
        """Whether the third above the root is minor."""
        return 3 in self.intervals


def parse_chord(symbol: str) -> Chord:
    """Reads a chord symbol.

    >>> parse_chord("Bbm7")
    Chord(root=10, intervals=(0, 3, 7, 10))

    Raises:
        ValueError: an unknown symbol.
    """
    match = re.fullmatch(r"([A-G])([#b]?)(.*)", symbol)
    if match is None or match[3] not in _QUALITIES:
        raise ValueError(f"{symbol!r} is not a known chord; qualities are {', '.join(filter(None, _QUALITIES))}")
    accidental = {"#": 1, "b": -1, "": 0}[match[2]]
    return Chord((_ROOTS[match[1]] + accidental) % 12, _QUALITIES[match[3]])


def scale_for(genre: str, chords: tuple[Chord, ...]) -> tuple[int, ...]:
    """Pitch classes for a melody over chords in the key of C."""
    if genre == "Blues":
        return _BLUES
    return _MINOR if chords[0].is_minor else _MAJOR


def melody(
    rng: random.Random,
    scale: tuple[int, ...],
    *,
    bar_s: float,
    bars: int,
    key: int,
    lowest: int,
    swing: float = 0.0,
) -> tuple[Note, ...]:
    """A line of eighth notes in phrases of two bars, from motifs that return.

    Args:
        rng: source of every choice.
        scale: pitch classes relative to `key`.
        bar_s: length of a bar.
        bars: how many.
        key: pitch class of the tonic.
        lowest: lowest MIDI pitch; the line spans about an octave and a half.
        swing: delay of every other eighth, as a share of it.
    """
    ladder = [pitch for pitch in range(lowest, lowest + 19) if (pitch - key) % 12 in scale]
    density = rng.uniform(0.35, 0.7)
    motifs = [[step for step in range(8) if rng.random() < density] or [0] for _ in range(3)]
    moves = [[rng.choice((-2, -1, -1, 0, 1, 1, 2, 3)) for _ in range(8)] for _ in range(3)]
    here = len(ladder) // 2
    notes = []
    for bar in range(bars):
        if bar % 4 == 3 and rng.random() < 0.6:
            continue
        choice = (0, 1, 0, 2)[bar % 4]
        steps = motifs[choice]
        for index, step in enumerate(steps):
            here = min(len(ladder) - 1, max(0, here + moves[choice][index]))
            until = steps[index + 1] if index + 1 < len(steps) else 8
            start = bar + (step + (swing if step % 2 else 0.0)) / 8
            length = max(0.08, (until - step) / 8 * bar_s * rng.uniform(0.6, 1.0))
            notes.append(
                Note(max(0.0, start * bar_s + rng.gauss(0, 0.006)), length, ladder[here], rng.randint(72, 108))
            )
    return tuple(notes)
