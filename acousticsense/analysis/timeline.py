"""Genre along a whole track: one prediction per window, made while the track is still being decoded.

A window begins every `hop_s` as long as half a window of sound is left (the first one always), and is analysed as
`GenreClassifier.predict` predicts the same excerpt. Only a few windows are in memory at a time.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Final, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from acousticsense.analysis.results import MAX_WINDOW_S, MIN_HOP_S, MIN_WINDOW_S, Timeline, TimelineWindow
from acousticsense.analysis.segments import merge
from acousticsense.audio.health import SILENCE_DB, loudest_db
from acousticsense.audio.source import Source
from acousticsense.audio.track import check_number
from acousticsense.audio.types import HealthReport
from acousticsense.errors import RequestError
from acousticsense.inference.classifier import GenreClassifier
from acousticsense.inference.decoding import StreamOpener, open_excerpt
from acousticsense.inference.posterior import Posterior
from acousticsense.inference.prediction import Timing
from acousticsense.spectrogram.windows import clip_images

Samples = NDArray[np.float32]
_T = TypeVar("_T")
#: Called with the seconds that are analysed and those expected in all (None: unknown) after each batch, and before the
#: first. What it raises ends the work.
Progress = Callable[[float, float | None], None]

MAX_WINDOWS: Final = 4000

#: Windows analysed at a time. On a CPU larger batches gain little, and others wait for the end of one.
_BATCH_CPU: Final = 4
_BATCH_GPU: Final = 16


@dataclass
class _Clock:
    """Milliseconds spent per stage; `decode` is what the network waited for, decoding goes on beside it."""

    decode: float = 0.0
    spectrogram: float = 0.0
    network: float = 0.0


def make_timeline(
    classifier: GenreClassifier,
    source: Source,
    *,
    window_s: float | None = None,
    hop_s: float | None = None,
    duration_s: float | None = None,
    offset_s: float = 0.0,
    min_segment_s: float = 0.0,
    max_windows: int = MAX_WINDOWS,
    progress: Progress | None = None,
    opener: StreamOpener = open_excerpt,
) -> Timeline:
    """Predicts a track window by window.

    Args:
        classifier: what predicts; its limits hold, `max_stream_s` in place of the others on length.
        source: path, bytes or binary file object of any audio format.
        window_s: seconds in a window, 1 to 60; None is the model's own (10 s for ours).
        hop_s: seconds from one window's start to the next, 0.1 or more; None is the window, so that nothing is analysed
            twice. What a longer hop skips is not analysed.
        duration_s: seconds of the track to predict; None is to its end.
        offset_s: where to begin.
        min_segment_s: segments that are shorter are given to the one beside them, but for silence; 0 keeps all.
        max_windows: more are refused.
        progress: told how far the work is; see `Progress`.
        opener: what decodes the excerpt of a recipe block by block.

    Raises:
        RequestError: an argument is out of range, or there would be too many windows.
        AudioError: not audio, over a limit, or nothing in it.
    """
    started = time.perf_counter()
    window_s = classifier.spec.windows.window_s if window_s is None else window_s
    hop_s = window_s if hop_s is None else hop_s
    _check(window_s, hop_s, min_segment_s)
    recipe, clock = classifier.recipe(duration_s=duration_s, offset_s=offset_s), _Clock()
    rate_hz = recipe.front_end.sample_rate_hz
    windows: list[TimelineWindow] = []
    with opener(source, recipe) as stream:
        _check_count(stream.expected_s, hop_s, max_windows)
        tell = progress or (lambda _done_s, _total_s: None)
        tell(0.0, stream.expected_s)
        cut = _cut(stream.blocks(), round(window_s * rate_hz), hop_s * rate_hz)
        size = _BATCH_CPU if classifier.device.type == "cpu" else _BATCH_GPU
        with closing(_read_ahead(cut, size, clock)) as batches:  # the decoder rests before the file is closed
            for batch in batches:
                for (place, waveform), posterior in zip(batch, _predict(classifier, batch, clock), strict=True):
                    start_s = offset_s + place * hop_s
                    windows.append(_window(start_s, start_s + len(waveform) / rate_hz, posterior))
                _check_count(len(windows) * hop_s, hop_s, max_windows)
                tell(windows[-1].end_s - offset_s, stream.expected_s)
        clip, notes = stream.info, stream.notes
    end_s = clip.offset_s + clip.duration_s
    return Timeline(
        windows=tuple(windows),
        segments=merge(
            windows, classifier.spec, window_s=window_s, hop_s=hop_s, end_s=end_s, min_segment_s=min_segment_s
        ),
        labels=classifier.spec.labels,
        window_s=window_s,
        hop_s=hop_s,
        min_segment_s=min_segment_s,
        clip=clip,
        model=classifier.info,
        timing_ms=Timing(
            decode=round(clock.decode, 2),
            spectrogram=round(clock.spectrogram, 2),
            network=round(clock.network, 2),
            total=round(1000 * (time.perf_counter() - started), 2),
        ),
        health=HealthReport(notes),
    )


def _check(window_s: float, hop_s: float, min_segment_s: float) -> None:
    for name, value in (("window_s", window_s), ("hop_s", hop_s), ("min_segment_s", min_segment_s)):
        check_number(name, value, "Give a number of seconds.")
    if not MIN_WINDOW_S <= window_s <= MAX_WINDOW_S:
        raise RequestError(
            f"window_s is {window_s:g}.", hint=f"A window can have {MIN_WINDOW_S:g} to {MAX_WINDOW_S:g} seconds."
        )
    if not MIN_HOP_S <= hop_s < float("inf"):
        raise RequestError(f"hop_s is {hop_s:g}.", hint=f"It must be {MIN_HOP_S:g} seconds or more.")
    if not 0 <= min_segment_s < float("inf"):
        raise RequestError(f"min_segment_s is {min_segment_s:g}.", hint="Give 0 seconds or more; 0 keeps all segments.")


def _check_count(duration_s: float | None, hop_s: float, max_windows: int) -> None:
    n_windows = 0 if duration_s is None else math.ceil(duration_s / hop_s)
    if n_windows > max_windows:
        raise RequestError(
            f"A window every {hop_s:g} s makes more than {max_windows} windows of this track, the limit.",
            hint="Choose a longer hop or a shorter excerpt.",
        )


def _cut(blocks: Iterator[Samples], window: int, hop: float) -> Iterator[tuple[int, Samples]]:
    """The windows of a track in `blocks`, each with its number: up to `window` samples, one every `hop`."""
    buffer, first, place = np.zeros(0, np.float32), 0, 0
    for block in blocks:
        buffer = np.concatenate([buffer, block])
        while (start := round(place * hop) - first) + window <= len(buffer):
            yield place, buffer[start : start + window]
            place += 1
        buffer, first = buffer[start:], first + min(start, len(buffer))
    while place == 0 or 2 * (len(buffer) - round(place * hop) + first) >= window:
        yield place, buffer[round(place * hop) - first :]
        place += 1


def _read_ahead(windows: Iterator[_T], size: int, clock: _Clock) -> Generator[list[_T], None, None]:
    """Lists of `size` windows; while the caller works on one, another thread decodes the next."""
    with ThreadPoolExecutor(1, thread_name_prefix="decode") as reader:
        upcoming = reader.submit(lambda: list(islice(windows, size)))
        while True:
            started = time.perf_counter()
            batch = upcoming.result()
            clock.decode += 1000 * (time.perf_counter() - started)
            if not batch:
                return
            upcoming = reader.submit(lambda: list(islice(windows, size)))
            yield batch


def _predict(classifier: GenreClassifier, batch: list[tuple[int, Samples]], clock: _Clock) -> list[Posterior | None]:
    """The prediction of each window, from one pass through the network; None for silence."""
    front_end, policy = classifier.spec.front_end, classifier.spec.windows
    started = time.perf_counter()
    silent = [loudest_db(waveform, front_end.sample_rate_hz) <= SILENCE_DB for _, waveform in batch]
    images = [
        clip_images(waveform, front_end, policy, device=classifier.device).inputs
        for (_, waveform), skipped in zip(batch, silent, strict=True)
        if not skipped
    ]
    drawn = time.perf_counter()
    logits = classifier.logits(torch.cat(images)) if images else torch.empty(0)
    parts = iter(torch.split(logits, [len(part) for part in images]))
    clock.spectrogram += 1000 * (drawn - started)
    clock.network += 1000 * (time.perf_counter() - drawn)
    return [
        None if skipped else classifier.posterior(next(parts), duration_s=len(waveform) / front_end.sample_rate_hz)
        for (_, waveform), skipped in zip(batch, silent, strict=True)
    ]


def _window(start_s: float, end_s: float, posterior: Posterior | None) -> TimelineWindow:
    if posterior is None:
        return TimelineWindow(start_s=start_s, end_s=end_s, probabilities={}, not_music=None, verdict="silence")
    return TimelineWindow(
        start_s=start_s,
        end_s=end_s,
        probabilities=posterior.probabilities,
        not_music=posterior.not_music,
        verdict=posterior.verdict,
    )
