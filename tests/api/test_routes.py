"""REST: every request form, every error, the links and the operations routes."""

from __future__ import annotations

import asyncio
import base64
import io
import itertools
import json
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import soundfile
import torch
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image
from safetensors.torch import save_file
from starlette.responses import PlainTextResponse

from acousticsense.api.routes import create_api
from acousticsense.errors import OverloadError
from acousticsense.models.genres import GENRES
from acousticsense.models.networks import build_network
from acousticsense.models.spec import ModelSpec
from acousticsense.serving.requests import TimelineRequest
from acousticsense.serving.service import PredictionService
from acousticsense.settings import Settings
from acousticsense.spectrogram.front_end import NATIVE_MEL
from tests.conftest import RATE_HZ, install, play_chords, run_alone


@pytest.fixture(scope="module")
def service(tiny_models: Path) -> PredictionService:
    service = PredictionService(Settings(models=tiny_models, model="tiny", device="cpu", max_upload_mb=4))
    service.warm_up()
    return service


@pytest.fixture(scope="module")
def upload_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("uploads")


@pytest.fixture(scope="module")
def client(service: PredictionService, upload_dir: Path) -> Iterator[TestClient]:
    with TestClient(create_api(service, upload_dir=upload_dir), base_url="http://music.test") as client:
        yield client


def post(client: TestClient, audio: bytes, field: str = "data", **fields: str) -> httpx.Response:
    return client.post("/api/predict", files={field: ("song.mp3", audio)}, data=fields)


def error_of(response: httpx.Response) -> tuple[int, str]:
    body = response.json()["error"]
    assert body["message"]
    return response.status_code, body["code"]


@pytest.fixture(scope="module")
def expected(client: TestClient, music_mp3: Path) -> dict[str, float]:
    probabilities: dict[str, float] = post(client, music_mp3.read_bytes()).json()["probabilities"]
    return probabilities


def test_the_answer_has_everything_that_scripts_read(client: TestClient, music_mp3: Path) -> None:
    body = post(client, music_mp3.read_bytes()).json()
    assert len(body["prediction"]) == 5
    assert body["prediction"][0]["confidence"] == max(body["probabilities"].values())
    assert sum(body["probabilities"].values()) == pytest.approx(1)
    assert body["verdict"] in ("confident", "plausible", "mixed", "unsure", "not_music")
    assert body["model"]["name"] == "tiny"
    assert set(body["timing_ms"]) == {"decode", "spectrogram", "network", "total"}
    assert set(body["clip"]) == {"offset_s", "duration_s", "track_duration_s", "sample_rate_hz", "channels"}
    assert "data" not in body


def test_the_spectrogram_link_leads_to_a_png(client: TestClient, music_mp3: Path) -> None:
    url = post(client, music_mp3.read_bytes()).json()["mel_spectrogram_url"]
    assert url.startswith("http://music.test/api/spectrograms/")
    response = client.get(url)
    assert response.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(response.content)).size == (1600, 640)


def test_explain_answers_like_predict_and_adds_a_heat_map(client: TestClient, music_mp3: Path) -> None:
    audio = music_mp3.read_bytes()
    predicted = post(client, audio).json()
    second = predicted["prediction"][1]["label"]
    body = client.post("/api/explain", files={"data": audio}, data={"label": second}).json()
    assert body["probabilities"] == pytest.approx(predicted["probabilities"], abs=1e-6)
    heatmap = body["heatmap"]
    assert (heatmap["label"], heatmap["method"], heatmap["n_windows"]) == (second, "attention", 1)
    assert heatmap["confidence"] == body["probabilities"][second]
    (window,) = heatmap["windows"]
    values = [value for row in window["grid"] for value in row]
    assert (window["start_s"], len(window["grid"]), len(values)) == (0, 14, 196)
    assert (min(values), max(values)) == (0, 1)
    assert 0 <= heatmap["hottest"]["time_s"] <= 10
    response = client.get(body["heatmap_url"])
    assert Image.open(io.BytesIO(response.content)).size == (1600, 640)
    assert response.content != client.get(predicted["mel_spectrogram_url"]).content


def test_explain_takes_the_best_label_unless_told_and_names_those_it_knows(client: TestClient, music_mp3: Path) -> None:
    files = {"data": music_mp3.read_bytes()}
    body = client.post("/api/explain", files=files).json()
    assert body["heatmap"]["label"] == body["prediction"][0]["label"]
    refused = client.post("/api/explain", files=files, data={"label": "Polka"})
    assert error_of(refused) == (400, "bad_request")
    assert "Jazz" in refused.json()["error"]["hint"]


def test_a_network_without_heat_maps_still_predicts(tiny_settings: Settings, tmp_path: Path, music_mp3: Path) -> None:
    spec = ModelSpec(name="mixer", architecture="mixer_s32_224", labels=("A", "B"))
    folder = tmp_path / "mixer"
    folder.mkdir()
    save_file(build_network(spec.architecture, spec.n_outputs).state_dict(), folder / spec.weights_file)
    (folder / "model.json").write_text(spec.to_json(), encoding="utf-8")
    service = PredictionService(tiny_settings.replace(models=tmp_path, model="mixer"))
    with TestClient(create_api(service, upload_dir=tmp_path)) as mixer:
        assert post(mixer, music_mp3.read_bytes()).status_code == 200
        refused = mixer.post("/api/explain", files={"data": music_mp3.read_bytes()})
    assert error_of(refused) == (400, "not_explainable")


def test_a_wrong_image_id_is_a_404(client: TestClient) -> None:
    assert error_of(client.get("/api/spectrograms/guess.png")) == (404, "http_404")


@pytest.mark.parametrize("field", ["data", "file", "audio"])
@pytest.mark.parametrize("path", ["/api/predict", "/api/predict/"])
def test_form_fields(client: TestClient, music_mp3: Path, expected: dict[str, float], field: str, path: str) -> None:
    response = client.post(path, files={field: ("歌 'n' \"曲\".mp3", music_mp3.read_bytes())}, follow_redirects=False)
    assert response.json()["probabilities"] == pytest.approx(expected, abs=1e-9)


def test_options(client: TestClient, music_mp3: Path) -> None:
    body = post(client, music_mp3.read_bytes(), model="tiny", duration_s="3", offset_s="1.5", top_k="2").json()
    assert len(body["prediction"]) == 2
    assert body["clip"]["duration_s"] == pytest.approx(3, abs=0.01)
    assert body["clip"]["offset_s"] == pytest.approx(1.5, abs=0.01)


@pytest.fixture(scope="module")
def cnn_client(cnn_models: Path, upload_dir: Path) -> Iterator[TestClient]:
    service = PredictionService(Settings(models=cnn_models, model="mobilenetv3_large", device="cpu"))
    with TestClient(create_api(service, upload_dir=upload_dir)) as client:
        yield client


def test_one_model_answers_for_either_image(cnn_client: TestClient, music_mp3: Path) -> None:
    mel, same, cqt = (post(cnn_client, music_mp3.read_bytes(), spectrogram=kind).json() for kind in ("mel", "", "cqt"))
    assert mel["probabilities"] == same["probabilities"] != cqt["probabilities"]
    assert [body["model"]["spectrogram"] for body in (mel, same, cqt)] == ["mel", "mel", "cqt"]


def test_a_image_the_model_does_not_know_is_the_callers_mistake(client: TestClient, music_mp3: Path) -> None:
    for kind, words in (("cqt", "not trained on cqt"), ("wavelet", "spectrogram is 'wavelet'")):
        response = post(client, music_mp3.read_bytes(), spectrogram=kind)
        assert error_of(response) == (400, "bad_request")
        assert words in response.json()["error"]["message"]


def json_bodies(audio: bytes, upload_dir: Path) -> dict[str, object]:
    uri = "data:audio/mpeg;base64," + base64.b64encode(audio).decode()
    (upload_dir / "song.mp3").write_bytes(audio)
    return {
        "old client": {"name": "song.mp3", "data": uri},
        "bare uri": uri,
        "file data": {"path": str(upload_dir / "song.mp3"), "meta": {"_type": "gradio.FileData"}},
    }


@pytest.mark.parametrize("form", ["old client", "bare uri", "file data"])
def test_json_bodies(
    client: TestClient, music_mp3: Path, upload_dir: Path, expected: dict[str, float], form: str
) -> None:
    value = json_bodies(music_mp3.read_bytes(), upload_dir)[form]
    body = client.post("/api/predict", json={"data": [value]}).json()
    assert body["probabilities"] == pytest.approx(expected, abs=1e-9)
    assert body["data"][0]["label"] == body["prediction"][0]["label"]
    assert body["data"][1] == body["mel_spectrogram_url"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"data": []},
        {"data": "song.mp3"},
        {"data": [None]},
        {"data": [{}]},
        {"data": ["song.mp3"]},
        {"data": ["data:audio/mpeg;base64,!!!"]},
        {"data": ["data:audio/mpeg;base64,中"]},
        {"data": [{"path": "/etc/passwd"}]},
        {"data": [{"path": "nul\0byte"}]},
        {"data": [{"url": "http://127.0.0.1/song.mp3"}]},
        [],
    ],
)
def test_malformed_json_bodies(client: TestClient, body: object) -> None:
    assert error_of(client.post("/api/predict", json=body)) == (400, "bad_request")


@pytest.mark.parametrize(
    "write", [base64.encodebytes, base64.urlsafe_b64encode, lambda audio: base64.b64encode(audio)[:-1]]
)
def test_base64_as_encoders_write_it(
    client: TestClient, music_mp3: Path, expected: dict[str, float], write: Callable[[bytes], bytes]
) -> None:
    """In lines, for addresses, and without its padding."""
    audio = music_mp3.read_bytes() + b"\xfb\xff\xfe"  # make "+" and "/"
    audio += bytes((2 - len(audio)) % 3)  # makes one "="
    body = client.post("/api/predict", json={"data": ["data:audio/mpeg;base64," + write(audio).decode()]}).json()
    assert body["probabilities"] == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/docs", "/openapi.json", "/api/models"])
def test_head_is_answered_wherever_get_is(client: TestClient, path: str) -> None:
    head, get = client.head(path), client.get(path)
    assert (head.status_code, head.headers["content-type"]) == (200, get.headers["content-type"])
    assert client.head("/api/predict").status_code == 405


def test_files_outside_the_upload_folder_stay_private(client: TestClient, upload_dir: Path, music_mp3: Path) -> None:
    (upload_dir / "link.mp3").unlink(missing_ok=True)
    (upload_dir / "link.mp3").symlink_to(music_mp3)
    for path in (str(music_mp3), f"{upload_dir}/../{music_mp3.name}", str(upload_dir / "link.mp3")):
        assert error_of(client.post("/api/predict", json={"data": [{"path": path}]})) == (400, "bad_request")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"duration_s": "long"}, "duration_s is 'long'"),
        ({"duration_s": "-3"}, "duration_s is -3"),
        ({"duration_s": "nan"}, "duration_s is nan"),
        ({"offset_s": "inf"}, "offset_s is inf"),
        ({"top_k": "0.5"}, "top_k is 0.5"),
        ({"top_k": "-1"}, "top_k is -1"),
        ({"top_k": "0"}, "top_k is 0"),
        ({"top_k": "2.7"}, "top_k is 2.7"),
    ],
)
def test_bad_options_are_named(client: TestClient, music_mp3: Path, fields: dict[str, str], message: str) -> None:
    response = post(client, music_mp3.read_bytes(), **fields)
    assert error_of(response) == (400, "bad_request")
    assert message in response.json()["error"]["message"]


def test_other_bodies_are_refused(client: TestClient) -> None:
    assert error_of(client.post("/api/predict", content=b"x")) == (400, "bad_request")
    assert error_of(client.post("/api/predict", data={"data": "text"}))[0] == 400
    assert error_of(client.post("/api/predict", files={"song": b"x"})) == (400, "bad_request")
    broken = {"content-type": "multipart/form-data"}
    assert error_of(client.post("/api/predict", content=b"x", headers=broken)) == (400, "bad_request")
    broken = {"content-type": "application/json"}
    for content in (b"{", b"[" * 200_000):
        assert error_of(client.post("/api/predict", content=content, headers=broken)) == (400, "bad_request")


#: Methods that a client may send: those that routes know, others of HTTP, and one of WebDAV.
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")


@pytest.fixture(scope="module")
def beside_a_page(service: PredictionService, upload_dir: Path) -> Iterator[TestClient]:
    """The REST interface with something mounted at / that answers everything else, as the page is."""
    app = create_api(service, upload_dir=upload_dir)
    app.mount("/", PlainTextResponse("the page", 404))
    with TestClient(app) as client:
        yield client


def test_a_wrong_method_is_told_which_are_right(beside_a_page: TestClient) -> None:
    described = beside_a_page.get("/openapi.json").json()["paths"].items()
    known = {path: {method.upper() for method in route} for path, route in described}
    known |= {"/api/predict/": {"POST"}, "/docs": {"GET"}, "/openapi.json": {"GET"}}
    for path, methods in known.items():
        right = methods | ({"HEAD"} if "GET" in methods else set())
        for method in {*METHODS} - methods:
            answer = beside_a_page.request(method, re.sub("{.*}", "x.png", path))
            assert error_of(answer) == (405, "http_405"), (method, path)
            assert set(answer.headers["allow"].split(", ")) == right, (method, path)


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/nope", "/api/models/x", "/api/predict/x"])
def test_a_path_below_api_that_is_none_is_a_404_whatever_the_method(beside_a_page: TestClient, path: str) -> None:
    for method in METHODS:
        assert error_of(beside_a_page.request(method, path)) == (404, "http_404"), method
    assert beside_a_page.head(path).status_code == 404


@pytest.mark.parametrize("path", ["/", "/apis", "/gradio_api/queue", "/docs/x", "/healthz/x"])
def test_what_is_not_ours_is_left_to_the_page(beside_a_page: TestClient, path: str) -> None:
    assert {beside_a_page.request(method, path).text for method in METHODS} == {"the page"}


def test_a_model_that_cannot_be_fed_is_named_and_others_answer(
    tiny_models: Path, tmp_path: Path, music_mp3: Path
) -> None:
    shutil.copytree(tiny_models / "tiny", tmp_path / "tiny")
    install(tmp_path, ModelSpec(name="wrong", architecture="musicnn", labels=GENRES, front_end=NATIVE_MEL), seed=0)
    service = PredictionService(Settings(models=tmp_path, model="tiny", device="cpu"))
    with TestClient(create_api(service, upload_dir=tmp_path)) as client:
        answer = post(client, music_mp3.read_bytes(), model="wrong")
        assert error_of(answer) == (500, "checkpoint_error")
        assert "wrong cannot read 3x224x224 values" in answer.json()["error"]["message"]
        assert post(client, music_mp3.read_bytes(), model="tiny").status_code == 200


def test_an_unknown_model_is_a_404_and_paths_are_not_models(client: TestClient, music_mp3: Path) -> None:
    for name in ("huge", "../tiny", "/etc/passwd", "hf:owner/repo"):
        assert error_of(post(client, music_mp3.read_bytes(), model=name)) == (404, "unknown_model")


@pytest.mark.parametrize(
    ("audio", "status", "code"),
    [
        (b"", 422, "audio_empty"),
        (b"not audio at all, whatever it is called", 415, "audio_undecodable"),
        (bytes(range(256)) * 40, 415, "audio_undecodable"),
    ],
)
def test_what_is_no_audio(client: TestClient, audio: bytes, status: int, code: str) -> None:
    assert error_of(post(client, audio)) == (status, code)


def test_a_file_over_the_limit_is_a_413(client: TestClient) -> None:
    assert error_of(post(client, bytes(5 * 2**20))) == (413, "audio_too_large")
    assert error_of(post(client, bytes(8 * 2**20))) == (413, "audio_too_large")


def test_a_body_that_hides_its_length_is_stopped_too(client: TestClient) -> None:
    part = b'--b\r\nContent-Disposition: form-data; name="data"; filename="song.mp3"\r\n\r\n'
    chunks = itertools.chain([part], (bytes(2**20) for _ in range(64)))
    headers = {"content-type": "multipart/form-data; boundary=b"}
    assert error_of(client.post("/api/predict", content=chunks, headers=headers)) == (413, "audio_too_large")


def test_an_offset_beyond_the_end_is_a_422(client: TestClient, music_mp3: Path) -> None:
    assert error_of(post(client, music_mp3.read_bytes(), offset_s="4000")) == (422, "audio_empty")


def test_advice_follows_the_browser_language(client: TestClient, music_mp3: Path) -> None:
    files = {"data": music_mp3.read_bytes()}
    chinese = client.post("/api/predict", files=files, headers={"accept-language": "zh-CN"}).json()
    assert any("一" <= character <= "鿿" for character in "".join(chinese["advice"]))
    assert chinese["prediction"][0]["label"].isascii()


def test_models(client: TestClient) -> None:
    (model,) = client.get("/api/models").json()["models"]
    assert (model["name"], model["spectrogram"], len(model["labels"])) == ("tiny", "mel", 16)
    assert len(model["weights_sha256"]) == 64


def test_models_with_several_images_tell_the_figures_of_each(cnn_client: TestClient) -> None:
    models = {model["name"]: model for model in cnn_client.get("/api/models").json()["models"]}
    assert models["resnet50"]["spectrograms"] == ["mel", "cqt"]
    measured = models["resnet50"]["metrics_by_spectrogram"]
    assert measured["mel"] == models["resnet50"]["metrics"] != measured["cqt"]
    assert models["tiny"]["spectrograms"] == ["mel"]


def test_alive_ready_and_counted(client: TestClient, music_mp3: Path) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready", "model": "tiny"}
    counted = client.get("/metrics").text
    post(client, music_mp3.read_bytes())
    post(client, b"noise")
    after = client.get("/metrics").text
    assert (
        read_metric(after, "acousticsense_predictions_total")
        == read_metric(counted, "acousticsense_predictions_total") + 1
    )
    assert 'acousticsense_errors_total{code="audio_undecodable"}' in after
    for stage in ("queue", "decode", "spectrogram", "network", "answer"):
        assert read_metric(after, f'acousticsense_stage_seconds_count{{stage="{stage}"}}') > 0
    assert read_metric(after, "acousticsense_ready") == 1
    assert "_created" not in after


@contextmanager
def busy(service: PredictionService) -> Iterator[None]:
    """While a prediction is at work."""
    done = threading.Event()
    with ThreadPoolExecutor(1) as asking:
        asking.submit(run_alone, service.answer(done.wait))
        while not service.queues.predictions.inside:
            time.sleep(0.001)
        try:
            yield
        finally:
            done.set()


def read_metric(text: str, name: str) -> float:
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(name + " "))


def test_not_ready_until_the_model_is_loaded_and_says_why_it_cannot_be(tiny_settings: Settings, tmp_path: Path) -> None:
    loading = PredictionService(tiny_settings)
    with TestClient(create_api(loading, upload_dir=tmp_path)) as client:
        response = client.get("/readyz")
        assert response.status_code == 503
        assert "loading" in response.json()["reason"]
        loading.warm_up()
        assert client.get("/readyz").status_code == 200
    broken = PredictionService(tiny_settings.replace(model="missing"))
    broken.warm_up()
    with TestClient(create_api(broken, upload_dir=tmp_path)) as client:
        assert "missing" in client.get("/readyz").json()["reason"]


def test_a_full_queue_turns_away_at_once_and_says_when_to_come_back(tiny_settings: Settings, tmp_path: Path) -> None:
    service = PredictionService(tiny_settings.replace(concurrency=1, queue_size=0))
    service.warm_up()
    with TestClient(create_api(service, upload_dir=tmp_path)) as client, busy(service):
        for path in ("/api/predict", "/api/explain"):
            response = client.post(path, files={"data": b"x"})
            assert error_of(response) == (503, "overloaded")
            assert int(response.headers["retry-after"]) > 0
        assert "queue is full" in client.get("/readyz").json()["reason"]


def test_while_a_hundred_requests_wait_everything_else_is_answered(
    tiny_settings: Settings, tmp_path: Path, music_mp3: Path
) -> None:
    service = PredictionService(tiny_settings.replace(concurrency=1, queue_size=100))
    app = create_api(service, upload_dir=tmp_path)
    image = f"/api/spectrograms/{service.images.put(lambda: b'png')}.png"
    song, done = music_mp3.read_bytes(), threading.Event()

    async def scenario() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://music.test", timeout=None) as client:
            working = service.queues.predictions.submit(lambda: done.wait(60))
            waiting = [asyncio.create_task(client.post("/api/predict", files={"data": song})) for _ in range(100)]
            while service.queues.predictions.inside <= 100:
                await asyncio.sleep(0.01)
            try:
                for path, status in (
                    ("/healthz", 200),
                    ("/readyz", 503),
                    ("/metrics", 200),
                    (image, 200),
                    ("/docs", 200),
                ):
                    answer = await asyncio.wait_for(client.get(path), 30)
                    assert answer.status_code == status, path
                refused = await asyncio.wait_for(client.post("/api/predict", files={"data": song}), 30)
                assert error_of(refused) == (503, "overloaded")
            finally:
                done.set()
            assert working.result()
            return await asyncio.gather(*waiting)

    assert {answer.status_code for answer in run_alone(scenario())} == {200}


def test_one_bad_request_never_harms_the_others(
    client: TestClient, music_mp3: Path, expected: dict[str, float]
) -> None:
    def ask(audio: bytes) -> None:
        answers.append(post(client, audio).json())

    answers: list[dict[str, dict[str, float]]] = []
    audios = [music_mp3.read_bytes(), b"junk"] * 4
    threads = [threading.Thread(target=ask, args=(audio,)) for audio in audios]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    good = [answer["probabilities"] for answer in answers if "probabilities" in answer]
    assert len(good) == 4
    assert all(probabilities == pytest.approx(expected, abs=1e-6) for probabilities in good)


def test_loaded_models_are_bounded(tiny_models: Path, tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        (tmp_path / name).symlink_to(tiny_models / "tiny")
    service = PredictionService(Settings(models=tmp_path, model="one", max_loaded_models=1, device="cpu"))
    default, two = service.classifier(""), service.classifier("two")
    assert service.classifier("one") is default
    assert service.classifier("two") is two
    service.classifier("three")
    assert service.classifier("two") is not two
    assert service.classifier("") is default


def test_short_and_odd_audio_is_answered(client: TestClient) -> None:
    for rate_hz in (8000, 96_000):
        buffer = io.BytesIO()
        soundfile.write(buffer, play_chords(1.0)[:: max(1, RATE_HZ // rate_hz)], rate_hz, format="WAV")
        body = post(client, buffer.getvalue()).json()
        assert sum(body["probabilities"].values()) == pytest.approx(1)


# --- timelines


def post_timeline(client: TestClient, audio: bytes, **fields: str) -> httpx.Response:
    return client.post("/api/timeline", files={"data": ("song.mp3", audio)}, data=fields)


def test_a_timeline_has_windows_segments_and_files(client: TestClient, music_mp3: Path) -> None:
    body = post_timeline(client, music_mp3.read_bytes(), window_s="4", hop_s="2").json()
    assert [window["start_s"] for window in body["windows"]] == [0, 2, 4, 6, 8, 10]
    assert all(sum(window["probabilities"].values()) == pytest.approx(1) for window in body["windows"])
    assert body["segments"][0]["start_s"] == 0
    assert body["segments"][-1]["end_s"] == pytest.approx(12, abs=0.1)
    assert (body["window_s"], body["hop_s"], body["model"]["name"]) == (4, 2, "tiny")
    table = client.get(body["files"]["csv"])
    assert table.headers["content-type"].startswith("text/csv")
    assert len(table.text.splitlines()) == 7
    again = client.get(body["files"]["json"]).json()
    assert again == {key: value for key, value in body.items() if key != "files"}
    labels = client.get(body["files"]["txt"]).text.splitlines()
    assert len(labels) == len(body["segments"])
    one = post_timeline(client, music_mp3.read_bytes(), window_s="4", hop_s="2", min_segment_s="3600").json()
    assert (len(one["segments"]), one["min_segment_s"]) == (1, 3600)


def test_a_window_of_the_timeline_is_a_prediction(client: TestClient, music_mp3: Path) -> None:
    audio = music_mp3.read_bytes()
    window = post_timeline(client, audio, window_s="3", offset_s="2").json()["windows"][1]
    single = post(client, audio, offset_s="5", duration_s="3").json()
    assert window["probabilities"] == pytest.approx(single["probabilities"], abs=2e-3)
    assert window["verdict"] == single["verdict"]


@pytest.mark.parametrize("name", ["guess.csv", "guess", "guess.exe"])
def test_a_wrong_timeline_is_a_404(client: TestClient, name: str) -> None:
    assert error_of(client.get(f"/api/timelines/{name}")) == (404, "http_404")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"window_s": "0.2"}, "window_s is 0.2"),
        ({"hop_s": "nan"}, "hop_s is nan"),
        ({"hop_s": "often"}, "hop_s is 'often'"),
        ({"duration_s": "0"}, "duration_s is 0"),
        ({"offset_s": "-1"}, "offset_s is -1"),
    ],
)
def test_impossible_timelines(client: TestClient, music_mp3: Path, fields: dict[str, str], message: str) -> None:
    response = post_timeline(client, music_mp3.read_bytes(), **fields)
    assert error_of(response) == (400, "bad_request")
    assert message in response.json()["error"]["message"]


def test_a_timeline_of_no_audio(client: TestClient) -> None:
    assert error_of(post_timeline(client, b"words " * 100)) == (415, "audio_undecodable")


class Slow:
    """A classifier that predicts a batch of a timeline only when it is told to."""

    def __init__(self, service: PredictionService, monkeypatch: pytest.MonkeyPatch) -> None:
        self.may_go_on = threading.Semaphore(0)
        self.waiting = threading.Semaphore(0)
        classifier = service.classifier("")
        logits = classifier.logits

        def held(images: torch.Tensor) -> torch.Tensor:
            self.waiting.release()
            assert self.may_go_on.acquire(timeout=60)
            return logits(images)

        monkeypatch.setattr(classifier, "logits", held)


@pytest.fixture
def own_service(tiny_models: Path) -> PredictionService:
    settings = Settings(
        models=tiny_models, model="tiny", device="cpu", concurrency=1, timeline_concurrency=1, timeline_queue_size=0
    )
    return PredictionService(settings)


def test_one_timeline_too_many_is_refused_and_predictions_are_not(
    own_service: PredictionService, tmp_path: Path, music_mp3: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Slow(own_service, monkeypatch)
    with TestClient(create_api(own_service, upload_dir=tmp_path)) as client:
        job = own_service.start_timeline(music_mp3, TimelineRequest(window_s=2.0))
        assert slow.waiting.acquire(timeout=60)
        refused = post_timeline(client, music_mp3.read_bytes())
        assert error_of(refused) == (503, "overloaded")
        assert refused.headers["Retry-After"]
        assert client.get("/readyz").status_code == 503  # not warmed up; but not because of the timeline:
        assert post(client, music_mp3.read_bytes()).status_code == 200
        slow.may_go_on.release(10)
        assert job.result().windows
        assert post_timeline(client, music_mp3.read_bytes()).status_code == 200


def test_between_its_batches_a_timeline_lets_predictions_go_first(
    own_service: PredictionService, music_mp3: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("acousticsense.serving.queues._PATIENCE_S", 60.0)
    slow = Slow(own_service, monkeypatch)
    with busy(own_service):
        job = own_service.start_timeline(music_mp3, TimelineRequest(window_s=1.0))
        slow.may_go_on.release(10)
        assert not slow.waiting.acquire(timeout=0.5)  # a prediction is at work
    assert slow.waiting.acquire(timeout=60)
    assert job.result().windows


def test_a_timeline_is_not_put_off_for_ever(
    own_service: PredictionService, music_mp3: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("acousticsense.serving.queues._PATIENCE_S", 0.05)
    with busy(own_service):
        assert own_service.start_timeline(music_mp3, TimelineRequest(window_s=2.0)).result().windows


def test_a_timeline_that_nobody_asked_for_gives_way_to_one_that_somebody_asked_for(
    own_service: PredictionService, music_mp3: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("acousticsense.serving.queues._PATIENCE_S", 60.0)
    slow = Slow(own_service, monkeypatch)
    asked = own_service.start_timeline(music_mp3, TimelineRequest(window_s=2.0))
    assert slow.waiting.acquire(timeout=60)
    unasked = own_service.start_timeline(music_mp3, TimelineRequest(window_s=2.0), unasked=True)
    assert not slow.waiting.acquire(timeout=0.5)
    slow.may_go_on.release(20)
    assert asked.result().windows == unasked.result().windows


def test_timelines_that_nobody_asked_for_take_no_place_in_the_queue_of_the_others(
    own_service: PredictionService, music_mp3: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Slow(own_service, monkeypatch)
    unasked = [own_service.start_timeline(music_mp3, TimelineRequest(), unasked=True) for _ in range(3)]
    assert slow.waiting.acquire(timeout=60)
    own_service.refuse_if_full(timelines=True)
    slow.may_go_on.release(20)
    assert all(job.result().windows for job in unasked)


def test_a_cancelled_timeline_ends_and_makes_room(
    own_service: PredictionService, music_mp3: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Slow(own_service, monkeypatch)
    job = own_service.start_timeline(music_mp3, TimelineRequest(window_s=1.0))
    assert slow.waiting.acquire(timeout=60)
    job.cancel()
    slow.may_go_on.release(1)  # the batch in hand, and no other
    with pytest.raises(CancelledError):
        job.result()
    own_service.refuse_if_full(timelines=True)
    assert job.done_s < 12


def test_a_timeline_ends_when_the_server_stops(
    own_service: PredictionService, music_mp3: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Slow(own_service, monkeypatch)
    job = own_service.start_timeline(music_mp3, TimelineRequest(window_s=1.0))
    assert slow.waiting.acquire(timeout=60)
    own_service.stop()
    slow.may_go_on.release(1)  # the batch in hand, and no other
    with pytest.raises(OverloadError, match="stopping"):
        job.result()


def data_uri(audio: Path) -> str:
    return "data:audio/mpeg;base64," + base64.b64encode(audio.read_bytes()).decode()


def status_for_who_leaves(app: FastAPI, path: str, fields: dict[str, Any], leaves: Callable[[], bool]) -> int:
    """The status that a client is told which sends JSON and goes away as soon as `leaves` says so."""
    messages = [{"type": "http.request", "body": json.dumps(fields).encode()}]

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop()
        while not leaves():
            await asyncio.sleep(0.01)
        return {"type": "http.disconnect"}

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "server": ("music.test", 80),
        "client": ("127.0.0.1", 1),
        "headers": [(b"content-type", b"application/json"), (b"host", b"music.test")],
    }
    run_alone(app(scope, receive, send))
    return int(sent[0]["status"])


def test_the_work_ends_when_the_client_goes_away(
    own_service: PredictionService, tmp_path: Path, music_mp3: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Slow(own_service, monkeypatch)
    app = create_api(own_service, upload_dir=tmp_path)
    fields = {"data": [data_uri(music_mp3)], "window_s": 1}
    assert status_for_who_leaves(app, "/api/timeline", fields, lambda: slow.waiting.acquire(blocking=False)) == 499
    slow.may_go_on.release(1)
    own_service.queues.timelines.wait_until_empty(60)
    own_service.refuse_if_full(timelines=True)


@pytest.mark.parametrize("path", ["/api/predict", "/api/ensemble", "/api/explain"])
def test_who_goes_away_leaves_the_queue(
    own_service: PredictionService, tmp_path: Path, music_mp3: Path, path: str
) -> None:
    app = create_api(own_service, upload_dir=tmp_path)
    fields = {"data": [data_uri(music_mp3)]}
    with busy(own_service):
        before = own_service.queues.predictions.inside
        assert status_for_who_leaves(app, path, fields, lambda: own_service.queues.predictions.inside > before) == 499
        assert own_service.queues.predictions.inside == before


def test_a_private_request_leaves_nothing_for_the_next(client: TestClient, music_wav: Path) -> None:
    def is_repeated(**fields: str) -> bool:
        answer = post(client, music_wav.read_bytes(), offset_s="0.75", **fields)
        return bool(answer.json()["timing_ms"]["network"] == 0)

    assert not is_repeated(private="true")
    assert not is_repeated(private="false")
    assert is_repeated()
    assert not is_repeated(private="1")


def test_private_is_true_or_false(client: TestClient, music_wav: Path) -> None:
    assert error_of(post(client, music_wav.read_bytes(), private="perhaps")) == (400, "bad_request")


def test_the_answer_says_what_computed_it(client: TestClient, music_wav: Path) -> None:
    assert post(client, music_wav.read_bytes()).json()["model"]["backend"] == "pytorch-fp32"


def test_two_versions_are_compared(client: TestClient, music_mp3: Path, music_wav: Path) -> None:
    files = {"a": ("a.wav", music_wav.read_bytes()), "b": ("b.mp3", music_mp3.read_bytes())}
    body = client.post("/api/compare", files=files, data={"duration_s": "5", "top_k": "2"}).json()
    assert body["moved"] is False
    assert [len(body[name]["prediction"]) for name in "ab"] == [2, 2]
    for label, difference in body["differences"].items():
        assert difference == body["b"]["probabilities"][label] - body["a"]["probabilities"][label]
    assert client.get(body["b"]["mel_spectrogram_url"]).content.startswith(b"\x89PNG")
    assert not {"others", "c", "d"} & set(body)
    more = {**files, "c": files["b"], "d": files["a"]}
    four = client.post("/api/compare", files=more, data={"duration_s": "5", "top_k": "2"}).json()
    assert four["others"]["c"]["differences"] == four["differences"] == body["differences"]
    assert not any(four["others"]["d"]["differences"].values())
    assert client.get(four["d"]["mel_spectrogram_url"]).content.startswith(b"\x89PNG")


def test_a_comparison_needs_two_to_four_versions_and_nothing_else(client: TestClient, music_mp3: Path) -> None:
    song = music_mp3.read_bytes()
    for names in ("a", "ac", "abd", "abx", "abcde"):
        files = dict.fromkeys(names, song)
        assert error_of(client.post("/api/compare", files=files)) == (400, "bad_request")
    assert error_of(client.post("/api/compare", json={"a": "", "b": ""})) == (400, "bad_request")
    response = client.post("/api/compare", files={"a": song, "b": b"no sound at all"})
    assert error_of(response) == (415, "audio_undecodable")
    assert response.json()["error"]["message"].startswith("Version B")
    assert error_of(client.post("/api/compare", files={"a": bytes(2**20), "b": bytes(24 * 2**20)}))[0] == 413
