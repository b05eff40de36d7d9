"""Versions of a piece side by side: what moved, and what is only the noise of encoding the same music again.

The first version is the reference; each other one is compared with it, whatever others there are.

Every codec, rate and level changes a probability a little. How much is nothing is measured on the two versions
themselves: each is encoded once more as an mp3 and analysed again, by the same model. Only a change well beyond that
is called one.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import soundfile
import soxr

from acousticsense.audio.clip import AudioClip
from acousticsense.audio.loudness import centroid_hz, integrated_lufs
from acousticsense.audio.source import Source
from acousticsense.errors import AudioError, RequestError
from acousticsense.inference.answer import Analysis
from acousticsense.inference.classifier import MODEL_DEFAULT, Duration, GenreClassifier
from acousticsense.inference.prediction import Advice, Prediction

#: The names of the versions, the reference first: as many as can be compared at once.
VERSIONS: Final = ("A", "B", "C", "D")

#: A probability that changes by less is never worth a word, however steady the model is: 3 points.
_LEAST_CHANGE: Final = 0.03
#: How far beyond the change of one more encoding a change must go. `python -m benchmarks.reencoding` counts how often
#: other encodings of the same music still exceed it.
_BEYOND_NOISE: Final = 2.0
#: Half a loudness unit is what a codec or another rate may cost; it is inaudible.
_LEAST_LU: Final = 0.5
#: So is a shift of the spectral centroid by a twentieth.
_LEAST_BRIGHTNESS: Final = 0.05
#: Excerpts whose lengths differ by more than this share are not the same excerpt of the music.
_SAME_LENGTH: Final = 0.02
#: Sample rates that an mp3 can have.
_MP3_RATES_HZ: Final = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)


@dataclass(frozen=True, kw_only=True)
class Sound:
    """How a version sounds, apart from any genre.

    Attributes:
        loudness_lufs: integrated loudness of the excerpt (ITU-R BS.1770); None when it is silent or under 400 ms.
        brightness_hz: spectral centroid up to the highest frequency that is analysed; None for digital silence.
    """

    loudness_lufs: float | None
    brightness_hz: float | None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two analyses by one model, and what lies between them.

    Attributes:
        noise: largest change of a probability when either version is encoded once more.
        threshold: smallest change of a probability that is called one.
        findings: what moved, most important first; `i18n.messages` has their words under "compare.CODE".
        version: what the second is called, one of `VERSIONS`; the first is always "A".
    """

    a: Analysis
    b: Analysis
    sound_a: Sound
    sound_b: Sound
    noise: float
    threshold: float
    findings: tuple[Advice, ...]
    version: str = "B"

    @property
    def differences(self) -> dict[str, float]:
        """Label -> probability in b minus probability in a, in label order."""
        before, after = self.a.prediction.probabilities, self.b.prediction.probabilities
        return {label: after[label] - before[label] for label in before}


def compare_versions(
    classifier: GenreClassifier,
    sources: Sequence[Source],
    *,
    duration_s: Duration = MODEL_DEFAULT,
    offset_s: float = 0.0,
) -> tuple[Comparison, ...]:
    """Predicts the same excerpt of all versions and says what moved from the first to each other one.

    Args:
        sources: the versions, two to four, the reference first; path, bytes or binary file object of each.
        duration_s: as for `GenreClassifier.analyse`.
        offset_s: where the excerpt begins, in all.

    Returns:
        A comparison for each version but the first.

    Raises:
        RequestError: there are fewer than two or more than four.
        AudioError: one of them is not audio, over a limit, or empty there.
    """
    if not 2 <= len(sources) <= len(VERSIONS):
        raise RequestError(
            f"{len(sources)} versions were sent.", hint=f"Send 2 to {len(VERSIONS)} files, the reference first."
        )
    analyses = [
        _analysed(classifier, version, source, duration_s, offset_s)
        for version, source in zip(VERSIONS, sources, strict=False)
    ]
    sounds = [_sound(analysis.audio) for analysis in analyses]
    noises = [_noise(classifier, analysis) for analysis in analyses]
    return tuple(
        _comparison(version, analyses[0], analysis, (sounds[0], sound), max(noises[0], noise))
        for version, analysis, sound, noise in zip(VERSIONS[1:], analyses[1:], sounds[1:], noises[1:], strict=False)
    )


def analyses_of(comparisons: Sequence[Comparison]) -> dict[str, Analysis]:
    """The analysis of each version by its letter, "a" first, from comparisons with the same reference."""
    return {"a": comparisons[0].a, **{comparison.version.lower(): comparison.b for comparison in comparisons}}


def _comparison(version: str, a: Analysis, b: Analysis, sounds: tuple[Sound, Sound], noise: float) -> Comparison:
    threshold = max(_LEAST_CHANGE, _BEYOND_NOISE * noise)
    findings = (
        *_genre_findings(a.prediction, b.prediction, noise, threshold),
        *_sound_findings(*sounds),
        *_length_findings(a.audio.info.duration_s, b.audio.info.duration_s),
    )
    return Comparison(
        a=a,
        b=b,
        sound_a=sounds[0],
        sound_b=sounds[1],
        noise=noise,
        threshold=threshold,
        findings=findings,
        version=version,
    )


def _analysed(
    classifier: GenreClassifier, name: str, source: Source, duration_s: Duration, offset_s: float
) -> Analysis:
    """As `GenreClassifier.analyse`; an error says which version it is about."""
    try:
        return classifier.analyse(source, duration_s=duration_s, offset_s=offset_s)
    except AudioError as error:
        raise type(error)(f"Version {name}: {error.message}", hint=error.hint) from error


def _sound(audio: AudioClip) -> Sound:
    return Sound(
        loudness_lufs=integrated_lufs(audio.channels, audio.info.sample_rate_hz),
        brightness_hz=centroid_hz(audio.waveform, audio.sample_rate_hz),
    )


def _noise(classifier: GenreClassifier, analysis: Analysis) -> float:
    """The largest change of a probability when the excerpt goes through an mp3 once more."""
    again = classifier.predict(_as_mp3(analysis.audio), duration_s=analysis.audio.info.duration_s)
    before = analysis.prediction.probabilities
    return max(abs(again.probabilities[label] - before[label]) for label in before)


def _as_mp3(audio: AudioClip) -> io.BytesIO:
    """The excerpt at the encoder's default quality; what an mp3 cannot hold is mixed to mono or resampled first."""
    samples, rate_hz = audio.channels.T, audio.info.sample_rate_hz
    if samples.shape[1] > 2:
        samples = samples.mean(axis=1, dtype=np.float32)
    if rate_hz not in _MP3_RATES_HZ:
        samples, rate_hz = soxr.resample(samples, rate_hz, _MP3_RATES_HZ[-1]), _MP3_RATES_HZ[-1]
    encoded = io.BytesIO()
    soundfile.write(encoded, samples, rate_hz, format="MP3")
    return encoded


def _genre_findings(a: Prediction, b: Prediction, noise: float, threshold: float) -> tuple[Advice, ...]:
    """One sentence on the genres; where none of them moved, that and nothing else."""
    change = {label: b.probabilities[label] - a.probabilities[label] for label in a.probabilities}
    best_a, best_b = a.top(1)[0].label, b.top(1)[0].label
    mover = max(change, key=lambda label: abs(change[label]))
    if abs(change[mover]) <= threshold:
        return (Advice("nothing", {"noise": 100 * noise, "threshold": 100 * threshold}),)
    if not (_is_music(a) and _is_music(b)):
        return (Advice("music_lost" if _is_music(a) else "music_found" if _is_music(b) else "no_music", {}),)
    if best_a != best_b and max(abs(change[best_a]), abs(change[best_b])) > threshold:
        shares = {"before": 100 * a.probabilities[best_a], "after": 100 * b.probabilities[best_b]}
        return (Advice("best_changed", {"best": best_a, "second": best_b, **shares}),)
    values: dict[str, str | float] = {
        "best": mover,
        "before": 100 * a.probabilities[mover],
        "after": 100 * b.probabilities[mover],
    }
    return (Advice("rose" if change[mover] > 0 else "fell", values),)


def _is_music(prediction: Prediction) -> bool:
    """Whether its genres mean something."""
    return prediction.verdict != "not_music" and all(note.code != "silence" for note in prediction.health.notes)


def _sound_findings(a: Sound, b: Sound) -> tuple[Advice, ...]:
    findings = []
    if a.loudness_lufs is not None and b.loudness_lufs is not None:
        louder = b.loudness_lufs - a.loudness_lufs
        if abs(louder) >= _LEAST_LU:
            findings.append(Advice("louder" if louder > 0 else "quieter", {"value": abs(louder)}))
    if a.brightness_hz is not None and b.brightness_hz is not None:
        ratio = b.brightness_hz / a.brightness_hz
        if not 1 / (1 + _LEAST_BRIGHTNESS) < ratio < 1 + _LEAST_BRIGHTNESS:
            values = {"before": a.brightness_hz, "after": b.brightness_hz}
            findings.append(Advice("brighter" if ratio > 1 else "darker", values))
    return tuple(findings)


def _length_findings(a_s: float, b_s: float) -> tuple[Advice, ...]:
    if abs(a_s - b_s) <= _SAME_LENGTH * max(a_s, b_s):
        return ()
    return (Advice("lengths", {"before": a_s, "after": b_s}),)
