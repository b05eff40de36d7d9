"""Public-domain scores from the music21 corpus: classical music and traditional dance tunes."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path
from typing import Any, Final

from acousticsense.training.render.parts import Note, Part

__all__ = ["COLLECTIONS", "Score", "score_parts", "scores"]

#: Folders of music21's corpus in the public domain, music and edition, by genre, and how many pieces to take.
COLLECTIONS: Final = {
    "Classical": {
        "bach": 24,
        "palestrina": 6,
        "monteverdi": 5,
        "beethoven": 8,
        "mozart": 8,
        "haydn": 6,
        "schumann_robert": 3,
    },
    "Folk": {"ryansMammoth": 24, "airdsAirs": 2, "oneills1850": 2},
}

#: General MIDI programs that play a score of a genre: one family for all parts, or one instrument each.
_FAMILIES: Final = {
    "Classical": (
        (40, 40, 41, 42),
        (0,),
        (52, 52, 53, 53),
        (19,),
        (73, 68, 71, 70),
        (6,),
        (48, 48, 42, 43),
        (56, 60, 57, 58),
    ),
    "Folk": ((40,), (21,), (22,), (73,), (105,), (110,), (24,), (72,)),
}

#: Larger files take longer to read than they are worth.
_MAX_BYTES: Final = 500_000

Score = tuple[tuple[tuple[float, float, int], ...], ...]


@cache
def _files(collection: str) -> list[Path]:
    from music21 import corpus

    paths = [Path(path) for path in corpus.getCorePaths()]
    return sorted(path for path in paths if path.parent.name == collection or collection in path.parts)


def scores(collection: str, count: int, rng: random.Random) -> list[tuple[str, Path]]:
    """Names and files of up to `count` pieces of a collection."""
    usable = [path for path in _files(collection) if path.stat().st_size < _MAX_BYTES]
    return [(f"{collection}-{path.stem}", path) for path in rng.sample(usable, min(count, len(usable)))]


@cache
def _read(path: Path) -> Score:
    """Parts as (start, length, pitch), in quarter notes; of a collection of tunes the first sixteen, joined."""
    from music21 import converter, stream

    parsed = converter.parse(path)
    pieces = list(parsed.scores)[:16] if isinstance(parsed, stream.Opus) else [parsed]
    voices: dict[int, list[tuple[float, float, int]]] = {}
    offset = 0.0
    for piece in pieces:
        parts: list[Any] = list(getattr(piece, "parts", [])) or [piece]
        for index, part in enumerate(parts[:6]):
            voices.setdefault(index, []).extend(_notes(part, offset))
        offset += float(piece.highestTime)
    return tuple(tuple(voice) for voice in voices.values() if voice)


def _notes(part: Any, offset: float) -> list[tuple[float, float, int]]:
    found = []
    for element in part.flatten().notes:
        for pitch in element.pitches:
            if float(element.quarterLength) > 0:
                found.append((offset + float(element.offset), float(element.quarterLength), int(pitch.midi)))
    return found


def score_parts(genre: str, path: Path, rng: random.Random, *, duration_s: float) -> tuple[Part, ...]:
    """A passage of a score, played by a fitting ensemble at a fitting tempo.

    Raises:
        ValueError: the score has no notes.
    """
    voices = _read(path)
    if not voices:
        raise ValueError(f"{path.name} has no notes")
    beat_s = 60.0 / (rng.uniform(95, 150) if genre == "Folk" else rng.uniform(60, 120))
    last = max(start for voice in voices for start, _, _ in voice)
    begin = rng.uniform(0, max(0.0, last - duration_s / beat_s))
    shift = rng.randint(-3, 3)
    family = rng.choice(_FAMILIES[genre])
    parts = []
    for index, voice in enumerate(voices):
        played = tuple(
            Note(
                (start - begin) * beat_s + abs(rng.gauss(0, 0.008)),
                length * beat_s * 0.95,
                pitch + shift,
                rng.randint(62, 100),
            )
            for start, length, pitch in voice
            if begin <= start < begin + duration_s / beat_s and 0 <= pitch + shift < 128
        )
        if played:
            parts.append(Part(program=family[index % len(family)], notes=played))
    return tuple(parts)
