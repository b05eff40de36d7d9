"""The classifier: one answer per clip, whatever form the clip comes in."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from acousticsense.errors import AudioEmptyError, CorruptCheckpointError, RequestError, SettingsError, UnknownModelError
from acousticsense.inference.classifier import GenreClassifier
from acousticsense.inference.device import pick_device
from acousticsense.inference.facade import predict_genre
from acousticsense.inference.payload import advice_text, prediction_payload
from acousticsense.inference.prediction import Prediction, WindowVote
from acousticsense.models.genres import GENRES
from acousticsense.models.spec import Calibration
from acousticsense.settings import Settings
from acousticsense.spectrogram.front_end import WindowPolicy
from tests.conftest import RATE_HZ, play_chords


@pytest.fixture(scope="module")
def classifier(tiny_models: Path) -> GenreClassifier:
    return GenreClassifier.load("tiny", settings=Settings(models=tiny_models, device="cpu"))


def with_windows(classifier: GenreClassifier, **changes: object) -> GenreClassifier:
    windows = WindowPolicy(**changes)  # type: ignore[arg-type]  # the test's own keyword arguments
    return GenreClassifier(classifier._network, replace(classifier.spec, windows=windows), device=torch.device("cpu"))


def same(one: Prediction, other: Prediction, tolerance: float = 1e-6) -> bool:
    return list(one.probabilities.values()) == pytest.approx(list(other.probabilities.values()), abs=tolerance)


def test_sixteen_probabilities_sum_to_one(classifier: GenreClassifier, music_mp3: Path) -> None:
    prediction = classifier.predict(music_mp3)
    assert tuple(prediction.probabilities) == GENRES
    assert sum(prediction.probabilities.values()) == pytest.approx(1, abs=1e-9)
    assert prediction.not_music is not None
    assert 0 <= prediction.not_music <= 1


def test_numbers_that_are_not_finite_are_no_answer(classifier: GenreClassifier) -> None:
    for wrong in (float("nan"), float("inf")):
        logits = torch.zeros(2, len(GENRES) + 1)
        logits[1, 3] = wrong
        with pytest.raises(CorruptCheckpointError, match="tiny answers with numbers that are not finite"):
            classifier.posterior(logits)


def test_top_is_sorted_and_cut(classifier: GenreClassifier, music_mp3: Path) -> None:
    scores = [score.confidence for score in classifier.predict(music_mp3).top(5)]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == 5


def test_path_bytes_and_file_object_are_the_same(classifier: GenreClassifier, music_mp3: Path) -> None:
    from_path = classifier.predict(music_mp3)
    assert same(from_path, classifier.predict(str(music_mp3)))
    assert same(from_path, classifier.predict(music_mp3.read_bytes()))
    assert same(from_path, classifier.predict(io.BytesIO(music_mp3.read_bytes())))


def test_stereo_is_its_mono_mean(classifier: GenreClassifier, tmp_path: Path) -> None:
    stereo = play_chords(10.0)
    soundfile.write(tmp_path / "stereo.wav", stereo, RATE_HZ, subtype="FLOAT")
    soundfile.write(tmp_path / "mono.wav", stereo.mean(axis=1), RATE_HZ, subtype="FLOAT")
    assert same(classifier.predict(tmp_path / "stereo.wav"), classifier.predict(tmp_path / "mono.wav"), 1e-4)


def test_an_offset_is_the_same_as_a_cut(classifier: GenreClassifier, tmp_path: Path) -> None:
    piece = play_chords(14.0)
    soundfile.write(tmp_path / "whole.wav", piece, RATE_HZ, subtype="FLOAT")
    soundfile.write(tmp_path / "cut.wav", piece[2 * RATE_HZ : 12 * RATE_HZ], RATE_HZ, subtype="FLOAT")
    assert same(
        classifier.predict(tmp_path / "whole.wav", offset_s=2.0), classifier.predict(tmp_path / "cut.wav"), 0.02
    )


def test_a_short_clip_loops_to_fill(classifier: GenreClassifier, tmp_path: Path) -> None:
    piece = play_chords(4.0)
    soundfile.write(tmp_path / "short.wav", piece, RATE_HZ, subtype="FLOAT")
    soundfile.write(tmp_path / "looped.wav", np.tile(piece, (3, 1))[: 10 * RATE_HZ], RATE_HZ, subtype="FLOAT")
    short = classifier.predict(tmp_path / "short.wav")
    assert same(short, classifier.predict(tmp_path / "looped.wav"), 0.02)
    assert short.clip.duration_s == pytest.approx(4.0, abs=0.01)


def test_batch_is_single(classifier: GenreClassifier, music_wav: Path) -> None:
    images = classifier.analyse(music_wav, duration_s=None).images.inputs
    images = torch.cat([images, images.flip(3)])
    one_by_one = torch.cat([classifier.logits(image[None]) for image in images])
    assert torch.allclose(classifier.logits(images), one_by_one, atol=1e-4)


def test_windows_are_averaged(classifier: GenreClassifier, music_wav: Path) -> None:
    analysis = with_windows(classifier, window_s=4.0).analyse(music_wav, duration_s=12.0)
    assert analysis.window_probabilities.shape == (3, 16)
    mean = analysis.window_probabilities.mean(dim=0).tolist()
    assert list(analysis.prediction.probabilities.values()) == pytest.approx(mean, abs=1e-6)


def test_a_vote_stands_beside_the_mean_and_does_not_replace_it(classifier: GenreClassifier, music_wav: Path) -> None:
    averaging = with_windows(classifier, window_s=4.0).predict(music_wav, duration_s=12.0)
    voting = with_windows(classifier, window_s=4.0, vote="majority")
    analysis = voting.analyse(music_wav, duration_s=12.0)
    assert analysis.prediction.probabilities == averaging.probabilities
    winners = [GENRES[index] for index in analysis.window_probabilities.argmax(dim=1).tolist()]
    vote = analysis.prediction.vote
    assert vote is not None
    assert (vote.windows, vote.of) == (winners.count(vote.label), 3)
    assert vote.windows == max(winners.count(label) for label in winners)
    assert prediction_payload(analysis.prediction)["vote"] == {
        "label": vote.label,
        "windows": vote.windows,
        "of": vote.of,
    }
    assert f"{vote.windows} of 3" in advice_text(analysis.prediction.advice[-1])


def test_the_vote_may_name_another_label_than_the_mean(classifier: GenreClassifier) -> None:
    logits = torch.zeros(3, classifier.spec.n_outputs)
    logits[:2, 0], logits[2, 1] = 1.0, 9.0
    posterior = with_windows(classifier, vote="majority").posterior(logits)
    assert max(posterior.probabilities, key=lambda label: posterior.probabilities[label]) == GENRES[1]
    assert posterior.vote == WindowVote(GENRES[0], 2, 3)


def test_a_single_windows_vote_is_not_certainty(classifier: GenreClassifier, music_wav: Path) -> None:
    prediction = with_windows(classifier, vote="majority").predict(music_wav, duration_s=10.0)
    assert max(prediction.probabilities.values()) < 1
    assert prediction.vote == WindowVote(prediction.top(1)[0].label, 1, 1)
    assert "vote" not in [advice.code for advice in prediction.advice]


def test_models_without_a_vote_have_none(classifier: GenreClassifier, music_wav: Path) -> None:
    prediction = classifier.predict(music_wav)
    assert prediction.vote is None
    assert "vote" not in prediction_payload(prediction)


def test_temperature_flattens(classifier: GenreClassifier, music_wav: Path) -> None:
    hot = replace(classifier.spec, calibration=replace(classifier.spec.calibration, temperature=4.0))
    flat = GenreClassifier(classifier._network, hot, device=torch.device("cpu")).predict(music_wav)
    sharp = classifier.predict(music_wav)
    assert flat.top(1)[0].label == sharp.top(1)[0].label
    assert flat.top(1)[0].confidence < sharp.top(1)[0].confidence


def test_the_answer_can_be_audited(classifier: GenreClassifier, music_mp3: Path) -> None:
    prediction = classifier.predict(music_mp3)
    assert prediction.model.name == "tiny"
    assert len(prediction.model.weights_sha256) == 64
    assert prediction.clip.channels == 2
    assert prediction.clip.sample_rate_hz == RATE_HZ
    assert prediction.timing_ms.total >= prediction.timing_ms.network > 0


def test_an_offset_beyond_the_end(classifier: GenreClassifier, music_wav: Path) -> None:
    with pytest.raises(AudioEmptyError, match="12"):
        classifier.predict(music_wav, offset_s=500)


def test_an_image_the_model_does_not_know(classifier: GenreClassifier) -> None:
    with pytest.raises(RequestError, match="not trained on cqt"):
        classifier.for_spectrogram("cqt")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top_k": "3"}, "top_k is '3'"),
        ({"top_k": 2.5}, r"top_k is '2\.5'"),
        ({"top_k": 0}, "top_k is 0"),
        ({"duration_sec": "10"}, "duration asked for is '10'"),
        ({"offset_sec": "1"}, "offset asked for is '1'"),
        ({"offset_sec": None}, "offset asked for is 'None'"),
    ],
)
def test_what_is_no_number_is_refused(
    classifier: GenreClassifier, music_wav: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(RequestError, match=message) as caught:
        predict_genre(classifier, music_wav, **options)
    assert caught.value.hint


def test_all_is_the_whole_track(classifier: GenreClassifier, music_wav: Path) -> None:
    whole = predict_genre(classifier, music_wav, duration_sec=None)
    assert predict_genre(classifier, music_wav, duration_sec="all") == whole


def test_numbers_of_numpy_are_numbers(classifier: GenreClassifier, music_wav: Path) -> None:
    theirs: dict[str, Any] = {"duration_sec": np.float32(3), "top_k": np.int64(4)}
    assert predict_genre(classifier, music_wav, **theirs) == predict_genre(
        classifier, music_wav, duration_sec=3.0, top_k=4
    )


def test_one_model_sees_mel_or_cqt_each_with_its_own_calibration(cnn_models: Path, music_wav: Path) -> None:
    classifier = GenreClassifier.load("mobilenetv3_large", settings=Settings(models=cnn_models, device="cpu"))
    mel, cqt = (classifier.for_spectrogram(kind).analyse(music_wav) for kind in classifier.spec.kinds)
    assert (mel.prediction.model.spectrogram, cqt.prediction.model.spectrogram) == ("mel", "cqt")
    assert (mel.images.front_end.kind, cqt.images.front_end.kind) == ("mel", "cqt")
    assert mel.prediction == replace(classifier.predict(music_wav), timing_ms=mel.prediction.timing_ms)
    assert dict(predict_genre(classifier, music_wav, top_k=16, spectrogram="cqt")) == cqt.prediction.probabilities
    for_cqt = classifier.for_spectrogram("cqt")
    assert for_cqt.spec.calibration.temperature != classifier.spec.calibration.temperature
    expected, _ = for_cqt.probabilities(classifier.logits(cqt.images.inputs))
    assert list(cqt.prediction.probabilities.values()) == pytest.approx(expected[0].tolist(), abs=1e-6)


def test_an_unknown_model_lists_what_there_is(tiny_models: Path) -> None:
    with pytest.raises(UnknownModelError, match="tiny"):
        GenreClassifier.load("huge", settings=Settings(models=tiny_models))


def test_devices() -> None:
    assert pick_device("cpu").type == "cpu"
    with pytest.raises(SettingsError, match="'abacus' cannot be used"):
        pick_device("abacus")


def calibrated(classifier: GenreClassifier, measured_on: str) -> GenreClassifier:
    """Very sure of whatever it says."""
    calibration = Calibration(temperature=0.001, measured_on=measured_on)
    spec = replace(classifier.spec, calibration=calibration)
    return GenreClassifier(classifier.network, spec, device=torch.device("cpu"))


def test_random_weights_that_nobody_measured_are_unsure_however_sure_they_are(
    classifier: GenreClassifier, music_mp3: Path
) -> None:
    unmeasured, measured = (calibrated(classifier, words).predict(music_mp3) for words in ("", "a test"))
    assert unmeasured.top(1) == measured.top(1)
    assert unmeasured.top(1)[0].confidence > 0.9
    assert (unmeasured.verdict, measured.verdict) == ("unsure", "confident")
    assert prediction_payload(unmeasured)["verdict"] == "unsure"
    assert "not been shown to be reliable" in prediction_payload(unmeasured)["advice"][0]


def test_less_than_three_seconds_of_sound_are_never_more_than_unsure(
    classifier: GenreClassifier, music_mp3: Path
) -> None:
    sure = calibrated(classifier, "a test")
    short, enough = (sure.predict(music_mp3, duration_s=seconds) for seconds in (2.5, 3.5))
    assert (short.verdict, enough.verdict) == ("unsure", "confident")
    assert "2.5 s of sound are too little to be sure" in advice_text(short.advice[0])
