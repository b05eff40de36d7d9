"""The engine: one row for every file, the same as one at a time, whatever happens to a decoder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from torch import Tensor

from acousticsense.errors import AcousticSenseError
from acousticsense.inference.classifier import GenreClassifier
from acousticsense.library.decode import DecodedFile, decode_file
from acousticsense.library.engine import EngineOptions, LocalEngine
from acousticsense.library.predict import BatchPredictor
from acousticsense.library.rows import Row, RowError
from tests.library.conftest import EXAMPLES
from tests.library.decoders import misbehaving


def rows_of(engine: LocalEngine, paths: list[str]) -> dict[str, Row]:
    pairs = [pair for batch in engine.rows(paths) for pair in batch]
    assert len(pairs) == len(paths)
    return dict(pairs)


def test_a_row_is_what_one_prediction_would_be(classifier: GenreClassifier, library: Path) -> None:
    recipe = classifier.recipe()
    paths = [str(path) for path in sorted(library.rglob("*.*"))]
    rows = rows_of(LocalEngine(BatchPredictor(classifier, recipe), recipe, EngineOptions(workers=2, batch=2)), paths)
    assert set(rows) == set(paths)
    for path, row in rows.items():
        if row.error is not None:
            with pytest.raises(AcousticSenseError) as raised:
                classifier.predict(path)
            assert row.error == RowError.of(raised.value)
            assert (row.genre, row.confidence, row.verdict) == ("", None, None)
            continue
        prediction = classifier.predict(path)
        assert row.probabilities == pytest.approx(prediction.probabilities, abs=1e-6)
        assert row.top(5)[0].label == row.genre == prediction.top(1)[0].label
        assert (row.verdict, row.health, row.clip) == (prediction.verdict, prediction.health.notes, prediction.clip)
        assert row.model == prediction.model
        assert Row.from_dict(row.to_dict()) == row
    assert sum(row.error is not None for row in rows.values()) == 3


def test_hanging_and_crashing_decoders_are_rows_and_the_pool_goes_on(
    classifier: GenreClassifier, tmp_path: Path
) -> None:
    recipe = classifier.recipe()
    names = ["hang-1.ogg", "crash.ogg", "good-1.ogg", "killed.ogg", "hang-2.ogg", "good-2.ogg", "crash-2.ogg"]
    for name in names:
        shutil.copy(EXAMPLES / "sky-vibe.ogg", tmp_path / name)
    options = EngineOptions(workers=2, timeout_s=5)
    engine = LocalEngine(BatchPredictor(classifier, recipe), recipe, options, decode=misbehaving)
    rows = {Path(path).name: row for path, row in rows_of(engine, [str(tmp_path / name) for name in names]).items()}
    codes = {name: row.error.code if row.error else "" for name, row in rows.items()}
    assert codes == {
        "hang-1.ogg": "decoder_timeout",
        "hang-2.ogg": "decoder_timeout",
        "crash.ogg": "decoder_crashed",
        "crash-2.ogg": "decoder_crashed",
        "killed.ogg": "decoder_crashed",
        "good-1.ogg": "",
        "good-2.ogg": "",
    }
    assert rows["killed.ogg"].error is not None
    assert "SIGKILL" in rows["killed.ogg"].error.message
    assert rows["hang-1.ogg"].error is not None
    assert rows["hang-1.ogg"].error.passing


def test_paths_are_read_no_further_ahead_than_files_are_decoded(classifier: GenreClassifier, library: Path) -> None:
    recipe = classifier.recipe()
    read = 0

    def endless():  # type: ignore[no-untyped-def]
        nonlocal read
        while True:
            read += 1
            yield str(library / "a" / "broken.mp3")

    batches = LocalEngine(BatchPredictor(classifier, recipe), recipe, EngineOptions(workers=1, batch=2)).rows(endless())
    seen = len(next(batches)) + len(next(batches))
    assert read <= seen + 6
    batches.close()


def test_a_batch_that_fails_costs_only_the_clip_that_is_to_blame(
    classifier: GenreClassifier, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = classifier.recipe()
    good = decode_file(str(library / "a" / "starfall.mp3"), recipe)
    bad = decode_file(str(library / "a" / "sky-vibe.ogg"), recipe)
    assert isinstance(good, DecodedFile)
    assert isinstance(bad, DecodedFile)
    logits = type(classifier).logits

    def touchy(self: GenreClassifier, images: Tensor) -> Tensor:
        if any((image.numpy() == bad.images[0]).all() for image in images):
            raise RuntimeError("the device gave up")
        return logits(self, images)

    monkeypatch.setattr(type(classifier), "logits", touchy)
    first, second, third = BatchPredictor(classifier, recipe).rows([good, bad, good])
    assert first.error is None
    assert third.probabilities == first.probabilities
    assert second.error is not None
    assert (second.error.code, second.error.passing) == ("internal_error", True)


def test_an_answer_that_is_no_number_costs_only_its_own_clip(
    classifier: GenreClassifier, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = classifier.recipe()
    files = [decode_file(str(library / "a" / name), recipe) for name in ("starfall.mp3", "sky-vibe.ogg")]
    logits = type(classifier).logits

    def mute(self: GenreClassifier, images: Tensor) -> Tensor:
        answers = logits(self, images)
        answers[-1] = float("nan")
        return answers

    monkeypatch.setattr(type(classifier), "logits", mute)
    first, second = BatchPredictor(classifier, recipe).rows(files)
    assert first.error is None
    assert second.error is not None
    assert second.error.code == "checkpoint_corrupt"
    assert not second.probabilities


def test_images_that_were_analysed_before_are_not_analysed_again(
    classifier: GenreClassifier, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = classifier.recipe()
    file = decode_file(str(library / "a" / "starfall.mp3"), recipe)
    assert isinstance(file, DecodedFile)
    (row,) = BatchPredictor(classifier, recipe).rows([file])
    monkeypatch.setattr(type(classifier), "logits", None)
    known = {row.images_sha256: row}
    assert BatchPredictor(classifier, recipe, known.get).rows([file]) == [row]
