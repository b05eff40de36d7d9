"""From windows to segments: where in a track one genre ends and the next begins.

Each excerpt of one hop is given the mean probabilities of the windows that cover its middle. Its own best label would
flicker, so segments are the labelling of all excerpts with the highest sum of probabilities when each change costs
`CHANGE_COST` (a Viterbi search: Forney 1973, "The Viterbi Algorithm"). A lone window therefore keeps a genre of its own
only where it is 50 percentage points ahead of the genre around it, two windows in a row only with 25 points each, five
with 10 (at either end of a track, with half as many); and a segment's genre is the one that the mean over its excerpts
puts first.

"Not music" is as far ahead of the best genre as its probability exceeds the model's threshold for it. Silence is never
smoothed away: it is measured, not guessed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from acousticsense.analysis.results import Segment, TimelineWindow
from acousticsense.inference.confidence import verdict_of
from acousticsense.models.spec import ModelSpec

Matrix = NDArray[np.float64]

#: What a change of genre must gain: probability, summed over windows that do not overlap.
CHANGE_COST: Final = 0.25
#: Lengths that differ by less are the same; borders are sums of floats.
_LEAST_S: Final = 1e-6


def merge(
    windows: Sequence[TimelineWindow],
    spec: ModelSpec,
    *,
    window_s: float,
    hop_s: float,
    end_s: float,
    min_segment_s: float = 0.0,
) -> tuple[Segment, ...]:
    """The segments of a track, in order of time and without gaps, from the first window's start to `end_s`.

    Args:
        windows: one or more, each `hop_s` after the one before.
        spec: of the model that analysed them: its labels, and the thresholds of the verdicts.
        window_s: seconds in one window.
        hop_s: seconds from one window's start to the next.
        end_s: where the track ends.
        min_segment_s: what is shorter is given to the segment beside it; 0 keeps everything.
    """
    values, silent = _excerpts(windows, spec.labels, reach=max(1, math.ceil(window_s / hop_s - 0.5)))
    scores = _scores(values, silent, spec.calibration.not_music_at) * min(1.0, hop_s / window_s)
    borders_s = [*(window.start_s for window in windows), end_s]
    states = _without_short(_smoothest(scores), scores, borders_s, min_segment_s)
    return tuple(
        _segment(borders_s[first], borders_s[last], state, values[first:last].mean(axis=0), spec)
        for first, last, state in _runs(states)
    )


def _excerpts(
    windows: Sequence[TimelineWindow], labels: Sequence[str], *, reach: int
) -> tuple[Matrix, NDArray[np.bool_]]:
    """For the excerpt behind each window's start: the mean over the `reach` windows that cover it, and whether one of
    them is silent.

    Columns are the probability of each label and, last, of "not music"; 0 where it is not known.
    """
    values = np.array([[*(w.probabilities.get(label, 0.0) for label in labels), w.not_music or 0.0] for w in windows])
    silent = np.array([window.verdict == "silence" for window in windows])
    sums = np.cumsum(np.vstack([np.zeros((1, values.shape[1])), values]), axis=0)
    n_silent = np.cumsum(np.concatenate([[0], silent]))
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(0, ends - reach)
    return (sums[ends] - sums[starts]) / (ends - starts)[:, None], n_silent[ends] > n_silent[starts]


def _scores(values: Matrix, silent: NDArray[np.bool_], not_music_at: float | None) -> Matrix:
    """(n, n_labels + 2): what each excerpt gains as each label, as not music (last but one) and as silence (last)."""
    genres, not_music = values[:, :-1], values[:, -1]
    scores = np.full((len(values), values.shape[1] + 1), -np.inf)
    scores[:, :-2] = genres
    if not_music_at is not None:
        scores[:, -2] = genres.max(axis=1) + not_music - not_music_at
    scores[silent, :-1] = -np.inf
    scores[silent, -1] = 0.0
    return scores


def _smoothest(scores: Matrix) -> list[int]:
    """The state of each excerpt, for the highest sum of scores less `CHANGE_COST` for each change of state."""
    n, n_states = scores.shape
    stay = np.arange(n_states)
    came_from = np.empty((n, n_states), dtype=np.intp)
    total = scores[0]
    for index in range(1, n):
        best = int(total.argmax())
        changes = total[best] - CHANGE_COST > total
        came_from[index] = np.where(changes, best, stay)
        total = np.where(changes, total[best] - CHANGE_COST, total) + scores[index]
    states = [int(total.argmax())]
    for index in range(n - 1, 0, -1):
        states.append(int(came_from[index, states[-1]]))
    return states[::-1]


def _without_short(
    states: Sequence[int], scores: Matrix, borders_s: Sequence[float], min_segment_s: float
) -> list[int]:
    """Gives each run shorter than `min_segment_s` to the one beside it that scores more there, the shortest run first.

    Silence is measured: it takes nothing in, and nothing takes it in.
    """
    states, silence = list(states), scores.shape[1] - 1
    while True:
        runs = list(_runs(states))
        short = []
        for index, (first, last, state) in enumerate(runs):
            length_s = borders_s[last] - borders_s[first]
            others = [run[2] for run in (*runs[max(0, index - 1) : index], *runs[index + 1 : index + 2])]
            others = [other for other in others if other != silence]
            if length_s < min_segment_s - _LEAST_S and state != silence and others:
                short.append((length_s, first, last, others))
        if not short:
            return states
        _, first, last, others = min(short)
        best = max(others, key=lambda other: scores[first:last, other].sum())
        states[first:last] = [best] * (last - first)


def _runs(states: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """(first, one after the last, state) of each run of equal states."""
    first = 0
    for index in range(1, len(states) + 1):
        if index == len(states) or states[index] != states[first]:
            yield first, index, states[first]
            first = index


def _segment(start_s: float, end_s: float, state: int, mean: Matrix, spec: ModelSpec) -> Segment:
    if state > len(spec.labels):
        return Segment(start_s=start_s, end_s=end_s, genre=None, confidence=None, verdict="silence")
    confidence = float(mean[state])
    if state == len(spec.labels):
        return Segment(start_s=start_s, end_s=end_s, genre=None, confidence=confidence, verdict="not_music")
    shares = dict(zip(spec.labels, mean.tolist(), strict=False))
    verdict = verdict_of(shares, None, spec.calibration, duration_s=end_s - start_s)
    return Segment(start_s=start_s, end_s=end_s, genre=spec.labels[state], confidence=confidence, verdict=verdict)
