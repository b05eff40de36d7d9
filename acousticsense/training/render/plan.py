"""What is rendered: a list of jobs that a seed defines, and the making of each."""

from __future__ import annotations

import logging
import random
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from typing import Final

from acousticsense.models.genres import GENRES
from acousticsense.training.decode import Sound
from acousticsense.training.ingest import ingest
from acousticsense.training.render import grooves, patterns, scores, synth, voice
from acousticsense.training.render.not_music import NOT_MUSIC, not_music
from acousticsense.training.render.parts import Part
from acousticsense.training.sources import Split
from acousticsense.training.store import Track, TrackStore
from acousticsense.training.teachers.panel import TeacherPanel

__all__ = ["DURATION_S", "Job", "jobs", "render"]

logger = logging.getLogger(__name__)

DURATION_S: Final = 22.0

Make = Callable[[random.Random], tuple[Part, ...]]


@dataclass(frozen=True, kw_only=True)
class Job:
    """One track to render.

    Attributes:
        track: what it will be.
        seed: of every choice in it.
        make: from a random source to sound.
    """

    track: Track
    seed: str
    make: Callable[[random.Random], Sound]


def jobs(per_genre: int, not_music_count: int, *, seed: int) -> list[Job]:
    """All tracks to render, genres taking turns, so that a stop at any time leaves a balanced set."""
    rounds = [list(islice(_genre_jobs(genre, seed), per_genre)) for genre in GENRES]
    rounds.append(list(islice(_not_music_jobs(seed), not_music_count)))
    longest = max(map(len, rounds))
    return [column[index] for index in range(longest) for column in rounds if index < len(column)]


def render(planned: list[Job], store: TrackStore, panel: TeacherPanel, *, most_windows: int) -> None:
    """Makes every job that is not in the store yet; what cannot be made is logged and left out."""
    for job in planned:
        if job.track.key in store:
            continue
        try:
            ingest(job.make(random.Random(job.seed)), job.track, store, panel, most_windows=most_windows)
        except (RuntimeError, ValueError, OSError, subprocess.SubprocessError) as error:
            logger.warning("%s cannot be rendered: %s", job.track.key, error)


def _genre_jobs(genre: str, seed: int) -> Iterator[Job]:
    """Grooves, patterns and scores of a genre in turn, for ever."""
    sources = list(_sources(genre, seed))
    random.Random(f"{seed} {genre}").shuffle(sources)
    for index, (group, make, licence) in enumerate(cycle(sources)):
        name = f"rendered--{genre}-{index:04d}-{group}".replace("/", "_").replace(" ", "_")
        track = Track(key=name, kind="rendered", genre=genre, split="train", group=group, licence=licence, origin=group)
        yield Job(track=track, seed=f"{seed} {name}", make=make)


def _sources(genre: str, seed: int) -> Iterator[tuple[str, Callable[[random.Random], Sound], str]]:
    """Everything that can make music of a genre: name, maker and licence."""
    known = patterns.styles()
    if style := known["grooves"].get(genre):
        for file in style["files"]:
            make: Make = partial(grooves.groove_parts, genre, file, style)
            yield f"mma {file}", partial(_band, genre, make), "GPL (mma grooves)"
    for style in known["patterns"]:
        if style["genre"] == genre:
            make = partial(patterns.pattern_parts, style, duration_s=DURATION_S)
            maker = partial(_rapped, genre, style) if style.get("rap") else partial(_band, genre, make)
            yield f"pattern {style['name']}", maker, "own"
    for collection, count in scores.COLLECTIONS.get(genre, {}).items():
        for name, path in scores.scores(collection, count, random.Random(seed)):
            make = partial(scores.score_parts, genre, path, duration_s=DURATION_S)
            yield f"score {name}", partial(_band, genre, make), "public domain (music21 corpus)"


def _band(genre: str, make: Make, rng: random.Random) -> Sound:
    """Parts played and produced."""
    samples = synth.synthesise(make(rng), rng, duration_s=DURATION_S, drive_db=synth.drive_of(genre))
    return synth.produce(samples, genre, rng)


def _rapped(genre: str, style: patterns.Style, rng: random.Random) -> Sound:
    """A beat with somebody rapping over it; one tempo for both."""
    tempo = rng.uniform(*style["tempo"])
    parts = patterns.pattern_parts({**style, "tempo": [tempo, tempo]}, rng, duration_s=DURATION_S)
    samples = synth.synthesise(parts, rng, duration_s=DURATION_S)
    words = voice.rap(rng, bar_s=240.0 / tempo, duration_s=DURATION_S, sample_rate_hz=synth.SAMPLE_RATE_HZ)
    return synth.produce(samples + words * rng.uniform(0.5, 1.1), genre, rng)


def _not_music_jobs(seed: int) -> Iterator[Job]:
    """Sounds that are not music; every sixth is kept for validation."""
    for index, (name, maker) in enumerate(cycle(NOT_MUSIC)):
        key = f"not-music--{index:04d}-{name}".replace(" ", "_")
        split: Split = "val" if index % 6 == 5 else "train"
        track = Track(key=key, kind="not_music", genre=None, split=split, group=name, licence="own", origin=name)
        yield Job(track=track, seed=f"{seed} {key}", make=partial(not_music, maker, duration_s=DURATION_S))
