"""Many files on the page, without a browser: the handlers, the routes that its script asks, and who goes first."""

from __future__ import annotations

import csv
import io
import json
import re
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import gradio as gr
import pytest
from fastapi.testclient import TestClient
from gradio.utils import get_upload_folder

from acousticsense.api.routes import create_api
from acousticsense.audio.types import ClipInfo, HealthNote
from acousticsense.errors import OverloadError, RequestError
from acousticsense.i18n.page import ui_text
from acousticsense.inference.prediction import ModelInfo
from acousticsense.library.rows import Row, RowError
from acousticsense.library.uploads import Upload
from acousticsense.serving.jobs import BatchJob
from acousticsense.serving.requests import PredictRequest
from acousticsense.serving.service import PredictionService
from acousticsense.settings import Settings
from acousticsense.web.library_routes import add_library_routes, json_rows, threshold_of
from acousticsense.web.library_tab import LibraryHandlers
from acousticsense.web.library_view import library_frame_html, row_values
from tests.conftest import run_alone
from tests.library.conftest import EXAMPLES
from tests.web.test_page import CHINESE, ENGLISH, sent

SONG = EXAMPLES / "starfall.mp3"


@pytest.fixture(scope="module")
def service(tiny_models: Path) -> PredictionService:
    return PredictionService(
        Settings(models=tiny_models, model="tiny", device="cpu", batch_workers=1, batch_concurrency=1)
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where Gradio puts what a browser sends."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    return Path(get_upload_folder())


@pytest.fixture
def files(folder: Path) -> list[str]:
    """A song, a file that is no audio, and an archive with both."""
    (folder / "song.mp3").write_bytes(SONG.read_bytes())
    (folder / "bad.wav").write_bytes(b"no audio")
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        archive.write(SONG, "in/song.mp3")
        archive.writestr("bad.mp3", b"no audio")
        archive.writestr("cover.jpg", b"x")
    return [str(folder / name) for name in ("song.mp3", "bad.wav", "a.zip")]


@pytest.fixture
def many(folder: Path) -> Path:
    """An archive that takes a while."""
    with zipfile.ZipFile(folder / "many.zip", "w") as archive:
        for index in range(200):
            archive.write(SONG, f"{index:03}.mp3")
    return folder / "many.zip"


@pytest.fixture(scope="module")
def client(service: PredictionService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    app = create_api(service, upload_dir=tmp_path_factory.mktemp("uploads"))
    add_library_routes(app, service)
    with TestClient(app) as client:
        yield client


def batch_files(service: PredictionService) -> float:
    """Files of batches that have a row, as `/metrics` tells."""
    return service.metrics.registry.get_sample_value("acousticsense_batch_files_total") or 0.0


def shown(
    service: PredictionService, files: list[str] | None, *, duration_s: float = 10, request: Any = ENGLISH
) -> list[str]:
    """Everything that the card says, one after the other."""

    async def watch() -> list[str]:
        return [
            words
            async for words in LibraryHandlers(service).predict(
                files and [sent(file) for file in files], duration_s, False, 0, "", request
            )
        ]

    return run_alone(watch())


def finished(service: PredictionService, *uploads: Upload) -> BatchJob:
    job = service.start_batch(uploads, PredictRequest())
    job.result()
    return job


def wait_for_rows(job: BatchJob) -> None:
    deadline = time.monotonic() + 120
    while not job.batch.done and time.monotonic() < deadline:
        time.sleep(0.05)
    assert job.batch.done


def test_the_card_tells_progress_and_names_the_rows(
    service: PredictionService, client: TestClient, files: list[str]
) -> None:
    *before, last = shown(service, files)
    assert 'data-state="running"' in before[-1]
    assert 'data-state="ready"' in last
    assert "4 of 4 files" in last
    assert "2 could not be analysed" in last
    assert "1 other files in archives were skipped" in last
    batch_id = last.partition('data-as-batch="')[2].partition('"')[0]
    rows = client.get(f"/library/{batch_id}/rows").json()["rows"]
    assert sorted(row["path"] for row in rows) == ["a.zip/bad.mp3", "a.zip/in/song.mp3", "bad.wav", "song.mp3"]
    assert client.get(f"/library/{batch_id}/rows?start=3").json()["rows"] == rows[3:]


def test_both_files_to_keep_have_the_rows_in_order(service: PredictionService, client: TestClient) -> None:
    job = finished(service, Upload(path=SONG, name="一.mp3"), Upload(path=SONG, name="=2.mp3"))
    batch_id = service.batches.put(job)
    answer = client.get(f"/library/{batch_id}.csv?accept=1")
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    assert [row["path"] for row in rows] == ["一.mp3", "'=2.mp3"]
    assert {row["decision"] for row in rows} <= {"review", "rejected"}
    assert client.get(f"/library/{batch_id}.json").json() == json.loads(json.dumps(json_rows(job.batch, None)))


def test_the_page_is_told_what_to_expect_of_accepted_answers(service: PredictionService, client: TestClient) -> None:
    batch_id = service.batches.put(finished(service, Upload(path=SONG, name="a.mp3")))
    with_threshold = client.get(f"/library/{batch_id}/rows?accept=0").json()
    assert {row["decision"] for row in with_threshold["rows"]} <= {"accepted", "rejected"}
    assert bool(with_threshold["expected"]) == (with_threshold["rows"][0]["decision"] == "accepted")
    assert client.get(f"/library/{batch_id}/rows").json()["expected"] == ""


def test_an_unknown_list_and_a_threshold_that_is_none_are_refused_in_words(client: TestClient) -> None:
    for path in ("/library/x.csv", "/library/x.json", "/library/x/rows"):
        answer = client.get(path)
        assert answer.status_code == 404
        assert "expired" in answer.json()["error"]["message"]
    for accept in ("2", "-0.1", "nan", "much"):
        with pytest.raises(RequestError, match="accept is"):
            threshold_of(accept)
    assert (threshold_of(""), threshold_of("0.85")) == (None, 0.85)


def test_what_is_wrong_is_explained(service: PredictionService, files: list[str]) -> None:
    assert ui_text("error.no_files", "zh") in shown(service, None, request=CHINESE)[-1]
    assert ui_text("error.bad_request") in shown(service, [str(SONG)])[-1]  # no upload
    assert ui_text("error.bad_request") in shown(service, files, duration_s=1e9)[-1]
    few = PredictionService(Settings(models=service.settings.models, model="tiny", device="cpu", max_batch_files=3))
    assert "3 are analysed at a time" in shown(few, files)[-1]


def test_gradios_own_endpoint_answers_with_the_rows_of_the_command(
    service: PredictionService, files: list[str]
) -> None:
    handlers = LibraryHandlers(service)
    sent: Any = [{"path": path} for path in files]
    answer = run_alone(handlers.batch(sent, accept=0.0))
    assert [row["path"] for row in answer["rows"]] == ["song.mp3", "bad.wav", "a.zip/in/song.mp3", "a.zip/bad.mp3"]
    assert answer["ignored"] == 1
    single = service.analyse(SONG, PredictRequest()).prediction
    assert answer["rows"][0]["probabilities"] == pytest.approx(single.probabilities, abs=1e-6)
    assert answer["rows"][1]["error"]["code"] == "audio_undecodable"
    assert {row["decision"] for row in answer["rows"]} <= {"accepted", "rejected"}
    with pytest.raises(gr.Error, match="names no file uploaded"):
        run_alone(handlers.batch([{"path": "/etc/passwd"}]))  # type: ignore[list-item]
    with pytest.raises(gr.Error, match="accept is"):
        run_alone(handlers.batch(sent, accept=7.0))


@pytest.mark.parametrize("nothing", [None, [], [None], {}, 3])
def test_gradios_own_endpoint_refuses_to_analyse_nothing(service: PredictionService, nothing: Any) -> None:
    with pytest.raises(gr.Error, match="There is no audio file"):
        run_alone(LibraryHandlers(service).batch(nothing))


def test_one_file_that_is_no_list_is_analysed(service: PredictionService, files: list[str]) -> None:
    one: Any = {"path": files[0], "orig_name": "song.mp3"}
    assert len(run_alone(LibraryHandlers(service).batch(one))["rows"]) == 1


def test_a_closed_page_ends_its_batch(service: PredictionService, many: Path) -> None:
    async def leave() -> None:
        run = LibraryHandlers(service).predict([sent(many)], 1.0, False, 0, "", ENGLISH)
        async for words in run:
            if 'data-done="0"' not in words:
                break
        await run.aclose()  # type: ignore[attr-defined]

    started = batch_files(service)
    run_alone(leave())
    service.queues.batches.wait_until_empty(60)
    assert 0 < batch_files(service) - started < 200


def test_a_stopped_batch_ends_in_its_own_words_and_keeps_its_rows(service: PredictionService, many: Path) -> None:
    handlers = LibraryHandlers(service)

    async def stop() -> list[str]:
        run = handlers.predict([sent(many)], 1.0, False, 0, "", ENGLISH)
        async for words in run:
            if 'data-done="0"' not in words:
                handlers.stop(cast(re.Match[str], re.search('data-as-batch="([^"]+)"', words))[1])
                break
        return [words async for words in run]

    started = batch_files(service)
    (last,) = run_alone(stop())
    assert 'data-state="stopped"' in last
    service.queues.batches.wait_until_empty(60)
    assert 0 < batch_files(service) - started < 200
    handlers.stop("no such batch")  # the page of a server that was started anew


def test_one_users_batch_does_not_keep_another_waiting(service: PredictionService, many: Path) -> None:
    job = service.start_batch([Upload(path=many, name="many.zip")], PredictRequest())
    try:
        wait_for_rows(job)
        for _ in range(3):
            assert service.analyse(SONG, PredictRequest(private=True)).prediction.top(1)
        assert not job.finished
    finally:
        job.cancel()
        service.queues.batches.wait_until_empty(60)


def test_one_batch_too_many_is_turned_away(tiny_models: Path, many: Path) -> None:
    settings = Settings(models=tiny_models, model="tiny", device="cpu", batch_concurrency=1, batch_queue_size=1)
    service = PredictionService(settings)
    jobs = [service.start_batch([Upload(path=many, name="many.zip")], PredictRequest()) for _ in range(2)]
    try:
        with pytest.raises(OverloadError):
            service.start_batch([Upload(path=SONG, name="a.mp3")], PredictRequest())
    finally:
        for job in jobs:
            job.cancel()
        service.queues.batches.wait_until_empty(60)


MODEL = ModelInfo(name="m", architecture="a", weights_sha256="0", spectrogram="mel", backend="pytorch-fp32")


def test_a_row_is_worded_in_the_language_of_the_browser() -> None:
    row = Row(
        path="a.mp3",
        model=MODEL,
        settings_digest="",
        probabilities={"Jazz": 0.75, "Blues": 0.25},
        verdict="confident",
        health=(HealthNote(code="clipping", severity="warning", value=3.0),),
        clip=ClipInfo(offset_s=0, duration_s=10, track_duration_s=None, sample_rate_hz=44_100, channels=2),
    )
    english, chinese = (row_values(0, row, "accepted", language) for language in ("en", "zh"))
    assert (english["genre"], chinese["genre"]) == ("Jazz", "爵士")
    assert english["top"] == "Jazz 75.0% · Blues 25.0%"
    assert (english["verdictText"], chinese["verdictText"]) == ("Confident", "有把握")
    assert (english["decisionText"], chinese["decisionText"]) == ("Accepted", "采纳")
    assert english["notes"] != chinese["notes"]


@pytest.mark.parametrize(
    ("code", "words"), [("decoder_timeout", "took too long"), ("brand_new", "This audio cannot be analysed.")]
)
def test_a_failed_row_says_why(code: str, words: str) -> None:
    row = Row(path="a.mp3", model=MODEL, settings_digest="", error=RowError(code=code, message="Detail."))
    values = row_values(3, row, "rejected", "en")
    assert (values["verdict"], values["verdictText"], values["confidence"]) == ("error", "Not analysed", None)
    assert words in values["notes"][0]
    assert values["notes"][1] == "Detail."


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_frame_is_hidden_until_there_are_rows(language: str) -> None:
    html = library_frame_html(language)
    assert '<section class="as-card as-rows" hidden' in html
    assert html.count("data-as-chip=") == 1 + 6 + 3
