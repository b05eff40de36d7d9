"""Two versions of a piece: what is called a change, what is not, and the figures behind it."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile

from acousticsense.analysis.compare import Comparison, _genre_findings, compare_versions
from acousticsense.analysis.compare_payload import comparison_csv, comparison_payload, comparison_sentences
from acousticsense.audio.loudness import centroid_hz, integrated_lufs
from acousticsense.audio.types import HealthNote
from acousticsense.cli.main import main
from acousticsense.errors import AudioDecodeError, RequestError
from acousticsense.inference.classifier import GenreClassifier
from acousticsense.inference.payload import sentence
from acousticsense.inference.prediction import Prediction
from acousticsense.settings import Settings
from tests.conftest import RATE_HZ, play_chords


@pytest.fixture(scope="module")
def classifier(tiny_models: Path) -> GenreClassifier:
    return GenreClassifier.load(settings=Settings(models=tiny_models, model="tiny", device="cpu"))


@cache
def version(gain_db: float = 0.0, below_hz: float = 1e9, rate_hz: int = RATE_HZ, channels: int = 2) -> bytes:
    """The same chords, turned up or down and without what lies above a frequency."""
    samples = play_chords()[:, :channels]
    spectrum = np.fft.rfft(samples, axis=0)
    spectrum[np.fft.rfftfreq(len(samples), 1 / RATE_HZ) > below_hz] = 0
    file = io.BytesIO()
    soundfile.write(file, np.fft.irfft(spectrum, len(samples), axis=0) * 10 ** (gain_db / 20), rate_hz, format="WAV")
    return file.getvalue()


def compared(classifier: GenreClassifier, a: bytes, b: bytes) -> Comparison:
    (comparison,) = compare_versions(classifier, (a, b))
    return comparison


def codes(classifier: GenreClassifier, a: bytes, b: bytes) -> list[str]:
    return [finding.code for finding in compared(classifier, a, b).findings]


def test_the_same_file_twice_claims_nothing(classifier: GenreClassifier) -> None:
    same = compared(classifier, version(), version())
    assert [finding.code for finding in same.findings] == ["nothing"]
    assert not any(same.differences.values())


def test_an_mp3_of_the_same_music_claims_nothing(classifier: GenreClassifier, music_wav: Path, music_mp3: Path) -> None:
    assert codes(classifier, music_wav.read_bytes(), music_mp3.read_bytes()) == ["nothing"]


@pytest.mark.parametrize(
    ("gain_db", "below_hz", "code", "opposite"),
    [(-6.0, 1e9, "quieter", "louder"), (0.0, 1000.0, "darker", "brighter")],
)
def test_level_and_brightness_have_a_direction(
    classifier: GenreClassifier, gain_db: float, below_hz: float, code: str, opposite: str
) -> None:
    changed = version(gain_db, below_hz)
    assert code in codes(classifier, version(), changed)
    assert opposite in codes(classifier, changed, version())


def test_swapping_the_versions_turns_every_figure_round(classifier: GenreClassifier) -> None:
    there, back = (
        comparison_payload(compared(classifier, *pair))
        for pair in ((version(), version(-6, 1000)), (version(-6, 1000), version()))
    )
    assert there["differences"] == {label: -change for label, change in back["differences"].items()}
    assert there["loudness_lufs"]["difference"] == -back["loudness_lufs"]["difference"]
    assert there["threshold"] == back["threshold"]
    assert there["loudness_lufs"]["difference"] == pytest.approx(-6, abs=1.5)


def test_a_change_beyond_the_noise_is_named_with_its_shares(classifier: GenreClassifier) -> None:
    comparison = compared(classifier, version(), version(-6, 500))
    biggest = max(abs(change) for change in comparison.differences.values())
    assert comparison.threshold >= 2 * comparison.noise
    assert (comparison.findings[0].code == "nothing") == (biggest <= comparison.threshold)
    for language in ("en", "zh"):
        assert all(comparison_sentences(comparison, language))


def test_excerpts_of_different_length_come_with_a_warning(classifier: GenreClassifier) -> None:
    short = io.BytesIO()
    soundfile.write(short, play_chords(4.0), RATE_HZ, format="WAV")
    assert "lengths" in codes(classifier, version(), short.getvalue())


def test_an_error_says_which_version_it_is_about(classifier: GenreClassifier) -> None:
    with pytest.raises(AudioDecodeError, match=r"^Version B: "):
        compared(classifier, version(), b"no sound at all")


def test_further_versions_are_compared_with_the_first_as_if_they_were_alone(classifier: GenreClassifier) -> None:
    sources = version(), version(-6), version(0, 1000), version(-3, 500)
    together = compare_versions(classifier, sources)
    assert [comparison.version for comparison in together] == ["B", "C", "D"]
    for comparison, source in zip(together, sources[1:], strict=True):
        alone = compared(classifier, sources[0], source)
        assert comparison.differences == alone.differences
        assert (comparison.threshold, comparison.findings) == (alone.threshold, alone.findings)
    for language in ("en", "zh"):
        assert any(sentence.startswith("C ") for sentence in comparison_sentences(together[1], language))
    pair, body = comparison_payload(together[0]), comparison_payload(*together)
    untimed = {key: value for key, value in pair.items() if key not in {"a", "b"}}
    assert {key: body[key] for key in untimed} == untimed
    assert set(body) - set(pair) == {"others", "c", "d"}
    assert body["others"]["d"]["differences"] == together[2].differences
    rows = list(csv.DictReader(io.StringIO(comparison_csv(*together))))
    assert list(rows[0]) == ["label", "a", "b", "change", "c", "change_c", "d", "change_d"]
    assert [float(row["change_d"]) for row in rows] == list(together[2].differences.values())
    assert comparison_csv(together[0]).startswith("label,a,b,change\n")


@pytest.mark.parametrize("n_versions", [1, 5])
def test_two_to_four_versions_are_compared(classifier: GenreClassifier, n_versions: int) -> None:
    with pytest.raises(RequestError, match=f"^{n_versions} versions were sent"):
        compare_versions(classifier, [version()] * n_versions)


def test_the_command_prints_what_the_function_says(
    tiny_models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACOUSTICSENSE_MODELS", str(tiny_models))
    monkeypatch.setenv("ACOUSTICSENSE_MODEL", "tiny")
    a, b = tmp_path / "a.wav", tmp_path / "b.wav"
    a.write_bytes(version())
    b.write_bytes(version(-6))
    assert main(["compare", str(a), str(b), "--json"]) == 0
    body = json.loads(capsys.readouterr().out)
    assert body["loudness_lufs"]["difference"] == pytest.approx(-6, abs=0.05)
    assert main(["compare", str(a), str(b)]) == 0
    assert body["summary"][-1] in capsys.readouterr().out
    assert main(["compare", str(a), str(tmp_path / "gone.wav")]) == 1
    assert main(["compare", str(a), str(b), str(a), "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)["others"]) == ["c"]
    assert main(["compare", str(a), str(b), str(a)]) == 0
    assert "A to C\n" in capsys.readouterr().out
    assert main(["compare", *[str(a)] * 5]) == 1
    assert "5 versions were sent" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("a", "b", "code"),
    [
        ("plausible", "not_music", "music_lost"),
        ("not_music", "plausible", "music_found"),
        ("not_music", "not_music", "no_music"),
        ("plausible", "silence", "music_lost"),
        ("silence", "plausible", "music_found"),
        ("silence", "not_music", "no_music"),
    ],
)
def test_no_genre_is_told_of_what_is_no_music(classifier: GenreClassifier, a: str, b: str, code: str) -> None:
    predictions = [heard(classifier, state, best) for state, best in ((a, "Jazz"), (b, "Rock"))]
    (finding,) = _genre_findings(*predictions, noise=0.0, threshold=0.03)
    assert finding.code == code
    for language in ("en", "zh"):
        assert "Rock" not in sentence(f"compare.{code}", {**finding.values, "version": "B"}, language)


def heard(classifier: GenreClassifier, state: str, best: str) -> Prediction:
    """An answer that is surest of a genre, and that is no music or silent if asked."""
    prediction = classifier.predict(io.BytesIO(version()))
    silent = (HealthNote(code="silence", severity="error", value=-80.0),)
    return replace(
        prediction,
        probabilities={label: 0.7 if label == best else 0.02 for label in prediction.probabilities},
        verdict="not_music" if state == "not_music" else "plausible",
        health=replace(prediction.health, notes=silent if state == "silence" else ()),
    )


# Loudness and brightness


def sine(level_dbfs: float, hz: float = 997.0, seconds: float = 4.0, rate_hz: int = 48_000) -> np.ndarray:
    time_s = np.arange(int(seconds * rate_hz)) / rate_hz
    return (10 ** (level_dbfs / 20) * np.sin(2 * np.pi * hz * time_s)).astype(np.float32)


@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 44_100, 96_000])
def test_loudness_meets_the_first_case_of_ebu_tech_3341(rate_hz: int) -> None:
    stereo = np.stack([sine(-23, 1000, rate_hz=rate_hz)] * 2)
    assert integrated_lufs(stereo, rate_hz) == pytest.approx(-23, abs=0.1)


def test_loudness_is_gated_as_in_the_third_case_of_ebu_tech_3341() -> None:
    parts = [sine(-36, seconds=5), sine(-23, seconds=30), sine(-36, seconds=5)]
    assert integrated_lufs(np.stack([np.concatenate(parts)] * 2), 48_000) == pytest.approx(-23, abs=0.1)


def test_one_channel_is_as_loud_as_two_equal_ones_and_silence_has_no_loudness() -> None:
    mono = sine(-20)[None]
    assert integrated_lufs(mono, 48_000) == pytest.approx(integrated_lufs(np.repeat(mono, 2, axis=0), 48_000), abs=0.01)
    assert integrated_lufs(np.repeat(mono, 3, axis=0), 48_000) == pytest.approx(integrated_lufs(mono, 48_000), abs=0.01)
    for silent in (0 * mono, mono[:, :1000], mono[:, :0]):
        assert integrated_lufs(silent, 48_000) is None


@pytest.mark.parametrize("hz", [200.0, 1000.0, 8000.0])
def test_the_centre_of_a_tones_spectrum_is_the_tone_however_loud(hz: float) -> None:
    assert centroid_hz(sine(-10, hz), 48_000) == pytest.approx(hz, rel=0.05)
    assert centroid_hz(sine(-50, hz), 48_000) == pytest.approx(hz, rel=0.05)
    assert centroid_hz(0 * sine(0), 48_000) is None
    assert centroid_hz(sine(-10, hz)[:300], 48_000) is not None
