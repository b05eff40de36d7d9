"""Recordings altered as they reach people: planned from training music only, the same again from the same seed."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from acousticsense.training.alter import DURATION_S, altered, ingest_altered, plan
from acousticsense.training.bank import load_items
from acousticsense.training.decode import SOUND_FONTS, Sound, play_midi, read_sound
from acousticsense.training.render.parts import Note, Part, write_midi
from acousticsense.training.sources import FREE_RECORDINGS, Recording, recordings
from acousticsense.training.store import TrackStore
from tests.training.conftest import FakePanel, tone

RATE_HZ = 32_000


def recording(name: str, *, artist: str = "", genre: str = "Jazz") -> Recording:
    return Recording(
        package=FREE_RECORDINGS,
        path=f"{name}.flac",
        title=name,
        artist=artist or name,
        licence="CC0-1.0",
        genre=genre,
        confidence="high",
        known_by="know",
        source="here",
        split="train",
    )


def test_only_training_music_is_altered_or_mixed_in() -> None:
    held_out = {entry.key for entry in recordings() if entry.split != "train"}
    planned = plan(recordings(), 300, seed=1)
    used = {part.key for entry in planned for part in (entry.recording, entry.over) if part}
    assert len(planned) == 300
    assert not used & held_out
    assert 0.25 < np.mean([entry.over is not None for entry in planned]) < 0.45


def test_a_plan_is_the_same_again_and_a_longer_one_begins_with_it() -> None:
    assert plan(recordings(), 20, seed=1) == plan(recordings(), 40, seed=1)[:20]
    assert plan(recordings(), 20, seed=1) != plan(recordings(), 20, seed=2)


def test_a_big_collection_is_drawn_less_often_than_its_size_asks_for() -> None:
    shelf = [*(recording(f"many-{index}", artist="many") for index in range(100)), recording("single")]
    drawn = [entry.recording.artist for entry in plan(shelf, 400, seed=1)]
    assert drawn.count("single") > 3 * 400 / 101


def test_every_alteration_is_finite_in_range_and_at_most_half_a_minute() -> None:
    sound, over = tone(300.0, 1), tone(3000.0, 2)
    before = sound.samples.copy()
    heard = [altered(sound, random.Random(seed), over=over if seed % 2 else None) for seed in range(40)]
    for result in heard:
        assert np.isfinite(result.samples).all()
        assert np.abs(result.samples).max() <= 1.0 + 1e-6
        assert 0 < len(result.samples) <= DURATION_S * RATE_HZ
    np.testing.assert_array_equal(sound.samples, before)
    assert len({len(result.samples) for result in heard}) > 10  # speeds differ


def test_what_is_mixed_in_can_be_heard() -> None:
    low, high = tone(300.0, 1), tone(3000.0, 2)

    def share_of_high(result: Sound) -> float:
        power = np.abs(np.fft.rfft(result.samples)) ** 2
        frequencies = np.fft.rfftfreq(len(result.samples), 1 / result.sample_rate_hz)
        return float(power[(frequencies > 2000) & (frequencies < 4500)].sum() / power.sum())

    alone = np.mean([share_of_high(altered(low, random.Random(seed))) for seed in range(20)])
    mixed = np.mean([share_of_high(altered(low, random.Random(seed), over=high)) for seed in range(20)])
    assert mixed > 3 * alone


def test_silence_stays_silence() -> None:
    silence = Sound(np.zeros(RATE_HZ * 5, np.float32), RATE_HZ)
    for seed in range(10):
        assert np.abs(altered(silence, random.Random(seed)).samples).max() < 1e-3


def test_a_stretch_that_was_mixed_has_no_label_and_one_that_was_not_keeps_it(tmp_path: Path) -> None:
    shelf = [recording("low", genre="Jazz"), recording("high", genre="Metal")]
    for entry, frequency_hz in zip(shelf, (300.0, 3000.0), strict=True):
        sound = tone(frequency_hz, 1)
        soundfile.write(tmp_path / entry.path, sound.samples, sound.sample_rate_hz)
    store = TrackStore(tmp_path / "tracks", shelf)
    planned = plan(shelf, 8, seed=1)
    ingest_altered(planned, store, FakePanel(), work=tmp_path, free_recordings=tmp_path)
    items = {item.track.key: item for item in load_items(store, "train")}
    assert items.keys() == {entry.key for entry in planned}
    for entry in planned:
        track = items[entry.key].track
        assert (track.kind, track.is_recorded) == ("altered", True)
        assert track.genre == (None if entry.over else entry.recording.genre)
    assert {item.track.genre for item in items.values()} > {None}


def test_recordings_that_are_added_change_only_what_they_draw() -> None:
    known = [recording(str(number), artist=f"artist {number % 7}") for number in range(40)]
    before, after = plan(known, 300, seed=1), plan([recording("new"), *known], 300, seed=1)
    changed = [new for old, new in zip(before, after, strict=True) if old.recording != new.recording]
    assert 3 < len(changed) < 40
    assert {entry.recording.path for entry in changed} == {"new.flac"}


def test_what_was_drawn_from_another_list_is_made_again(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.flac", tone(300.0, 1).samples, RATE_HZ)
    soundfile.write(tmp_path / "b.flac", tone(900.0, 2).samples, RATE_HZ)
    store = TrackStore(tmp_path / "tracks", [])

    def made(name: str) -> dict[str, int]:
        """When the arrays of each track were written."""
        planned = plan([recording(name)], 2, seed=1)
        ingest_altered(planned, store, FakePanel(), work=tmp_path, free_recordings=tmp_path)
        return {path.stem: path.stat().st_mtime_ns for path in (tmp_path / "tracks").glob("*.npz")}

    first, again, other = made("a"), made("a"), made("b")
    assert len(first) == 2
    assert again == first
    assert not other.items() & first.items()
    assert all("b.flac" in track.origin and "a.flac" not in track.origin for track in store.tracks())


def test_a_recording_that_cannot_be_had_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = TrackStore(tmp_path / "tracks", [])
    ingest_altered(plan([recording("gone")], 2, seed=1), store, FakePanel(), work=tmp_path, free_recordings=tmp_path)
    assert not list(store.tracks())
    assert "gone" in caplog.text


def test_reading_from_an_offset_ends_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "ramp.wav"
    soundfile.write(path, np.linspace(0, 0.5, 1000), 100, subtype="FLOAT")
    whole = read_sound(path, max_s=10.0).samples
    np.testing.assert_array_equal(read_sound(path, max_s=2.0, offset_s=3.0).samples, whole[300:500])
    np.testing.assert_array_equal(read_sound(path, max_s=2.0, offset_s=99.0).samples, whole[-200:])


@pytest.mark.skipif(shutil.which("fluidsynth") is None or not SOUND_FONTS[0].exists(), reason="plays MIDI files")
def test_a_midi_file_is_played(tmp_path: Path) -> None:
    notes = (Note(start_s=0.0, length_s=1.0, pitch=69, velocity=100),)
    write_midi((Part(program=73, notes=notes),), tmp_path / "a4.mid")
    sound = read_sound(tmp_path / "a4.mid", max_s=1.0)
    spectrum = np.abs(np.fft.rfft(sound.samples))
    assert np.argmax(spectrum) * sound.sample_rate_hz / len(sound.samples) == pytest.approx(440, abs=5)


def test_a_soundfont_that_is_missing_is_not_silence(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="fluid-soundfont-gm"):
        play_midi(tmp_path / "a.mid", tmp_path / "a.wav", tmp_path / "none.sf2", RATE_HZ)
