"""Accompaniment from step patterns: the styles in `data/styles.json` that no groove library covers well."""

from __future__ import annotations

import json
import random
from functools import cache
from typing import Any, Final, cast

from acousticsense.training.render.harmony import Chord, melody, parse_chord, scale_for
from acousticsense.training.render.parts import Note, Part
from acousticsense.training.sources import read_data

__all__ = ["Style", "pattern_parts", "progression", "styles"]

#: One entry of `patterns` in styles.json. Every pattern string is one bar, one character a step; `.` is a rest.
Style = dict[str, Any]

_DRUM_VELOCITY: Final = {"x": 82, "X": 112}
#: What a character of a bass pattern adds to the root, in semitones; "3" follows the chord.
_BASS_STEPS: Final = {"r": 0, "5": 7, "8": 12}


@cache
def styles() -> dict[str, Any]:
    """The contents of styles.json: progressions, grooves and patterns."""
    return cast(dict[str, Any], json.loads(read_data("styles.json")))


def progression(genre: str, rng: random.Random, bars: int) -> tuple[str, ...]:
    """Chord symbols in the key of C, one a bar."""
    chords = rng.choice(styles()["progressions"][genre]).split()
    return tuple(chords[bar % len(chords)] for bar in range(bars))


def pattern_parts(style: Style, rng: random.Random, *, duration_s: float) -> tuple[Part, ...]:
    """All parts of one piece in a style, `duration_s` long."""
    bar_s = 240.0 / rng.uniform(*style["tempo"])
    bars = int(duration_s / bar_s) + 1
    chords = tuple(parse_chord(symbol) for symbol in progression(style["genre"], rng, bars))
    key = rng.randrange(12)
    band = _Band(rng, chords, bar_s, key, float(style.get("swing", 0.0)))
    scale = tuple(style.get("scale", ())) or scale_for(style["genre"], chords)
    parts = [Part(program=rng.choice((0, 0, 8, 25)), notes=band.drums(style.get("drums", {})), is_drums=True)]
    parts += [
        Part(program=rng.choice(style[role]["programs"]), notes=play(style[role]))
        for role, play in (("bass", band.bass), ("chords", band.chords), ("arp", band.arpeggio))
        if role in style and rng.random() >= style[role].get("drop", 0.08)
    ]
    parts += [
        Part(program=rng.choice(style[role]), notes=band.held(role == "drone"))
        for role in ("pad", "drone")
        if role in style
    ]
    if "lead" in style and rng.random() < 0.8:
        line = melody(rng, scale, bar_s=bar_s, bars=bars, key=key, lowest=rng.choice((55, 60, 64)), swing=band.swing)
        parts.append(Part(program=rng.choice(style["lead"]), notes=line))
    return tuple(part for part in parts if part.notes)


class _Band:
    """Plays patterns over a chord progression, slightly unevenly as people do."""

    def __init__(self, rng: random.Random, chords: tuple[Chord, ...], bar_s: float, key: int, swing: float) -> None:
        self._rng = rng
        self._chords = chords
        self._bar_s = bar_s
        self._key = key
        self.swing = swing
        self._timing_s = rng.uniform(0.001, 0.009)

    def _time_s(self, bar: int, step: int, steps: int) -> float:
        late = self.swing if step % 2 else 0.0
        return max(0.0, (bar + (step + late) / steps) * self._bar_s + self._rng.gauss(0, self._timing_s))

    def _hits(self, pattern: str) -> list[tuple[int, int, int, str]]:
        """Bar, step, steps until the next hit and character of everything a pattern plays."""
        hits = []
        for bar in range(len(self._chords)):
            played = [step for step, mark in enumerate(pattern) if mark != "." and self._rng.random() < 0.97]
            ends = [*played[1:], len(pattern)]
            hits += [(bar, step, end - step, pattern[step]) for step, end in zip(played, ends, strict=False)]
        return hits

    def drums(self, patterns: dict[str, str]) -> tuple[Note, ...]:
        """One pattern per percussion instrument."""
        notes = []
        for pitch, pattern in patterns.items():
            for bar, step, _, mark in self._hits(pattern):
                velocity = _DRUM_VELOCITY[mark] + self._rng.randint(-9, 9)
                notes.append(Note(self._time_s(bar, step, len(pattern)), 0.1, int(pitch), velocity))
        return tuple(notes)

    def bass(self, part: dict[str, Any]) -> tuple[Note, ...]:
        """Roots, thirds, fifths and octaves below."""
        pattern, notes = part["pattern"], []
        for bar, step, length, mark in self._hits(pattern):
            chord = self._chords[bar]
            interval = chord.intervals[1] if mark == "3" else _BASS_STEPS[mark]
            pitch = 28 + (self._key + chord.root - 28) % 12 + interval
            length_s = length / len(pattern) * self._bar_s * 0.85
            notes.append(Note(self._time_s(bar, step, len(pattern)), length_s, pitch, self._rng.randint(86, 112)))
        return tuple(notes)

    def _voicing(self, bar: int, octave: int) -> list[int]:
        chord, lowest = self._chords[bar], 12 * octave + 4
        return sorted(lowest + (self._key + chord.root + interval - lowest) % 12 for interval in chord.intervals)

    def _power(self, bar: int) -> list[int]:
        """Root, fifth and octave on a guitar's low strings."""
        root = 36 + (self._key + self._chords[bar].root) % 12
        return [root, root + 7, root + 12]

    def chords(self, part: dict[str, Any]) -> tuple[Note, ...]:
        """Whole chords; `octave` 3 means power chords, `short` means muted at once."""
        pattern, notes = part["pattern"], []
        for bar, step, length, _ in self._hits(pattern):
            length_s = length / len(pattern) * self._bar_s * (0.4 if part.get("short") else 0.9)
            start_s, velocity = self._time_s(bar, step, len(pattern)), self._rng.randint(66, 96)
            pitches = self._power(bar) if part.get("octave") == 3 else self._voicing(bar, 4)
            notes += [Note(start_s, length_s, pitch, velocity) for pitch in pitches]
        return tuple(notes)

    def arpeggio(self, part: dict[str, Any]) -> tuple[Note, ...]:
        """Chord notes one by one; a digit counts them from the lowest."""
        pattern, notes = part["pattern"], []
        for bar, step, length, mark in self._hits(pattern):
            octave, index = divmod(int(mark), len(self._voicing(bar, 4)))
            pitch = self._voicing(bar, 4)[index] + 12 * octave
            length_s = length / len(pattern) * self._bar_s * 0.9
            notes.append(Note(self._time_s(bar, step, len(pattern)), length_s, pitch, self._rng.randint(70, 100)))
        return tuple(notes)

    def held(self, is_drone: bool) -> tuple[Note, ...]:
        """A chord per bar, or the tonic and its fifth throughout."""
        notes = []
        for bar in range(len(self._chords)):
            pitches = [48 + self._key, 55 + self._key] if is_drone else self._voicing(bar, 4)
            notes += [Note(bar * self._bar_s, self._bar_s, pitch, self._rng.randint(52, 78)) for pitch in pitches]
        return tuple(notes)
