"""Answers given before: found by content, bounded in bytes, and never another's."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from acousticsense.inference.answer_cache import AnswerCache, content_digest
from acousticsense.serving.requests import PredictRequest
from acousticsense.serving.service import PredictionService
from acousticsense.settings import Settings


def test_the_longest_unused_answer_makes_room() -> None:
    cache: AnswerCache[str] = AnswerCache(10)
    cache.put("a", "A", 4)
    cache.put("b", "B", 4)
    assert cache.get("a") == "A"
    cache.put("c", "C", 4)
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == ("A", None, "C")


def test_an_answer_larger_than_everything_is_not_kept_and_drives_nothing_out() -> None:
    cache: AnswerCache[str] = AnswerCache(10)
    cache.put("a", "A", 4)
    cache.put("huge", "H", 11)
    assert (cache.get("a"), cache.get("huge")) == ("A", None)


def test_replacing_an_answer_counts_its_memory_once() -> None:
    cache: AnswerCache[str] = AnswerCache(10)
    for _ in range(5):
        cache.put("a", "A", 6)
    cache.put("b", "B", 4)
    assert (cache.get("a"), cache.get("b")) == ("A", "B")


def test_a_file_its_bytes_and_its_object_are_the_same_content(tmp_path: Path) -> None:
    (tmp_path / "song").write_bytes(b"sound")
    stream = io.BytesIO(b"sound")
    stream.read()
    digests = {content_digest(source) for source in (tmp_path / "song", str(tmp_path / "song"), b"sound", stream)}
    assert len(digests) == 1
    assert stream.tell() == 0
    assert digests != {content_digest(b"noise")}


def test_what_cannot_be_read_again_has_no_digest(tmp_path: Path) -> None:
    assert content_digest(tmp_path / "missing") is None
    assert content_digest(tmp_path) is None


@pytest.fixture(scope="module")
def service(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> PredictionService:
    cache_dir = tmp_path_factory.mktemp("cache")
    return PredictionService(Settings(models=tiny_models, model="tiny", device="cpu", cache_dir=cache_dir))


def is_repeated(service: PredictionService, source: Path | bytes, request: PredictRequest) -> bool:
    return service.analyse(source, request).prediction.timing_ms.network == 0


def test_the_same_file_is_analysed_once(service: PredictionService, music_mp3: Path) -> None:
    request = PredictRequest(offset_s=1.0)
    first = service.analyse(music_mp3, request)
    again = service.analyse(music_mp3.read_bytes(), request.model_copy(update={"top_k": 3}))
    assert first.prediction.timing_ms.network > 0
    assert again.prediction.timing_ms.network == 0
    assert again.prediction.probabilities == first.prediction.probabilities


def test_what_is_kept_has_no_channels_and_takes_less_than_half_of_the_memory(
    service: PredictionService, music_mp3: Path
) -> None:
    request = PredictRequest(offset_s=1.5)
    first, again = service.analyse(music_mp3, request), service.analyse(music_mp3, request)
    assert first.audio.channels.shape[1] > 0
    assert again.audio.channels.shape == (2, 0)
    assert again.n_bytes < first.n_bytes / 2
    assert again.audio.waveform.size == first.audio.waveform.size


def test_another_file_excerpt_or_model_is_another_answer(
    service: PredictionService, music_mp3: Path, music_wav: Path
) -> None:
    assert not is_repeated(service, music_mp3, PredictRequest(offset_s=2.0))
    assert not is_repeated(service, music_mp3, PredictRequest(offset_s=2.5))
    assert not is_repeated(service, music_mp3, PredictRequest(offset_s=2.0, duration_s=5.0))
    assert not is_repeated(service, music_wav, PredictRequest(offset_s=2.0))
    assert is_repeated(service, music_mp3, PredictRequest(offset_s=2.0))


def test_what_was_computed_in_another_way_is_not_given_again(service: PredictionService, music_mp3: Path) -> None:
    class Other:
        name = "other"
        logits = staticmethod(service.classifier("")._engine.backend.logits)

    request = PredictRequest(offset_s=3.0)
    assert not is_repeated(service, music_mp3, request)
    before = service.classifier("")._engine.backend
    service.classifier("").use(Other())
    assert not is_repeated(service, music_mp3, request)
    assert service.analyse(music_mp3, request).prediction.model.backend == "other"
    service.classifier("").use(before)
    assert is_repeated(service, music_mp3, request)


def test_nothing_of_a_private_request_is_kept_or_given(service: PredictionService, music_mp3: Path) -> None:
    private = PredictRequest(offset_s=4.0, private=True)
    assert not is_repeated(service, music_mp3, private)
    assert not is_repeated(service, music_mp3, PredictRequest(offset_s=4.0))
    assert not is_repeated(service, music_mp3, private)


def test_without_memory_for_it_nothing_is_kept(tiny_settings: Settings, music_mp3: Path) -> None:
    service = PredictionService(tiny_settings.replace(answer_cache_mb=0))
    assert not is_repeated(service, music_mp3, PredictRequest())
    assert not is_repeated(service, music_mp3, PredictRequest())
