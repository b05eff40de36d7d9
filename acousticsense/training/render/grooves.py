"""Accompaniment by MMA (Musical MIDI Accompaniment, GPL): grooves written by musicians, from Debian's package `mma`."""

from __future__ import annotations

import random
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Final

from acousticsense.training.render.harmony import melody, parse_chord, scale_for
from acousticsense.training.render.parts import Part, read_midi
from acousticsense.training.render.patterns import progression

__all__ = ["LIBRARY", "groove_names", "groove_parts"]

#: Where Debian puts MMA's library.
LIBRARY: Final = Path("/usr/share/mma/lib")

#: Grooves that are no accompaniment by themselves.
_FRAGMENTS: Final = re.compile(r"(?i)intro|end\d*$|ending|fill|break|^count\d*$")

#: Enough bars for any tempo and metre.
_BARS: Final = 24


def groove_names(file: str) -> list[str]:
    """Names of the grooves that a library file (`folder/name`) defines, introductions and endings left out.

    Raises:
        ValueError: there is none.
    """
    text = (LIBRARY / f"{file}.mma").read_text(encoding="latin-1")
    names = re.findall(r"(?im)^\s*defgroove\s+(\S+)", text)
    if not (whole := [name for name in names if not _FRAGMENTS.search(name)]):
        raise ValueError(f"{file} defines no groove that stands by itself")
    return whole


def groove_parts(genre: str, file: str, style: dict[str, Any], rng: random.Random) -> tuple[Part, ...]:
    """A piece in a groove: MMA's accompaniment and, mostly, a melody over it.

    Raises:
        RuntimeError: MMA could not make it.
    """
    chords = progression(genre, rng, _BARS)
    key = rng.randrange(-5, 7)
    tempo = rng.uniform(*style["tempo"]) * (0.65 if re.search("slow|ballad|lullaby", file) else 1.0)
    names = rng.sample(groove_names(file), k=min(2, len(groove_names(file))))
    script = _script(file, names, chords, tempo=tempo, key=key, seed=rng.randrange(10_000))
    parts = _run(script)
    end_s = max(note.start_s for part in parts for note in part.notes)
    bar_s = end_s / _BARS
    scale = scale_for(genre, tuple(parse_chord(symbol) for symbol in chords))
    lead = melody(rng, scale, bar_s=bar_s, bars=_BARS, key=key % 12, lowest=rng.choice((55, 60, 64)))
    if rng.random() < 0.7:
        parts = (*parts, Part(program=rng.choice(style["lead"]), notes=lead))
    return parts


def _script(file: str, names: list[str], chords: tuple[str, ...], *, tempo: float, key: int, seed: int) -> str:
    folder = file.split("/", maxsplit=1)[0]
    lines = [f"Tempo {tempo:.1f}", f"RndSeed {seed}", f"Transpose {key}"]
    for bar, chord in enumerate(chords):
        if bar % 8 == 0:
            lines.append(f"Groove {folder}:{names[bar // 8 % len(names)]}")
        lines.append(f"{bar + 1} {chord}")
    return "\n".join(lines) + "\n"


def _run(script: str) -> tuple[Part, ...]:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "piece.mma"
        source.write_text(script, encoding="ascii")
        answer = subprocess.run(["mma", source], capture_output=True, text=True, timeout=60, check=False)
        midi = source.with_suffix(".mid")
        if not midi.exists():
            raise RuntimeError(f"mma: {answer.stdout.strip()[-200:]}")
        return read_midi(midi)
