"""One clip through every interface of the running product: the same sixteen numbers to 1e-6."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from gradio_client import Client, handle_file

from acousticsense.models.catalog import DEFAULT_MODEL
from inference import load_model, predict_genre
from tests.server_process import ServerProcess, server_process

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the default model alone."""
    root = tmp_path_factory.mktemp("models")
    shutil.copytree(ROOT / "models" / DEFAULT_MODEL, root / DEFAULT_MODEL)
    return root


@pytest.fixture(scope="module")
def environ(models: Path) -> Iterator[dict[str, str]]:
    """The environment of whoever has no other model."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ACOUSTICSENSE_MODELS", str(models))
        patch.setenv("ACOUSTICSENSE_DEVICE", "cpu")
        yield {**os.environ}


@pytest.fixture(scope="module")
def server(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The real server on a real port, ready."""
    with server_process(models, tmp_path_factory.mktemp("server") / "log", ACOUSTICSENSE_MODEL="") as server:
        yield server


@pytest.fixture(scope="module")
def server_url(server: ServerProcess) -> str:
    return server.url


@pytest.fixture(scope="module")
def gradio(server_url: str) -> Client:
    return Client(server_url, verbose=False)


@pytest.fixture(scope="module")
def expected(environ: dict[str, str], music_mp3: Path) -> dict[str, float]:  # noqa: ARG001 - environ sets the model
    return dict(predict_genre(load_model(), str(music_mp3), top_k=16))


def close(probabilities: dict[str, float], expected: dict[str, float]) -> bool:
    return probabilities == pytest.approx(expected, abs=1e-6)


def test_the_article_script(server_url: str, music_mp3: Path, expected: dict[str, float]) -> None:
    with music_mp3.open("rb") as file:
        response = requests.post(f"{server_url}/api/predict/", files={"data": file}, timeout=60).json()
    best = response["prediction"][0]
    assert best["label"] == max(expected, key=lambda label: expected[label])
    assert best["confidence"] == pytest.approx(max(expected.values()), abs=1e-6)
    assert close(response["probabilities"], expected)
    image = requests.get(response["mel_spectrogram_url"], timeout=60)
    assert image.content.startswith(b"\x89PNG")


def test_gradio_client(gradio: Client, music_mp3: Path, expected: dict[str, float]) -> None:
    answer: dict[str, Any] = gradio.predict(handle_file(str(music_mp3)), api_name="/predict")
    assert close(answer["probabilities"], expected)


def test_gradio_client_shows_what_is_public(gradio: Client) -> None:
    endpoints = gradio.view_api(return_format="dict", print_info=False)
    assert set(endpoints["named_endpoints"]) == {
        "/batch",
        "/compare",
        "/ensemble",
        "/explain",
        "/predict",
        "/timeline",
    }


@pytest.mark.parametrize("endpoint", ["predict", "explain", "timeline", "ensemble", "compare", "batch"])
def test_only_what_was_uploaded_is_read(
    server_url: str, gradio: Client, music_mp3: Path, tmp_path_factory: pytest.TempPathFactory, endpoint: str
) -> None:
    """Whatever a request names: a file that nobody uploaded, a way out of the upload folder, a pipe, an address."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    secret = elsewhere / "secret.mp3"
    shutil.copy(music_mp3, secret)
    pipe = elsewhere / "pipe.mp3"
    os.mkfifo(pipe)
    with music_mp3.open("rb") as file:
        [own] = requests.post(f"{server_url}/gradio_api/upload", files={"files": file}, timeout=60).json()
    out = str(Path(own).parent / os.path.relpath(secret, Path(own).parent))
    said = {
        place: gradio_answer(server_url, gradio, endpoint, place)
        for place in (str(secret), out, str(pipe), "https://x.test/a")
    }
    assert {event for event, _ in said.values()} == {"error"}
    assert all("names no file uploaded" in text for _, text in said.values())
    assert gradio_answer(server_url, gradio, endpoint, own)[0] == "complete"
    assert requests.get(f"{server_url}/healthz", timeout=5).ok


def test_an_upload_that_breaks_off_leaves_no_trace_in_the_log(server: ServerProcess) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    head = "POST {} HTTP/1.1\r\nHost: x\r\nContent-Type: {}\r\nContent-Length: 100000\r\n\r\n"
    form = b'--b\r\nContent-Disposition: form-data; name="data"; filename="a.mp3"\r\n\r\nhalf of it'
    for path, kind, body in (
        ("/api/predict", "multipart/form-data; boundary=b", form),
        ("/api/compare", "multipart/form-data; boundary=b", form),
        ("/api/predict", "application/json", b'{"data": ["data:audio/mpeg;base64,'),
    ):
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(head.format(path, kind).encode() + body)
            time.sleep(0.3)
    time.sleep(1)
    assert requests.get(f"{server.url}/healthz", timeout=5).ok
    assert "ClientDisconnect" not in server.log.read_text()


def gradio_answer(server_url: str, gradio: Client, endpoint: str, place: str) -> tuple[str, str]:
    """The last event that Gradio sends for a request that names this path, and its data."""
    described = gradio.view_api(return_format="dict", print_info=False)
    file: Any = {"path": place, "meta": {"_type": "gradio.FileData"}}
    given = {"batch": [[file]], "compare": [file, file]}.get(endpoint, [file])
    parameters = described["named_endpoints"][f"/{endpoint}"]["parameters"][len(given) :]
    data = [*given, *(parameter["parameter_default"] for parameter in parameters)]
    call = f"{server_url}/gradio_api/call/{endpoint}"
    accepted = requests.post(call, json={"data": data}, timeout=60)
    if accepted.status_code == 400:
        return "error", accepted.json()["detail"]
    lines = requests.get(f"{call}/{accepted.json()['event_id']}", timeout=60).text.strip().splitlines()
    event, text = lines[-2:]
    return event.removeprefix("event: "), text.removeprefix("data: ")


def test_the_ensemble_by_rest_and_by_gradio_client(
    server_url: str, gradio: Client, music_mp3: Path, expected: dict[str, float]
) -> None:
    answer: dict[str, Any] = gradio.predict(handle_file(str(music_mp3)), models=DEFAULT_MODEL, api_name="/ensemble")
    with music_mp3.open("rb") as file:
        rest = requests.post(
            f"{server_url}/api/ensemble", files={"data": file}, data={"models": DEFAULT_MODEL}, timeout=60
        )
    for body in (answer, rest.json()):
        assert close(body["models"][0]["probabilities"], expected)
        assert close(body["consensus"]["probabilities"], expected)


def test_three_versions_by_rest_and_by_gradio_client(
    server_url: str, gradio: Client, music_mp3: Path, music_wav: Path
) -> None:
    a, b = handle_file(str(music_wav)), handle_file(str(music_mp3))
    client: dict[str, Any] = gradio.predict(a, b, c=a, api_name="/compare")
    files = {"a": music_wav.read_bytes(), "b": music_mp3.read_bytes(), "c": music_wav.read_bytes()}
    rest = requests.post(f"{server_url}/api/compare", files=files, timeout=60).json()
    assert client["differences"] == rest["differences"]
    assert client["others"]["c"]["differences"] == dict.fromkeys(rest["differences"], 0.0)


def test_every_interface_gives_the_same_heat_map(
    server_url: str, gradio: Client, environ: dict[str, str], music_mp3: Path, expected: dict[str, float]
) -> None:
    client: dict[str, Any] = gradio.predict(handle_file(str(music_mp3)), label="Jazz", api_name="/explain")
    with music_mp3.open("rb") as file:
        rest = requests.post(
            f"{server_url}/api/explain", files={"data": file}, data={"label": "Jazz"}, timeout=60
        ).json()
    command = [sys.executable, "-m", "acousticsense", "explain", str(music_mp3), "--label", "Jazz", "--json"]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, check=True, text=True)
    assert client["heatmap"] == rest["heatmap"] == json.loads(done.stdout)["heatmap"]
    assert rest["heatmap"]["confidence"] == pytest.approx(expected["Jazz"], abs=1e-6)
    assert requests.get(client["heatmap_url"], timeout=60).content.startswith(b"\x89PNG")


def test_curl(server_url: str, music_mp3: Path, expected: dict[str, float]) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("no curl on the PATH")
    done = subprocess.run(
        [curl, "-sSF", f"data=@{music_mp3}", f"{server_url}/api/predict"], capture_output=True, check=True
    )
    assert close(json.loads(done.stdout)["probabilities"], expected)


def test_python_inference_py(environ: dict[str, str], music_mp3: Path, expected: dict[str, float]) -> None:
    command = [sys.executable, "inference.py", str(music_mp3), "--top-k", "16"]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, check=True, text=True)
    assert close(dict(ast.literal_eval(done.stdout)), expected)


def test_acousticsense_predict_json(environ: dict[str, str], music_mp3: Path, expected: dict[str, float]) -> None:
    command = [sys.executable, "-m", "acousticsense", "predict", str(music_mp3), "--json"]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, check=True, text=True)
    (line,) = done.stdout.splitlines()
    assert close(json.loads(line)["probabilities"], expected)


def test_a_timeline_is_the_same_everywhere(
    server_url: str, gradio: Client, environ: dict[str, str], music_mp3: Path
) -> None:
    """REST, gradio_client and the command line; the tab is compared in its browser test."""
    with music_mp3.open("rb") as file:
        fields = {"window_s": "4", "hop_s": "3", "min_segment_s": "5"}
        rest = requests.post(f"{server_url}/api/timeline", files={"data": file}, data=fields, timeout=60).json()
    through_gradio = gradio.predict(
        handle_file(str(music_mp3)), window_s=4, hop_s=3, min_segment_s=5, api_name="/timeline"
    )
    command = [
        sys.executable,
        "-m",
        "acousticsense",
        "timeline",
        str(music_mp3),
        "--window",
        "4",
        "--hop",
        "3",
        "--min-segment",
        "5",
        "--json",
    ]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, check=True, text=True)
    for other in (through_gradio, json.loads(done.stdout)):
        assert len(other["windows"]) == len(rest["windows"]) == 4
        for window, expected in zip(other["windows"], rest["windows"], strict=True):
            assert (window["start_s"], window["verdict"]) == (expected["start_s"], expected["verdict"])
            assert close(window["probabilities"], expected["probabilities"])
        assert [segment["genre"] for segment in other["segments"]] == [part["genre"] for part in rest["segments"]]
        assert other["min_segment_s"] == rest["min_segment_s"] == 5


def test_the_page_and_the_documentation_are_there(server_url: str) -> None:
    assert "AcousticSense" in requests.get(server_url, timeout=30).text
    docs = requests.get(f"{server_url}/docs", timeout=30).text
    assert re.findall(r'(?:src|href)="(https?://[^"]+)"', docs) == []
    assets = re.findall(r'(?:src|href)="(docs/[^"]+)"', docs)
    assert len(assets) == 3
    for asset in assets:
        assert requests.get(f"{server_url}/{asset}", timeout=30).ok, asset


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/metrics", "/docs", "/openapi.json", "/gradio_api/info"])
def test_head_is_answered_wherever_get_is(server_url: str, path: str) -> None:
    answer = requests.head(server_url + path, timeout=30)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == requests.get(server_url + path, timeout=30).headers["content-type"]


@pytest.mark.parametrize("endpoint", ["predict", "ensemble", "timeline", "compare", "explain", "batch"])
def test_a_call_with_too_few_values_is_told_how_many_are_needed(server_url: str, endpoint: str) -> None:
    call = f"{server_url}/gradio_api/call/{endpoint}"
    event_id = requests.post(call, json={"data": []}, timeout=60).json()["event_id"]
    said = requests.get(f"{call}/{event_id}", timeout=60).text
    assert re.search(r"event: error\ndata: .*0 values were sent and \d+ are needed", said), said


def test_a_taken_port_is_a_sentence(server_url: str, environ: dict[str, str]) -> None:
    port = server_url.rpartition(":")[2]
    command = [sys.executable, "app_gradio.py", "--host", "127.0.0.1", "--port", port]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, check=False, text=True)
    assert done.returncode == 1
    assert f"Port {port}" in done.stderr
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr


def test_wrong_routes_are_answered_in_the_form_of_the_api(server_url: str) -> None:
    for method, path, status in (("GET", "/api/predict", 405), ("DELETE", "/api/models", 405), ("GET", "/api/x", 404)):
        answer = requests.request(method, server_url + path, timeout=30)
        assert answer.status_code == status
        assert answer.json()["error"]["message"]


def test_files_of_the_server_stay_private(server_url: str) -> None:
    for path in ("/gradio_api/file=/etc/passwd", f"/gradio_api/file={ROOT}/pyproject.toml"):
        assert requests.get(server_url + path, timeout=30).status_code in (403, 404)
