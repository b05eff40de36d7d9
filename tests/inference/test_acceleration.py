"""Faster networks: used when they pass the equivalence check, kept on disk for later starts; nobody waits for them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from acousticsense.cli.main import main
from acousticsense.errors import RequestError, SettingsError
from acousticsense.inference.acceleration import _choose, accelerate
from acousticsense.inference.accelerator import Accelerator
from acousticsense.inference.backends import Backend
from acousticsense.inference.backends.equivalence import EquivalenceReport, compare
from acousticsense.inference.backends.openvino import (
    SHARES,
    OpenVinoBackend,
    convert,
    exclude_first,
    has_bfloat16,
    library_versions,
)
from acousticsense.inference.backends.selection import network_key, network_store, stored_backend
from acousticsense.inference.backends.store import NetworkStore
from acousticsense.inference.classifier import GenreClassifier
from acousticsense.inference.equivalence_data import EXAMPLES, EquivalenceData, example_data, folder_data
from acousticsense.inference.trials import Comparison, Trial
from acousticsense.models.genres import GENRES
from acousticsense.models.networks import build_network
from acousticsense.serving.requests import PredictRequest
from acousticsense.serving.service import PredictionService
from acousticsense.settings import Settings
from acousticsense.spectrogram.front_end import NATIVE_MEL

needs_openvino = pytest.mark.skipif(library_versions() is None, reason="needs the extra openvino")

MODELS = Path(__file__).resolve().parents[2] / "models"


# --- the equivalence check


def test_the_same_answers_pass() -> None:
    answers = torch.softmax(torch.randn(400, 16), dim=1)
    report = compare(answers, answers.clone())
    assert report == EquivalenceReport(n_windows=400, agreement=1.0, mean_change=0.0, max_change=0.0)
    assert report.passed


def swapped(answers: Tensor, rows: int) -> Tensor:
    """Other labels win the first `rows`."""
    return torch.cat([answers[:rows].roll(1, dims=1), answers[rows:]])


def test_another_label_in_more_than_one_of_200_windows_fails() -> None:
    answers = torch.full((400, 16), 0.05) + 0.2 * torch.eye(16).repeat(25, 1)
    assert compare(answers, swapped(answers, 2)).passed
    assert not compare(answers, swapped(answers, 3)).passed


def test_probabilities_that_move_fail_though_every_label_stays() -> None:
    answers = torch.full((200, 2), 0.5) + torch.tensor([0.2, -0.2])
    assert compare(answers, answers + torch.tensor([0.009, -0.009])).passed
    assert not compare(answers, answers + torch.tensor([0.011, -0.011])).passed


def test_what_is_no_number_fails() -> None:
    answers = torch.softmax(torch.randn(10, 16), dim=1)
    assert not compare(answers, answers * float("nan")).passed


# --- choosing


def trial(backend: str, latency_ms: float, *, passed: bool = True) -> Trial:
    report = EquivalenceReport(n_windows=1, agreement=float(passed), mean_change=0.0, max_change=0.0)
    return Trial(backend=backend, excluded=0.0, equivalence=report, latency_ms=latency_ms)


def test_the_fastest_that_passed_is_chosen() -> None:
    trials = [trial("pytorch-fp32", 100), trial("openvino-fp32", 60), trial("openvino-int8", 20)]
    assert _choose(trials, "auto").backend == "openvino-int8"
    refused = [*trials[:2], trial("openvino-int8", 20, passed=False)]
    assert _choose(refused, "auto").backend == "openvino-fp32"
    assert _choose(refused, "openvino-int8").backend == "openvino-fp32"


def test_pytorch_stays_unless_another_is_worth_it() -> None:
    trials = [trial("pytorch-fp32", 100), trial("openvino-fp32", 98), trial("openvino-int8", 130)]
    assert _choose(trials, "auto").backend == "pytorch-fp32"
    assert _choose(trials, "openvino-int8").backend == "openvino-int8"


# --- the store


def put(store: NetworkStore, key: str, content: bytes = b"network") -> None:
    store.put(key, {"chosen": "x"}, lambda file: (file.write_bytes(content), None)[1])


def test_what_is_kept_is_found_again(tmp_path: Path) -> None:
    store = NetworkStore(tmp_path / "new" / "store")
    assert store.get("key") is None
    put(store, "key", b"first")
    put(store, "key", b"second")
    found = store.get("key")
    assert found is not None
    assert found.network is not None
    assert found.network.read_bytes() == b"second"
    assert [path.name for path in store.root.iterdir()] == ["key"]


def test_a_report_without_a_network_is_kept_too(tmp_path: Path) -> None:
    store = NetworkStore(tmp_path)
    store.put("key", {"chosen": "pytorch-fp32"}, None)
    found = store.get("key")
    assert found is not None
    assert (found.network, found.report) == (None, {"chosen": "pytorch-fp32"})


@pytest.mark.parametrize("damage", ["cut", "gone", "report"])
def test_what_was_damaged_is_not_found_and_can_be_replaced(tmp_path: Path, damage: str) -> None:
    store = NetworkStore(tmp_path)
    put(store, "key")
    if damage == "cut":
        (tmp_path / "key" / "network.xml").write_bytes(b"netw")
    elif damage == "gone":
        (tmp_path / "key" / "network.xml").unlink()
    else:
        (tmp_path / "key" / "report.json").write_text("{")
    assert store.get("key") is None
    put(store, "key")
    assert store.get("key") is not None


def test_a_failure_while_writing_leaves_nothing(tmp_path: Path) -> None:
    def fail(file: Path) -> None:
        file.write_bytes(b"half")
        raise OSError("disk full")

    store = NetworkStore(tmp_path)
    with pytest.raises(OSError, match="disk full"):
        store.put("key", {}, fail)
    assert list(tmp_path.iterdir()) == []


def test_the_longest_unused_go_when_there_are_many(tmp_path: Path) -> None:
    store = NetworkStore(tmp_path)
    for number in range(33):
        put(store, f"key{number}")
        os.utime(tmp_path / f"key{number}", (number, number))
        if number == 31:
            assert store.get("key0")  # used again
    assert store.get("key0") is not None
    assert store.get("key1") is None


def test_what_an_ended_process_left_is_cleared_away(tmp_path: Path) -> None:
    (tmp_path / ".writing-old").mkdir()
    with NetworkStore(tmp_path).exclusive() as scratch:
        assert scratch.is_dir()
        assert not (tmp_path / ".writing-old").exists()
    assert not scratch.exists()


# --- data


@pytest.fixture(scope="module")
def classifier(tiny_models: Path) -> GenreClassifier:
    return GenreClassifier.load("tiny", settings=Settings(models=tiny_models, device="cpu", backend="pytorch"))


def unique(images: Tensor) -> set[bytes]:
    return {image.numpy().tobytes() for image in images}


def test_nothing_is_both_calibrated_and_compared_on(classifier: GenreClassifier) -> None:
    data = example_data(classifier.spec, n_comparison=40, n_calibration=20)
    assert (len(data.comparison), len(data.calibration)) == (40, 20)
    assert len(unique(data.comparison)) == 40
    assert not unique(data.comparison) & unique(data.calibration)


def test_recordings_of_a_folder_go_to_one_or_to_the_other(classifier: GenreClassifier, tmp_path: Path) -> None:
    clips = sorted(path for path in EXAMPLES.iterdir() if path.suffix == ".ogg")[:2]
    for clip in clips:
        (tmp_path / clip.with_suffix(".oga").name).write_bytes(clip.read_bytes())
    (tmp_path / "._hidden.ogg").write_bytes(b"what macOS adds")
    (tmp_path / "z-not-audio.mp3").write_bytes(b"nothing")
    data = folder_data(classifier.spec, tmp_path, n_comparison=500)
    expected = classifier.analyse(clips[1]).images.inputs
    assert torch.equal(data.comparison, expected)
    assert torch.equal(data.calibration, classifier.analyse(clips[0]).images.inputs)


def test_one_recording_is_too_few(classifier: GenreClassifier, music_mp3: Path) -> None:
    with pytest.raises(RequestError, match="1 recordings"):
        folder_data(classifier.spec, music_mp3.parent, n_comparison=500)


# --- the whole


@pytest.fixture(scope="module")
def settings(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    cache_dir = tmp_path_factory.mktemp("cache")
    return Settings(models=tiny_models, model="tiny", device="cpu", cache_dir=cache_dir, backend="openvino")


@pytest.fixture(scope="module")
def data(classifier: GenreClassifier) -> EquivalenceData:
    return example_data(classifier.spec, n_comparison=12, n_calibration=6)


@pytest.fixture(scope="module")
def accelerated(settings: Settings, classifier: GenreClassifier, data: EquivalenceData) -> Settings:
    """The settings, with tiny's network in their store."""
    outcome = accelerate(classifier, network_store(settings), data, wanted=settings.backend)
    assert outcome is not None
    assert [entry.backend for entry in outcome.trials] == ["pytorch-fp32", "openvino-fp32"]
    assert outcome.trials[1].equivalence.mean_change < 1e-4
    assert outcome.chosen == "openvino-fp32"
    assert outcome.to_table().endswith("chosen: openvino-fp32")
    return settings


@needs_openvino
def test_bfloat16_is_tried_where_the_cpu_has_it_and_answers_nearly_alike(
    classifier: GenreClassifier, data: EquivalenceData, tmp_path: Path
) -> None:
    outcome = accelerate(classifier, NetworkStore(tmp_path), data, wanted="auto")
    assert outcome is not None
    half = [entry for entry in outcome.trials if entry.backend == "openvino-bf16"]
    assert bool(half) == has_bfloat16()
    for entry in half:
        assert 0 < entry.equivalence.mean_change < 0.01


@needs_openvino
def test_the_first_layers_can_stay_in_float32(data: EquivalenceData, tmp_path: Path) -> None:
    images = NATIVE_MEL.to_input(data.comparison)
    torch.manual_seed(0)
    network = build_network("mobilenetv3_small_100", len(GENRES)).eval()
    convert(network, (3, 224, 224), tmp_path / "plain.xml")

    def logits(share: float, name: str) -> Tensor:
        exclude_first(tmp_path / "plain.xml", share, tmp_path / f"{share}.xml")
        return OpenVinoBackend(tmp_path / f"{share}.xml", name=name).logits(images)

    exact = logits(0.0, "openvino-fp32")
    torch.testing.assert_close(logits(1.0, "openvino-fp32"), exact)
    if has_bfloat16():
        whole, half, none = (logits(share, "openvino-bf16") - exact for share in (1.0, 0.5, 0.0))
        assert whole.abs().max() < 1e-5
        assert 0 < half.std() < 0.8 * none.std()


@needs_openvino
@pytest.mark.parametrize("is_damaged", [False, True])
def test_bfloat16_that_fails_is_tried_with_layers_excluded(
    is_damaged: bool,
    classifier: GenreClassifier,
    data: EquivalenceData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What OpenVINO cannot compute is passed over. A CPU without bfloat16 computes the same trials in float32."""
    monkeypatch.setattr("acousticsense.inference.acceleration.has_bfloat16", lambda: True)
    add = Comparison.add

    def refuse_the_whole(self: Comparison, candidate: Backend, *, excluded: float) -> bool:
        return add(self, candidate, excluded=excluded) and excluded > 0

    def damaged(_source: Path, _share: float, file: Path) -> None:
        file.write_text("no network", encoding="utf-8")

    monkeypatch.setattr(Comparison, "add", refuse_the_whole)
    if is_damaged:
        monkeypatch.setattr("acousticsense.inference.acceleration.exclude_first", damaged)
    outcome = accelerate(classifier, NetworkStore(tmp_path), data, wanted="auto")
    assert outcome is not None
    tried = tuple(entry.excluded for entry in outcome.trials if entry.backend == "openvino-bf16")
    assert tried == (SHARES[:1] if is_damaged else SHARES[:2])
    assert outcome.trials[-1].backend == "openvino-int8"


@needs_openvino
def test_a_network_found_once_answers_in_every_later_load(
    accelerated: Settings, classifier: GenreClassifier, music_mp3: Path
) -> None:
    faster = GenreClassifier.load("tiny", settings=accelerated)
    assert faster.info.backend == "openvino-fp32"
    prediction, expected = faster.predict(music_mp3), classifier.predict(music_mp3)
    assert prediction.model.backend == faster.info.backend
    assert list(prediction.probabilities.values()) == pytest.approx(list(expected.probabilities.values()), abs=1e-4)
    assert next(faster.network.parameters()).dtype == torch.float32


@needs_openvino
def test_it_is_found_for_the_same_weights_and_setting_only(accelerated: Settings, classifier: GenreClassifier) -> None:
    store = network_store(accelerated)
    assert stored_backend(classifier.spec, store, "openvino") is not None
    assert stored_backend(classifier.spec, store, "auto") is None
    assert stored_backend(classifier.spec, store, "pytorch") is None
    assert stored_backend(replace(classifier.spec, weights_sha256="0" * 64), store, "openvino-int8") is None


@needs_openvino
def test_a_network_that_cannot_be_loaded_leaves_pytorch(
    accelerated: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = accelerated.replace(cache_dir=tmp_path)
    spec = GenreClassifier.load("tiny", settings=settings).spec
    network_store(settings).put(
        network_key(spec, settings.backend),
        {"chosen": "openvino-fp32"},
        lambda file: (file.write_bytes(b"<no network/>"), None)[1],
    )
    assert GenreClassifier.load("tiny", settings=settings).info.backend == "pytorch-fp32"
    assert "PyTorch answers" in caplog.text


@needs_openvino
def test_nothing_is_reported_over_the_internet() -> None:
    module = "acousticsense.inference.backends.openvino"
    code = f"from {module} import *; keep_quiet(); import nncf, openvino, openvino.tools.ovc, sys"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; print(sys.modules['openvino_telemetry'])"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "None"


@needs_openvino
def test_what_is_known_is_not_found_out_again(
    accelerated: Settings, classifier: GenreClassifier, data: EquivalenceData
) -> None:
    store = network_store(accelerated)
    assert accelerate(classifier, store, data, wanted=accelerated.backend, again=False) is None


@needs_openvino
def test_a_server_answers_with_pytorch_until_the_faster_network_is_ready(
    settings: Settings, music_mp3: Path, tmp_path: Path
) -> None:
    service = PredictionService(settings.replace(cache_dir=tmp_path, answer_cache_mb=0))
    service.warm_up()
    first = service.analyse(music_mp3, PredictRequest()).prediction
    assert first.model.backend == "pytorch-fp32"
    service.loaded.accelerate()
    deadline = time.monotonic() + 300
    while (later := service.analyse(music_mp3, PredictRequest()).prediction).model.backend == "pytorch-fp32":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert later.model.backend == "openvino-fp32"
    assert list(later.probabilities.values()) == pytest.approx(list(first.probabilities.values()), abs=1e-4)


@needs_openvino
def test_without_a_folder_to_write_the_network_is_kept_for_this_run(accelerated: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    accelerator = Accelerator(accelerated.replace(cache_dir=tmp_path / "file"))
    store = accelerator._store()
    put(store, "key")
    accelerator.close()
    assert not store.root.exists()


@needs_openvino
def test_the_process_ends_with_the_server(settings: Settings, tmp_path: Path) -> None:
    accelerator = Accelerator(settings.replace(cache_dir=tmp_path))
    classifier = GenreClassifier.load("tiny", settings=settings.replace(cache_dir=tmp_path))
    accelerator.submit("tiny", classifier)
    while accelerator._process is None:
        time.sleep(0.01)
    accelerator.close()
    assert accelerator._process.wait(30) == -signal.SIGTERM


def test_pytorch_is_left_alone_where_it_was_asked_for(settings: Settings) -> None:
    accelerator = Accelerator(settings.replace(backend="pytorch"))
    accelerator.submit("tiny", GenreClassifier.load("tiny", settings=settings.replace(backend="pytorch")))
    assert accelerator._waiting.empty()
    accelerator.close()


def test_a_backend_that_is_not_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    monkeypatch.setattr("acousticsense.inference.backends.selection.library_versions", lambda: None)
    with pytest.raises(SettingsError, match=r"acousticsense\[openvino\]"):
        GenreClassifier.load("tiny", settings=settings)
    automatic = GenreClassifier.load("tiny", settings=settings.replace(backend="auto"))
    assert automatic.info.backend == "pytorch-fp32"


@needs_openvino
@pytest.mark.slow
def test_eight_bits_answer_only_when_they_pass(
    classifier: GenreClassifier, data: EquivalenceData, tmp_path: Path
) -> None:
    outcome = accelerate(classifier, NetworkStore(tmp_path), data, wanted="openvino-int8")
    assert outcome is not None
    *_, last = outcome.trials
    assert last.backend == "openvino-int8"
    assert outcome.chosen == ("openvino-int8" if last.equivalence.passed else "openvino-fp32")
    assert all(not entry.equivalence.passed for entry in outcome.trials[2:-1])
    backend = stored_backend(classifier.spec, NetworkStore(tmp_path), "openvino-int8")
    assert backend is not None
    assert backend.name == outcome.chosen
    images = torch.randn(3, 3, 224, 224)
    one_by_one = torch.cat([backend.logits(image[None]) for image in images])
    assert torch.allclose(backend.logits(images), one_by_one, atol=1e-3)


@needs_openvino
@pytest.mark.slow
def test_a_shipped_model_is_computed_by_what_passed_the_equivalence_check(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As a user's machine finds out at the first start, on fewer windows."""
    monkeypatch.setenv("ACOUSTICSENSE_MODELS", str(MODELS))
    monkeypatch.setenv("ACOUSTICSENSE_MODEL", "resnet50")
    monkeypatch.setenv("ACOUSTICSENSE_BACKEND", "openvino-int8")
    assert main(["accelerate", "--windows", "40", "--json", "--store", str(tmp_path)]) == 0
    outcome = json.loads(capsys.readouterr().out.splitlines()[-1])
    trials = {trial["backend"]: EquivalenceReport(**trial["equivalence"]) for trial in outcome["trials"]}
    assert trials["openvino-fp32"].passed  # float32 is never in question
    assert trials[outcome["chosen"]].passed
    assert outcome["chosen"] == ("openvino-int8" if trials["openvino-int8"].passed else "openvino-fp32")
