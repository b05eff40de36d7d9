"""Rendering up to the synthesiser: chords, patterns, MIDI."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from acousticsense.models.genres import GENRES
from acousticsense.training.ingest import window_starts
from acousticsense.training.render.harmony import parse_chord
from acousticsense.training.render.not_music import NOT_MUSIC, not_music
from acousticsense.training.render.parts import Note, Part, read_midi, write_midi
from acousticsense.training.render.patterns import pattern_parts, styles
from acousticsense.training.render.synth import SAMPLE_RATE_HZ


def test_chords_have_roots_and_intervals() -> None:
    assert parse_chord("F#m7").root == 6
    assert parse_chord("Ebm").is_minor
    with pytest.raises(ValueError, match="not a known chord"):
        parse_chord("Csus13")


def test_every_progression_can_be_read() -> None:
    known = styles()["progressions"]
    assert set(known) == set(GENRES)
    assert all(parse_chord(symbol) for lines in known.values() for line in lines for symbol in line.split())


def test_every_genre_has_a_source() -> None:
    patterns = {style["genre"] for style in styles()["patterns"]}
    assert set(GENRES) == patterns | set(styles()["grooves"])


@pytest.mark.parametrize("style", styles()["patterns"], ids=lambda style: style["name"])
def test_patterns_play_valid_notes_and_the_same_ones_for_a_seed(style: dict[str, object]) -> None:
    parts = pattern_parts(style, random.Random(3), duration_s=8.0)
    assert parts == pattern_parts(style, random.Random(3), duration_s=8.0)
    notes = [note for part in parts for note in part.notes]
    assert notes
    assert all(0 <= note.pitch < 128 and 0 < note.velocity < 128 and note.start_s >= 0 for note in notes)


def test_midi_gives_back_what_was_written(tmp_path: Path) -> None:
    drums = Part(program=0, notes=(Note(0.0, 0.1, 36, 100),), is_drums=True)
    bass = Part(program=33, notes=(Note(0.5, 0.25, 40, 90), Note(1.0, 0.25, 40, 80)))
    write_midi((drums, bass), tmp_path / "x.mid")
    found = read_midi(tmp_path / "x.mid")
    assert {(part.program, part.is_drums, len(part.notes)) for part in found} == {(33, False, 2), (0, True, 1)}
    again = next(part for part in found if not part.is_drums).notes[0]
    assert (again.start_s, again.length_s) == (pytest.approx(0.5, abs=2e-3), pytest.approx(0.25, abs=2e-3))


@pytest.mark.parametrize(("name", "maker"), [entry for entry in NOT_MUSIC if entry[0] != "speech"])
def test_sounds_that_are_not_music_are_finite_and_not_clipped(name: str, maker: object) -> None:
    sound = not_music(maker, random.Random(name), duration_s=1.0)  # type: ignore[arg-type]  # parametrized
    assert len(sound.samples) == SAMPLE_RATE_HZ
    assert np.isfinite(sound.samples).all()
    assert np.abs(sound.samples).max() <= 1.0


@pytest.mark.parametrize(
    ("duration_s", "starts"), [(5.0, [0.0]), (15.0, [0.0]), (30.0, [0.0, 10.0, 20.0]), (100.0, [0.0, 45.0, 90.0])]
)
def test_windows_spread_over_a_track(duration_s: float, starts: list[float]) -> None:
    assert window_starts(duration_s, window_s=10.0, most=3).tolist() == starts
