"""The documentation is true: each answer of each route, good or bad, is one that it describes."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from jsonschema import Draft202012Validator

from acousticsense.api.routes import create_api
from acousticsense.serving.requests import EnsembleRequest, ExplainRequest, PredictRequest, TimelineRequest, parse
from acousticsense.serving.service import PredictionService
from acousticsense.settings import Settings

Send = Callable[[TestClient, bytes], httpx.Response]


def posts(path: str, files: tuple[str, ...] = ("data",), **fields: str) -> Send:
    """A form with the song."""
    return lambda client, song: client.post(path, files=dict.fromkeys(files, ("song.mp3", song)), data=fields)


def fetches(path: str, *keys: str) -> Send:
    """What the answer to a form names."""

    def send(client: TestClient, song: bytes) -> httpx.Response:
        named: Any = posts(path)(client, song).json()
        for key in keys:
            named = named[key]
        return client.get(named)

    return send


def sends(path: str, content: bytes) -> Send:
    """A form with something else."""
    return lambda client, _: client.post(path, files={"data": content})


def gets(path: str) -> Send:
    return lambda client, _: client.get(path)


def as_json(client: TestClient, song: bytes) -> httpx.Response:
    uri = "data:audio/mpeg;base64," + base64.b64encode(song).decode()
    return client.post("/api/predict", json={"data": [uri]})


@pytest.fixture(scope="module")
def client(cnn_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    service = PredictionService(Settings(models=cnn_models, model="tiny", device="cpu", max_upload_mb=1))
    service.warm_up()
    with TestClient(create_api(service, upload_dir=tmp_path_factory.mktemp("uploads"))) as client:
        yield client


@pytest.fixture(scope="module")
def document(client: TestClient) -> dict[str, Any]:
    document: dict[str, Any] = client.get("/openapi.json").json()
    return document


def check(document: dict[str, Any], method: str, path: str, answer: httpx.Response) -> None:
    """Fails when the documentation does not describe this answer."""
    described = document["paths"][path][method]["responses"]
    assert str(answer.status_code) in described, f"{method} {path} answered {answer.status_code}: {answer.text}"
    content = described[str(answer.status_code)]["content"]
    media_type = answer.headers["content-type"].partition(";")[0]
    assert media_type in content
    if media_type == "application/json":
        schema = {**content[media_type]["schema"], "components": document["components"]}
        Draft202012Validator(schema).validate(answer.json())


#: Route -> status and request that brings it out.
REQUESTS: dict[tuple[str, str], list[tuple[int, Send]]] = {
    ("post", "/api/predict"): [
        (200, posts("/api/predict")),
        (200, as_json),
        (400, posts("/api/predict", top_k="0")),
        (404, posts("/api/predict", model="nobody")),
        (413, sends("/api/predict", bytes(2 * 2**20))),
        (415, sends("/api/predict", b"words")),
        (422, sends("/api/predict", b"")),
    ],
    ("post", "/api/explain"): [(200, posts("/api/explain")), (400, posts("/api/explain", label="Polka"))],
    ("post", "/api/ensemble"): [
        (200, posts("/api/ensemble", models="tiny,resnet50")),
        (200, posts("/api/ensemble", models="tiny")),
        (404, posts("/api/ensemble", models="nobody")),
    ],
    ("post", "/api/compare"): [
        (200, posts("/api/compare", ("a", "b"))),
        (200, posts("/api/compare", ("a", "b", "c", "d"))),
        (400, posts("/api/compare", ("a",))),
    ],
    ("post", "/api/timeline"): [
        (200, posts("/api/timeline", window_s="4")),
        (400, posts("/api/timeline", window_s="0.1")),
        (415, sends("/api/timeline", b"words")),
    ],
    # There is no library here; an answer is checked in test_similar.
    ("post", "/api/similar"): [(400, posts("/api/similar")), (400, posts("/api/similar", top_k="0"))],
    ("get", "/api/spectrograms/{image_id}.png"): [
        (200, fetches("/api/predict", "mel_spectrogram_url")),
        (404, gets("/api/spectrograms/guess.png")),
    ],
    ("get", "/api/timelines/{name}"): [
        (200, fetches("/api/timeline", "files", "csv")),
        (200, fetches("/api/timeline", "files", "json")),
        (200, fetches("/api/timeline", "files", "txt")),
        (200, fetches("/api/timeline", "files", "cue")),
        (200, fetches("/api/timeline", "files", "xml")),
        (404, gets("/api/timelines/guess.csv")),
    ],
    ("get", "/api/models"): [(200, gets("/api/models"))],
    ("get", "/healthz"): [(200, gets("/healthz"))],
    ("get", "/readyz"): [(200, gets("/readyz"))],
    ("get", "/metrics"): [(200, gets("/metrics"))],
}


def test_every_route_is_asked_below(document: dict[str, Any]) -> None:
    assert {(method, path) for path, methods in document["paths"].items() for method in methods} == set(REQUESTS)


@pytest.mark.parametrize("route", REQUESTS, ids=" ".join)
def test_every_answer_is_one_that_the_documentation_describes(
    client: TestClient, document: dict[str, Any], music_mp3: Path, route: tuple[str, str]
) -> None:
    for status, send in REQUESTS[route]:
        answer = send(client, music_mp3.read_bytes())
        assert answer.status_code == status, answer.text
        check(document, *route, answer)


def test_a_server_that_is_not_ready_or_full_answers_as_described(
    tiny_settings: Settings, document: dict[str, Any], tmp_path: Path, music_mp3: Path
) -> None:
    service = PredictionService(tiny_settings.replace(concurrency=1, queue_size=0))
    done = threading.Event()
    with TestClient(create_api(service, upload_dir=tmp_path)) as client:
        check(document, "get", "/readyz", client.get("/readyz"))
        working = service.queues.predictions.submit(lambda: done.wait(60))
        for path in ("/api/predict", "/api/explain", "/api/ensemble", "/api/compare"):
            answer = posts(path)(client, music_mp3.read_bytes())
            assert answer.status_code == 503
            check(document, "post", path, answer)
        done.set()
        assert working.result()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/api/predict", PredictRequest),
        ("/api/explain", ExplainRequest),
        ("/api/ensemble", EnsembleRequest),
        ("/api/timeline", TimelineRequest),
    ],
)
def test_both_forms_of_a_request_are_described(document: dict[str, Any], path: str, kind: Any) -> None:
    operation = document["paths"][path]["post"]
    contents = operation["requestBody"]["content"]
    assert set(contents) == {"multipart/form-data", "application/json"}
    for content in contents.values():
        fields = content["schema"]["properties"]
        assert set(fields) == {"data", *kind.model_fields}
        assert kind() == parse(kind, {name: field["default"] for name, field in fields.items() if "default" in field})
    assert {"200", "400", "404", "413", "415", "422", "503"} <= set(operation["responses"])
