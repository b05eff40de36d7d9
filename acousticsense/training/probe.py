"""A probe on the teachers' features: logistic regression under labels that we know, whose answers teach the student."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from acousticsense.training.bank import N_OUTPUTS, NOT_MUSIC_INDEX, Item, Windows, windows_of
from acousticsense.training.teachers.zero_shot import ClassLists, zero_shot_opinions

__all__ = ["Probe", "fit_probe", "shared_with_track", "soft_targets", "usual_scores"]

#: How far a known label is believed, the rest being the probe's opinion: rendered music sounds like its genre only in
#: part, and labels of recordings are more or less sure.
_BELIEF: Final = {"rendered": 0.75, "not_music": 1.0, "sure": 0.8, "unsure": 0.4}

#: Weight of a window of a labelled recording, a rendered one weighing 1.
_REAL_WEIGHT: Final = 2.0

#: In a blend mn04 and the regression on rendered music count 1, and the one on everything labelled n / (n + this) for a
#: genre that it learned from n recordings. Chosen by `held_out`, as are _RENDERED_DOUBT and _BLEND_SHARPNESS.
_FEW_RECORDINGS: Final = 2.0

#: Added to probabilities before their logarithm is taken, so that nobody's no is final.
_DOUBT: Final = 1e-3

#: The same for those about rendered music, of which a yes says much and a no little. Being no logarithm of a
#: probability any more, this moves a blend by itself: where all opinions are undecided, a genre that no recording
#: taught gets 2.9 times what one gets that many taught. Without that they are named too seldom (docs/training.md).
_RENDERED_DOUBT: Final = 0.5

#: A geometric mean flattens; this undoes it.
_BLEND_SHARPNESS: Final = 3.0


@dataclass(frozen=True)
class ScaledRegression:
    """Standardisation and logistic regression, fitted together."""

    scaler: StandardScaler
    regression: LogisticRegression

    def probabilities(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities (n, 17) of features (n, D)."""
        known = self.regression.predict_proba(_standardised(features, self.scaler))
        full = np.zeros((len(features), N_OUTPUTS), np.float32)
        full[:, self.regression.classes_] = known
        return full


@dataclass(frozen=True)
class Probe:
    """What the teachers' features say of a window's genre, learned twice.

    Recordings that are labelled differ from rendered music in more than their genre, and a regression on both learns
    that whatever sounds recorded is of the genres that were recorded: it is right about those, and wrong about the
    rest. One that heard no recording has no such opinion.

    Attributes:
        labelled: fitted on recordings, rendered music and sounds that are no music.
        rendered: fitted on the latter two alone; None where there are none of two classes.
        n_recordings: (16,) how many recordings of each genre `labelled` was fitted on.
    """

    labelled: ScaledRegression
    rendered: ScaledRegression | None
    n_recordings: NDArray[np.int64]

    @property
    def trust(self) -> NDArray[np.float64]:
        """How much the word of `labelled` about each genre (16,) counts, mn04's counting 1."""
        return np.asarray(self.n_recordings / (self.n_recordings + _FEW_RECORDINGS))


def fit_probe(items: list[Item], *, c: float) -> Probe:
    """Fits on the windows of every item whose label is known and not a network's guess.

    Args:
        items: of the training split.
        c: inverse strength of the L2 penalty.
    """
    windows = windows_of(items)
    labels = np.array([-1 if item.label is None else item.label for item in items])[windows.item]
    weights = np.array([_REAL_WEIGHT if item.track.kind == "real" else 1.0 for item in items])[windows.item]
    trusted = np.array([_is_trusted(item) for item in items])[windows.item]
    synthetic = trusted & ~np.array([item.track.is_recorded for item in items])[windows.item]

    def fitted(taught: NDArray[np.bool_], scaler: StandardScaler) -> ScaledRegression:
        regression = LogisticRegression(C=c, class_weight="balanced", max_iter=500)
        features = _standardised(windows.features[taught], scaler)
        return ScaledRegression(scaler, regression.fit(features, labels[taught], sample_weight=weights[taught]))

    rendered = None
    if len(np.unique(labels[synthetic])) > 1:
        rendered = fitted(synthetic, StandardScaler().fit(windows.features[synthetic]))
    recorded = [item.label for item in items if _is_trusted(item) and item.track.kind == "real"]
    return Probe(
        labelled=fitted(trusted, StandardScaler().fit(windows.features)),
        rendered=rendered,
        n_recordings=np.bincount(np.array(recorded, int), minlength=NOT_MUSIC_INDEX),
    )


def _standardised(features: NDArray[np.float32], scaler: StandardScaler) -> NDArray[np.float32]:
    """Features (n, D) with mean 0 and deviation 1 over the music the scaler was fitted on, outliers clipped."""
    return np.asarray(np.clip(scaler.transform(features), -4.0, 4.0), np.float32)


def _is_trusted(item: Item) -> bool:
    return item.label is not None and item.track.labelled_by_people


def soft_targets(
    items: list[Item],
    windows: Windows,
    probe: Probe,
    *,
    usual: NDArray[np.float32],
    class_lists: ClassLists | None = None,
) -> NDArray[np.float32]:
    """What the student should answer for each window: (W, 17), rows summing to 1.

    The opinion of a window is averaged with the opinion of the whole track, then mixed with the known label. On
    recordings the opinion is the geometric mean of mn04's own and the probe's two, of which one counts for genres that
    it learned from recordings. YAMNet's and musicnn's own opinions add nothing to that (`held_out`).

    Args:
        items: of any split.
        windows: theirs.
        probe: fitted on training items.
        usual: what the teachers say of music in general (m, S), see `usual_scores`.
        class_lists: what the teachers' outputs are called; without them the probe decides alone.
    """
    opinion = probe.labelled.probabilities(windows.features)
    is_real = np.array([item.track.is_recorded for item in items])[windows.item]
    if class_lists is not None and is_real.any():
        mn04 = zero_shot_opinions(windows.scores[is_real], usual, class_lists)["mn04"]
        rendered = None if probe.rendered is None else probe.rendered.probabilities(windows.features[is_real])
        opinion[is_real] = _blend(opinion[is_real], mn04, rendered, probe.trust)
    opinion = shared_with_track(opinion, windows)
    for index, item in enumerate(items):
        if item.label is not None:
            mine = windows.item == index
            belief = _belief(item)
            opinion[mine] *= 1 - belief
            opinion[mine, item.label] += belief
    return np.asarray(opinion / opinion.sum(1, keepdims=True), np.float32)


def shared_with_track(opinion: NDArray[np.float32], windows: Windows) -> NDArray[np.float32]:
    """What is said of each window (W, K), averaged with what is said of its whole track."""
    sums = np.zeros((windows.item.max() + 1, opinion.shape[1]), np.float32)
    np.add.at(sums, windows.item, opinion)
    means = sums / np.bincount(windows.item)[:, None]
    return np.asarray((opinion + means[windows.item]) / 2, np.float32)


def usual_scores(items: list[Item], windows: Windows) -> NDArray[np.float32]:
    """The teachers' scores (m, S) of recorded windows: what an opinion is relative to. Take the training items'."""
    is_recorded = np.array([item.track.is_recorded for item in items])[windows.item]
    return np.asarray(windows.scores[is_recorded])


def _belief(item: Item) -> float:
    if not item.track.is_recorded:
        return _BELIEF[item.track.kind]
    return _BELIEF["sure" if item.track.is_measurable else "unsure"]


def _blend(
    probed: NDArray[np.float32],
    mn04: NDArray[np.float32],
    rendered: NDArray[np.float32] | None,
    trust: NDArray[np.float64],
) -> NDArray[np.float32]:
    """The probe's opinion, its genres replaced by a sharpened geometric mean with mn04's and that of rendered music.

    Args:
        probed: (n, 17).
        mn04: (n, 16).
        rendered: (n, 17), if there is one.
        trust: (16,) what the probe's opinion of each genre weighs, each of the others' weighing 1.
    """
    total = trust * np.log(_genres(probed) + _DOUBT) + np.log(mn04 + _DOUBT)
    weight = trust + 1
    if rendered is not None:
        total, weight = total + np.log(_genres(rendered) + _RENDERED_DOUBT), weight + 1
    blended = np.exp(_BLEND_SHARPNESS * total / weight)
    not_music = probed[:, NOT_MUSIC_INDEX:]
    return np.concatenate([(1 - not_music) * blended / blended.sum(1, keepdims=True), not_music], 1).astype(np.float32)


def _genres(opinion: NDArray[np.float32]) -> NDArray[np.float32]:
    genres = opinion[:, :NOT_MUSIC_INDEX]
    return np.asarray(genres / genres.sum(1, keepdims=True))
