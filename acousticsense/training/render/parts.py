"""Notes and parts: what musicians, scores and generators hand to the synthesiser."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import mido

__all__ = ["DRUM_CHANNEL", "Note", "Part", "read_midi", "write_midi"]

#: General MIDI's percussion channel, counted from 0.
DRUM_CHANNEL: Final = 9

#: Ticks per second in the files that we write: 480 per quarter note at 120 quarter notes per minute.
_TICKS_PER_S: Final = 960


@dataclass(frozen=True)
class Note:
    """A note: `start_s` and `length_s` in seconds, MIDI `pitch` and `velocity` in 0..127."""

    start_s: float
    length_s: float
    pitch: int
    velocity: int


@dataclass(frozen=True, kw_only=True)
class Part:
    """What one instrument plays.

    Attributes:
        program: General MIDI program, counted from 0.
        notes: in any order.
        is_drums: pitches are percussion instruments, the program is a kit.
    """

    program: int
    notes: tuple[Note, ...]
    is_drums: bool = False


def write_midi(parts: tuple[Part, ...], path: Path) -> None:
    """Writes a MIDI file, one channel per part (at most 15 that are not drums)."""
    free = [channel for channel in range(16) if channel != DRUM_CHANNEL]
    file = mido.MidiFile(ticks_per_beat=480)
    pitched = 0
    for part in parts:
        channel = DRUM_CHANNEL if part.is_drums else free[pitched % len(free)]
        pitched += not part.is_drums
        file.tracks.append(_track(part, channel))
    file.save(path)


def _track(part: Part, channel: int) -> mido.MidiTrack:
    """The events of a part; at equal times notes end before others begin."""
    events: list[tuple[int, int, int, int]] = []
    for note in part.notes:
        start = max(0, round(note.start_s * _TICKS_PER_S))
        end = start + max(1, round(note.length_s * _TICKS_PER_S))
        events += [(start, 1, note.pitch, note.velocity), (end, 0, note.pitch, 0)]
    track = mido.MidiTrack([mido.Message("program_change", channel=channel, program=part.program)])
    now = 0
    for tick, is_on, pitch, velocity in sorted(events):
        kind = "note_on" if is_on else "note_off"
        track.append(mido.Message(kind, channel=channel, note=pitch, velocity=velocity, time=tick - now))
        now = tick
    return track


def read_midi(path: Path) -> tuple[Part, ...]:
    """The parts of a MIDI file: one per channel and program."""
    programs: dict[int, int] = {}
    sounding: dict[tuple[int, int], tuple[float, int]] = {}
    notes: dict[tuple[int, int], list[Note]] = {}
    now = 0.0
    for message in mido.MidiFile(path):
        now += message.time
        if message.type == "program_change":
            programs[message.channel] = message.program
        elif message.type in ("note_on", "note_off"):
            began = sounding.pop((message.channel, message.note), None)
            if began is not None:
                start, velocity = began
                owner = (message.channel, programs.get(message.channel, 0))
                notes.setdefault(owner, []).append(Note(start, now - start, message.note, velocity))
            if message.type == "note_on" and message.velocity > 0:
                sounding[message.channel, message.note] = (now, message.velocity)
    return tuple(
        Part(program=program, notes=tuple(played), is_drums=channel == DRUM_CHANNEL)
        for (channel, program), played in sorted(notes.items())
    )
