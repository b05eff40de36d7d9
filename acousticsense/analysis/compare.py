"""Two versions of a piece side by side: what moved, and what is only the noise of encoding the same music again.

Every codec, rate and level changes a probability a little. How much is nothing is measured on the two versions
themselves: each is encoded once more as an mp3 and analysed again, by the same model. Only a change well beyond that
is called one.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import soundfile
import soxr

from acousticsense.audio import AudioClip, Source, centroid_hz, integrated_lufs
from acousticsense.errors import AudioError
from acousticsense.inference.answer import Analysis
from acousticsense.inference.classifier import MODEL_DEFAULT, Duration, GenreClassifier
from acousticsense.inference.payload import prediction_payload, sentence
from acousticsense.inference.prediction import Advice, Prediction

__all__ = ["Comparison", "Sound", "compare", "comparison_csv", "comparison_payload", "comparison_sentences"]

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
        a: the first version.
        b: the second version.
        sound_a: how the first sounds.
        sound_b: how the second sounds.
        noise: largest change of a probability when either version is encoded once more.
        threshold: smallest change of a probability that is called one.
        findings: what moved, most important first; `texts` has their words under "compare.CODE".
    """

    a: Analysis
    b: Analysis
    sound_a: Sound
    sound_b: Sound
    noise: float
    threshold: float
    findings: tuple[Advice, ...]

    @property
    def differences(self) -> dict[str, float]:
        """Label -> probability in b minus probability in a, in label order."""
        before, after = self.a.prediction.probabilities, self.b.prediction.probabilities
        return {label: after[label] - before[label] for label in before}


def compare(
    classifier: GenreClassifier,
    source_a: Source,
    source_b: Source,
    *,
    duration_s: Duration = MODEL_DEFAULT,
    offset_s: float = 0.0,
) -> Comparison:
    """Predicts the same excerpt of two versions and says what moved from the first to the second.

    Args:
        classifier: predicts both.
        source_a: the first version; path, bytes or binary file object.
        source_b: the second version.
        duration_s: as for `GenreClassifier.analyse`.
        offset_s: where the excerpt begins, in both.

    Raises:
        AudioError: one of them is not audio, over a limit, or empty there.
    """
    a, b = (
        _analysed(classifier, name, source, duration_s, offset_s) for name, source in (("A", source_a), ("B", source_b))
    )
    sound_a, sound_b = _sound(a.audio), _sound(b.audio)
    noise = max(_noise(classifier, a), _noise(classifier, b))
    threshold = max(_LEAST_CHANGE, _BEYOND_NOISE * noise)
    findings = (
        *_genre_findings(a.prediction, b.prediction, noise, threshold),
        *_sound_findings(sound_a, sound_b),
        *_length_findings(a.audio.info.duration_s, b.audio.info.duration_s),
    )
    return Comparison(a=a, b=b, sound_a=sound_a, sound_b=sound_b, noise=noise, threshold=threshold, findings=findings)


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
    if (a.verdict == "not_music") != (b.verdict == "not_music"):
        return (Advice("music_lost" if b.verdict == "not_music" else "music_found", {}),)
    if best_a != best_b and max(abs(change[best_a]), abs(change[best_b])) > threshold:
        shares = {"before": 100 * a.probabilities[best_a], "after": 100 * b.probabilities[best_b]}
        return (Advice("best_changed", {"best": best_a, "second": best_b, **shares}),)
    values: dict[str, str | float] = {
        "best": mover,
        "before": 100 * a.probabilities[mover],
        "after": 100 * b.probabilities[mover],
    }
    return (Advice("rose" if change[mover] > 0 else "fell", values),)


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


def comparison_sentences(comparison: Comparison, language: str = "en") -> list[str]:
    """What moved, in words; label names are shown in `language`."""
    return [sentence(f"compare.{finding.code}", finding.values, language) for finding in comparison.findings]


def comparison_payload(comparison: Comparison, *, top_k: int = 5, language: str = "en") -> dict[str, Any]:
    """The response body of `/api/compare`.

    Args:
        comparison: of two versions.
        top_k: how many labels each `prediction` lists, best first.
        language: "en" or "zh", for sentences; labels and codes stay as they are.
    """
    a, b = comparison.sound_a, comparison.sound_b
    return {
        "summary": comparison_sentences(comparison, language),
        "moved": comparison.findings[0].code != "nothing",
        "differences": comparison.differences,
        "noise": comparison.noise,
        "threshold": comparison.threshold,
        "loudness_lufs": _pair(a.loudness_lufs, b.loudness_lufs),
        "brightness_hz": _pair(a.brightness_hz, b.brightness_hz),
        "a": prediction_payload(comparison.a.prediction, top_k=top_k, language=language),
        "b": prediction_payload(comparison.b.prediction, top_k=top_k, language=language),
    }


def comparison_csv(comparison: Comparison) -> str:
    """A row per label: its probability in both versions, and the change."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("label", "a", "b", "change"))
    before, after = comparison.a.prediction.probabilities, comparison.b.prediction.probabilities
    writer.writerows((label, before[label], after[label], after[label] - before[label]) for label in before)
    return buffer.getvalue()


def _pair(a: float | None, b: float | None) -> Mapping[str, float | None]:
    return {"a": a, "b": b, "difference": None if a is None or b is None else b - a}
