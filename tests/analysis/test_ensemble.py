"""Several models analyse one clip: rows, failures, other labels, and the same numbers from every interface."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import httpx
import pytest
import torch
from fastapi.testclient import TestClient
from gradio.utils import get_upload_folder

import acousticsense
from acousticsense.analysis.ensemble import ENSEMBLE_FILE, Ensemble
from acousticsense.analysis.ensemble_payload import ensemble_payload
from acousticsense.analysis.ensemble_table import ensemble_csv
from acousticsense.analysis.members import Progress, identities
from acousticsense.analysis.parallel import split_by_cost
from acousticsense.analysis.predictor import EnsemblePredictor
from acousticsense.analysis.results import EnsembleResult
from acousticsense.api.routes import create_api
from acousticsense.cli.main import main
from acousticsense.errors import AudioDecodeError, CorruptCheckpointError, RequestError, UnknownModelError
from acousticsense.inference.classifier import GenreClassifier
from acousticsense.models.genres import GENRES
from acousticsense.models.spec import Calibration, EnsembleSpec, ModelSpec
from acousticsense.serving.requests import EnsembleRequest
from acousticsense.serving.service import PredictionService
from acousticsense.settings import Settings
from acousticsense.spectrogram.front_end import SpectrogramKind
from acousticsense.web.ensemble_tab import EnsembleHandlers
from acousticsense.web.html import percent
from tests.conftest import CNNS, install, run_alone

FIVE = tuple(CNNS)
#: The quickest three, for what does not need all.
FEW = ("resnet50", "efficientnet_b0", "mobilenetv3_large")


def settings_of(models: Path) -> Settings:
    return Settings(models=models, model="tiny", device="cpu")


@pytest.fixture(scope="module")
def ensemble(cnn_models: Path) -> Ensemble:
    return acousticsense.Ensemble.load(settings=settings_of(cnn_models))


@pytest.fixture(scope="module")
def ten(ensemble: Ensemble, music_mp3: Path) -> EnsembleResult:
    return ensemble.predict(music_mp3, models=FIVE)


@pytest.fixture
def few_models(cnn_models: Path, tmp_path: Path) -> Path:
    """A models folder of one's own, to break."""
    for name in FEW:
        shutil.copytree(cnn_models / name, tmp_path / "models" / name)
    return tmp_path / "models"


def corrupt(folder: Path) -> None:
    with (folder / "model.safetensors").open("r+b") as weights:
        weights.seek(-1, 2)
        weights.write(b"\x7f")


def test_five_models_and_two_images_are_ten_rows(ten: EnsembleResult) -> None:
    assert [(member.name, member.spectrogram) for member in ten.members] == [
        (name, kind) for name in FIVE for kind in ("mel", "cqt")
    ]
    assert all(member.prediction and member.error is None for member in ten.members)
    assert ten.consensus is not None
    assert ten.consensus.members == tuple(range(10))
    assert set(ten.spectrogram_ms) == {"mel", "cqt"}


def test_every_member_says_what_the_model_says_alone(cnn_models: Path, ten: EnsembleResult, music_mp3: Path) -> None:
    classifier = GenreClassifier.load("densenet121", settings=settings_of(cnn_models))
    for member in ten.members:
        if member.name == "densenet121" and member.prediction:
            kind = cast(SpectrogramKind, member.prediction.model.spectrogram)
            alone = classifier.for_spectrogram(kind).predict(music_mp3)
            assert member.prediction.probabilities == pytest.approx(alone.probabilities, abs=1e-5)
            assert member.prediction.verdict == alone.verdict


def test_the_consensus_is_the_mean_of_the_rows(ten: EnsembleResult) -> None:
    assert ten.consensus is not None
    for label in GENRES:
        values = [member.prediction.probabilities[label] for member in ten.members if member.prediction]
        assert ten.consensus.probabilities[label] == pytest.approx(sum(values) / 10)
    assert sum(ten.consensus.votes.values()) == 10


@pytest.mark.parametrize(("kind", "rows"), [("mel", 4), ("cqt", 3), ("both", 7)])
def test_models_that_do_not_know_an_image_are_left_out(
    ensemble: Ensemble, music_mp3: Path, kind: str, rows: int
) -> None:
    result = ensemble.predict(music_mp3, models=("tiny", *FEW), spectrogram=kind)  # type: ignore[arg-type]
    assert len(result.members) == rows


def test_none_named_is_all(ensemble: Ensemble, music_mp3: Path) -> None:
    names = [member.name for member in ensemble.predict(music_mp3, spectrogram="mel").members]
    assert names == sorted(["tiny", *FIVE])


def test_the_same_weights_under_another_name_are_asked_when_they_are_named(few_models: Path, music_mp3: Path) -> None:
    copy_model(few_models, "resnet50", "twice")
    ensemble = Ensemble.load(settings=settings_of(few_models))
    everything, named = (
        {member.name for member in ensemble.predict(music_mp3, models=names, spectrogram="mel").members}
        for names in ((), ("resnet50", "twice"))
    )
    assert everything == set(FEW)
    assert named == {"resnet50", "twice"}
    for name in FEW:
        (few_models / name / "model.json").write_text("{")
    assert [member.name for member in ensemble.predict(music_mp3, spectrogram="mel").members] == sorted((*FEW, "twice"))


def test_a_corrupted_member_is_a_row_with_its_reason_and_the_others_answer(few_models: Path, music_mp3: Path) -> None:
    corrupt(few_models / "resnet50")
    (few_models / "efficientnet_b0" / "model.json").write_text("{")
    result = Ensemble.load(settings=settings_of(few_models)).predict(music_mp3)
    said = {(member.name, member.spectrogram): member for member in result.members}
    for kind in ("mel", "cqt"):
        assert isinstance(said["resnet50", kind].error, CorruptCheckpointError)
        assert said["mobilenetv3_large", kind].prediction
    assert "not a usable description" in str(said["efficientnet_b0", ""].error)
    body = ensemble_payload(result)
    assert [row["error"]["code"] for row in body["models"] if "error" in row] == [
        "checkpoint_error",
        "checkpoint_corrupt",
        "checkpoint_corrupt",
    ]
    assert body["consensus"]["members"] == 2
    assert any("3 of 5 could not answer" in sentence for sentence in body["sentences"])


def test_a_mended_member_answers_again(few_models: Path, music_mp3: Path) -> None:
    weights = few_models / "resnet50" / "model.safetensors"
    good = weights.read_bytes()
    corrupt(weights.parent)
    ensemble = Ensemble.load(settings=settings_of(few_models))
    first = ensemble.predict(music_mp3, models=["resnet50"], spectrogram="mel")
    assert first.consensus is None
    weights.write_bytes(good)
    assert ensemble.predict(music_mp3, models=["resnet50"], spectrogram="mel").consensus is not None


def test_other_labels_stand_beside_and_are_not_averaged_in(few_models: Path, music_mp3: Path) -> None:
    stranger = ModelSpec(name="stranger", architecture="mobilenetv3_small_100", labels=("House", "Jazz", "Techno"))
    install(few_models, stranger, seed=9)
    result = Ensemble.load(settings=settings_of(few_models)).predict(music_mp3, spectrogram="mel")
    assert result.consensus is not None
    position = [member.name for member in result.members].index("stranger")
    assert position not in result.consensus.members
    assert "Techno" not in result.consensus.probabilities
    body = ensemble_payload(result)
    assert (body["models"][position]["averaged"], len(body["models"][position]["probabilities"])) == (False, 3)
    assert any("1 with labels of their own" in sentence for sentence in body["sentences"])
    rows = list(csv.DictReader(io.StringIO(ensemble_csv(result))))
    assert rows[position]["Techno"]
    assert rows[position]["Rock"] == "" != rows[position]["Jazz"]
    assert rows[0]["Techno"] == ""


def test_a_measured_calibration_holds_for_exactly_those_members(few_models: Path, music_mp3: Path) -> None:
    plain = Ensemble.load(settings=settings_of(few_models)).predict(music_mp3)
    members = tuple(
        (member.name, member.spectrogram, member.prediction.model.weights_sha256)
        for member in plain.members
        if member.prediction
    )
    spec = EnsembleSpec(
        members=members,
        calibration=Calibration(temperature=0.5, measured_on="a test"),
        metrics={"real_test": {"n": 50, "accuracy": 0.4}},
    )
    (few_models / ENSEMBLE_FILE).write_text(spec.to_json(), encoding="utf-8")
    ensemble = Ensemble.load(settings=settings_of(few_models))
    all_of_them, fewer = ensemble.predict(music_mp3), ensemble.predict(music_mp3, spectrogram="cqt")
    assert plain.consensus is not None
    assert plain.consensus.calibrated is None
    assert all_of_them.consensus is not None
    assert all_of_them.consensus.calibrated is not None
    assert max(all_of_them.consensus.calibrated.values()) > max(plain.consensus.probabilities.values())
    assert all_of_them.consensus.measured == (0.4, 50)
    assert fewer.consensus is not None
    assert fewer.consensus.calibrated is None
    assert fewer.consensus.measured is None


def test_members_that_count_for_nothing_may_be_left_out(few_models: Path, music_mp3: Path) -> None:
    ensemble = Ensemble.load(settings=settings_of(few_models))
    members = identities(ensemble.predict(music_mp3).members)
    weights = tuple(float(kind == "cqt") for _, kind, _ in members)
    spec = EnsembleSpec(members=members, weights=weights, calibration=Calibration(measured_on="a test"))
    (few_models / ENSEMBLE_FILE).write_text(spec.to_json(), encoding="utf-8")
    every, those, others = (ensemble.predict(music_mp3, spectrogram=kind).consensus for kind in ("both", "cqt", "mel"))
    assert every is not None
    assert those is not None
    assert every.calibrated == pytest.approx(those.calibrated)
    assert others is not None
    assert others.calibrated is None


def test_a_copy_of_a_member_takes_no_calibration_away(few_models: Path, cnn_models: Path, music_mp3: Path) -> None:
    members = identities(Ensemble.load(settings=settings_of(few_models)).predict(music_mp3).members)
    weights = tuple(0.5 + (name == "resnet50") for name, _, _ in members)
    spec = EnsembleSpec(members=members, weights=weights, calibration=Calibration(measured_on="a test"))
    (few_models / ENSEMBLE_FILE).write_text(spec.to_json(), encoding="utf-8")
    copy_model(few_models, "resnet50", "twice")
    shutil.copytree(cnn_models / "tiny", few_models / "tiny")
    ensemble = Ensemble.load(settings=settings_of(few_models))
    without, with_copy, another = (
        ensemble.predict(music_mp3, models=names).consensus for names in (FEW, (*FEW, "twice"), (*FEW, "tiny"))
    )
    assert without is not None
    assert without.calibrated is not None
    assert with_copy is not None
    assert with_copy.calibrated == pytest.approx(without.calibrated)
    assert another is not None
    assert another.calibrated is None


def copy_model(models: Path, name: str, copy: str) -> None:
    """The same weights under another name."""
    shutil.copytree(models / name, models / copy)
    description = models / copy / "model.json"
    text = description.read_text(encoding="utf-8")
    description.write_text(text.replace(f'"name": "{name}"', f'"name": "{copy}"'), encoding="utf-8")


def test_members_that_were_not_measured_together_keep_to_their_own_thresholds(
    few_models: Path, music_mp3: Path
) -> None:
    for described in few_models.glob("*/model.json"):
        spec = ModelSpec.read(described)
        low = Calibration(confident_at=0.01, measured_on="a test")
        others = tuple(replace(other, calibration=low) for other in spec.alternatives)
        described.write_text(replace(spec, calibration=low, alternatives=others).to_json(), encoding="utf-8")
    consensus = Ensemble.load(settings=settings_of(few_models)).predict(music_mp3).consensus
    assert consensus is not None
    assert max(consensus.probabilities.values()) < Calibration().confident_at
    assert consensus.verdict == "confident"


def test_several_models_are_evaluated_and_calibrated_like_one(
    few_models: Path,
    music_mp3: Path,
    music_wav: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("ACOUSTICSENSE_MODELS", str(few_models))
    labelled = few_models.parent / "clips.csv"
    lines = ["path,genre"]
    for number in range(20):
        sound, genre = (music_mp3, "Jazz") if number % 2 else (music_wav, "Rock")
        clip = labelled.with_name(f"{number}{sound.suffix}")
        clip.write_bytes(sound.read_bytes() + bytes(number))  # else it would be the same file once more
        lines.append(f"{clip},{genre}")
    labelled.write_text("\n".join(lines), encoding="utf-8")
    few = few_models.parent / "few.csv"
    few.write_text(f"path,genre\n{music_mp3},Jazz\n{music_wav},Rock\n", encoding="utf-8")
    command = ["evaluate", str(labelled), "--models", "resnet50,mobilenetv3_large", "--spectrogram", "mel"]
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n"] == 20
    assert main([*command, "--calibrate"]) == 0
    assert "2 members" in capsys.readouterr().out
    calibrated = (few_models / "ensemble.json").read_bytes()
    assert main(["evaluate", str(few), *command[2:], "--calibrate"]) == 1
    assert "2 clips calibrate nothing" in capsys.readouterr().err
    for genre, complaint in (
        ("Rok", "'Rok' is not a label of these models"),
        ("not_music", "None of the 20 clips is music"),
    ):
        wrong = [lines[0], *(f"{line.rpartition(',')[0]},{genre}" for line in lines[1:])]
        few.with_name("wrong.csv").write_text("\n".join(wrong), encoding="utf-8")
        assert main(["evaluate", str(few.with_name("wrong.csv")), *command[2:], "--calibrate"]) == 1
        assert complaint in capsys.readouterr().err
    assert (few_models / "ensemble.json").read_bytes() == calibrated
    assert main(["evaluate", str(few), *command[2:], "--record"]) == 0
    recorded = EnsembleSpec.read(few_models / "ensemble.json")
    assert len(recorded.weights) == 2
    assert recorded.metrics["real_test"]["n"] == 2
    assert recorded.calibration.level_accuracy == {}  # two clips say nothing about a verdict
    for option in ("--record", "--calibrate"):  # of a single model, `training report` tells
        assert main(["evaluate", str(labelled), option]) == 1
        assert "Name them with --models" in capsys.readouterr().err
    with monkeypatch.context() as patch:  # figures of another ensemble are refused before the work
        patch.setattr("acousticsense.evaluation.evaluate.evaluate", lambda *_: pytest.fail("it was evaluated"))
        assert main([*command[:3], "resnet50", "--record"]) == 1
    assert "other models or images" in capsys.readouterr().err
    assert EnsembleSpec.read(few_models / "ensemble.json") == recorded
    ensemble = Ensemble.load(settings=settings_of(few_models))
    result = ensemble.predict(music_mp3, models=["resnet50", "mobilenetv3_large"], spectrogram="mel")
    assert result.consensus is not None
    assert result.consensus.calibrated is not None
    predictor = EnsemblePredictor(ensemble=ensemble, models=("resnet50", "mobilenetv3_large"), spectrogram="mel")
    assert predictor.predict(music_mp3).probabilities == pytest.approx(result.consensus.calibrated)
    corrupt(few_models / "resnet50")
    with pytest.raises(CorruptCheckpointError):
        EnsemblePredictor(ensemble=Ensemble.load(settings=settings_of(few_models)), models=("resnet50",)).predict(
            music_mp3
        )


def test_guidance_rests_on_what_was_measured(ten: EnsembleResult) -> None:
    guidance = {entry["code"]: entry for entry in ensemble_payload(ten)["guidance"]}
    assert (guidance["most_accurate"]["name"], guidance["most_accurate"]["spectrogram"]) == ("mobilenetv3_large", "mel")
    assert guidance["most_accurate"]["value"] == pytest.approx(34)
    sizes = {member.name: member.size_bytes for member in ten.members}
    assert guidance["smallest"]["name"] == min(sizes, key=lambda name: sizes[name])
    unmeasured = replace(ten, members=tuple(replace(member, measured=None) for member in ten.members))
    codes = [entry["code"] for entry in ensemble_payload(unmeasured)["guidance"]]
    assert codes == ["fastest", "smallest", "accuracy_unmeasured"]


def test_progress_is_told_for_every_model(ensemble: Ensemble, music_mp3: Path) -> None:
    told: list[Progress] = []
    ensemble.predict(music_mp3, models=FEW, spectrogram="mel", report=told.append)
    assert {progress.name for progress in told if progress.state == "done"} == set(FEW)
    assert all(progress.total == 3 for progress in told)


def test_warming_up_loads_all_and_accounts_for_their_memory(few_models: Path) -> None:
    corrupt(few_models / "resnet50")
    told: list[Progress] = []
    loaded = Ensemble.load(settings=settings_of(few_models)).warm_up(report=told.append)
    assert {model.name for model in loaded} == {"efficientnet_b0", "mobilenetv3_large"}
    assert all(model.size_bytes > 10e6 and model.load_ms > 0 for model in loaded)
    assert {progress.name for progress in told if progress.state == "failed"} == {"resnet50"}


def test_the_models_share_the_threads_and_leave_the_others_theirs(ensemble: Ensemble, music_mp3: Path) -> None:
    before = torch.get_num_threads()
    ensemble.predict(music_mp3, models=FEW, spectrogram="mel")
    assert torch.get_num_threads() == before


def test_the_costliest_gets_all_threads_for_itself(cnn_models: Path, music_mp3: Path) -> None:
    costs_ms = {"resnet50": 100.0, "efficientnet_b0": 20.0, "mobilenetv3_large": 30.0}
    assert split_by_cost(FEW, {"resnet50": 100.0}, 2)[0] == []  # not all costs are known yet
    assert split_by_cost(FEW, costs_ms, 2) == (["resnet50"], ["mobilenetv3_large", "efficientnet_b0"])
    assert split_by_cost(FEW, costs_ms, 1)[0] == []
    ensemble = Ensemble.load(settings=settings_of(cnn_models))
    for _ in range(2):  # the second time, the costs of the first are known
        result = ensemble.predict(music_mp3, models=FEW, spectrogram="mel")
        assert [member.name for member in result.members] == [*FEW]
        assert all(member.prediction for member in result.members)


def test_what_cannot_be_asked(ensemble: Ensemble, music_mp3: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownModelError, match="no model 'vgg'"):
        ensemble.predict(music_mp3, models=["vgg"])
    with pytest.raises(RequestError, match="None of these models knows cqt"):
        ensemble.predict(music_mp3, models=["tiny"], spectrogram="cqt")
    with pytest.raises(RequestError, match="spectrogram is 'wavelet'"):
        ensemble.predict(music_mp3, spectrogram="wavelet")  # type: ignore[arg-type]
    (tmp_path / "words.mp3").write_text("no music")
    with pytest.raises(AudioDecodeError):
        ensemble.predict(tmp_path / "words.mp3", models=["tiny"])
    with pytest.raises(RequestError, match="100 models"):
        EnsembleRequest(models=("a",) * 100)


# The interfaces


@pytest.fixture(scope="module")
def service(cnn_models: Path) -> PredictionService:
    return PredictionService(settings_of(cnn_models))


@pytest.fixture(scope="module")
def client(service: PredictionService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with TestClient(create_api(service, upload_dir=tmp_path_factory.mktemp("uploads"))) as client:
        yield client


def ask(client: TestClient, audio: Path, **fields: str) -> httpx.Response:
    return client.post("/api/ensemble", files={"data": audio.read_bytes()}, data=fields)


def numbers(body: dict[str, object]) -> list[float]:
    rows = body["models"]
    assert isinstance(rows, list)
    return [value for row in rows for value in row["probabilities"].values()]


def test_rest_and_command_line_give_the_same_numbers(  # noqa: PLR0917 - fixtures
    client: TestClient,
    ensemble: Ensemble,
    cnn_models: Path,
    music_mp3: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    expected = ensemble_payload(ensemble.predict(music_mp3, models=FEW))
    rest = ask(client, music_mp3, models=", ".join(FEW), spectrogram="both").json()
    monkeypatch.setenv("ACOUSTICSENSE_MODELS", str(cnn_models))
    arguments = ["ensemble", str(music_mp3), "--models", ",".join(FEW)]
    assert main([*arguments, "--json", "--csv", str(tmp_path / "table.csv")]) == 0
    line = json.loads(capsys.readouterr().out)
    assert numbers(rest) == pytest.approx(numbers(expected), abs=1e-6)
    assert numbers(line) == pytest.approx(numbers(expected), abs=1e-6)
    assert rest["consensus"]["probabilities"] == pytest.approx(expected["consensus"]["probabilities"], abs=1e-6)
    assert (rest["agreement"], rest["sentences"]) == (pytest.approx(expected["agreement"], abs=1e-6), line["sentences"])
    assert (tmp_path / "table.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    with (tmp_path / "table.csv").open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert [row["model"] for row in rows] == [*(name for name in FEW for _ in range(2)), "mean"]
    assert float(rows[0]["Jazz"]) == pytest.approx(expected["models"][0]["probabilities"]["Jazz"], abs=1e-6)


def test_the_command_prints_a_table(
    cnn_models: Path, music_mp3: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ACOUSTICSENSE_MODELS", str(cnn_models))
    assert main(["ensemble", str(music_mp3), "--models", "resnet50,mobilenetv3_large", "--spectrogram", "cqt"]) == 0
    printed = capsys.readouterr().out
    assert "resnet50 · cqt" in printed
    assert "consensus" in printed
    assert "2 members" in printed


def test_rest_errors_and_options(client: TestClient, music_mp3: Path) -> None:
    assert ask(client, music_mp3, models="nobody").status_code == 404
    assert ask(client, music_mp3, spectrogram="wavelet").status_code == 400
    assert ask(client, music_mp3, models="tiny", duration_s="x").status_code == 400
    body = ask(client, music_mp3, models="tiny", duration_s="3", offset_s="1", top_k="2").json()
    assert body["clip"]["duration_s"] == pytest.approx(3, abs=0.01)
    assert len(body["models"][0]["prediction"]) == 2
    assert "/api/ensemble" in client.get("/openapi.json").json()["paths"]


def test_the_sentences_are_in_the_readers_language(client: TestClient, music_mp3: Path) -> None:
    files = {"data": music_mp3.read_bytes()}
    fields = {"models": "resnet50,mobilenetv3_large", "spectrogram": "mel"}
    body = client.post("/api/ensemble", files=files, data=fields, headers={"accept-language": "zh-CN"}).json()
    assert all(any("一" <= character <= "鿿" for character in sentence) for sentence in body["sentences"])


def test_one_model_is_in_memory_once_for_all_uses(
    service: PredictionService, client: TestClient, music_mp3: Path
) -> None:
    ask(client, music_mp3, models="tiny,resnet50", spectrogram="mel")
    loaded = service.classifier("resnet50")
    ask(client, music_mp3, models="tiny,resnet50", spectrogram="mel")
    assert service.classifier("resnet50") is loaded
    assert service.classifier("tiny") is service.classifier("")


HOSTILE = '<img src=x onerror="alert(1)">.mp3'


@pytest.mark.parametrize(("language", "words"), [("en", "members"), ("zh-CN", "个结果")])
def test_the_tab_shows_progress_and_then_the_table(  # noqa: PLR0917 - fixtures
    service: PredictionService,
    music_mp3: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    language: str,
    words: str,
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    path = Path(get_upload_folder()) / HOSTILE
    path.write_bytes(music_mp3.read_bytes())
    handlers = EnsembleHandlers(service)
    request = SimpleNamespace(headers={"accept-language": language})
    shown = list(handlers.predict({"path": str(path)}, ["resnet50", "mobilenetv3_large"], "cqt", 10, 0, request))
    assert all('data-state="working"' in page for page in shown[:-1])
    result = service.predict_together(
        path, EnsembleRequest(models=("resnet50", "mobilenetv3_large"), spectrogram="cqt")
    )
    assert result.consensus is not None
    for score in result.consensus.top(3):
        assert percent(score.confidence) in shown[-1]
    assert shown[-1].count("<tr") == 4  # head, two members, their mean
    assert words in shown[-1]
    assert "<img" not in shown[-1]
    *_, memory = handlers.prepare(["resnet50"], request)
    assert "MB" in memory
    (refused,) = handlers.predict({"path": "/etc/passwd"}, ["resnet50"], "mel", 10, 0, request)
    assert 'data-state="error"' in refused
    asked = handlers.ensemble({"path": str(path)}, request, models="resnet50,mobilenetv3_large", spectrogram="cqt")
    answer = run_alone(asked)
    assert answer["consensus"]["probabilities"] == pytest.approx(result.consensus.probabilities, abs=1e-6)
