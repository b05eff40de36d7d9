"""Requests to the page's own API may name uploaded files only, whatever Gradio does with paths."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient

from acousticsense.web.upload_guard import UploadGuard


@pytest.fixture
def upload_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "uploads"
    folder.mkdir()
    (folder / "song.mp3").write_bytes(b"a song")
    return folder


@pytest.fixture
def client(upload_dir: Path) -> Iterator[TestClient]:
    """A page that answers everything with what it got."""
    app = FastAPI()
    app.add_middleware(UploadGuard, upload_dir=upload_dir)

    @app.post("/{path:path}")
    async def answer(request: Request) -> dict[str, Any]:
        return {"got": (await request.body()).decode(errors="replace")}

    with TestClient(app) as client:
        yield client


def file(path: object) -> dict[str, object]:
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


@pytest.mark.parametrize("address", ["/gradio_api/call/predict", "/gradio_api/queue/join", "/renamed/some/day"])
def test_an_uploaded_file_passes_and_the_body_arrives_whole(client: TestClient, upload_dir: Path, address: str) -> None:
    body = {"data": [file(str(upload_dir / "song.mp3")), 10, None, "é"]}
    answer = client.post(address, json=body)
    assert answer.status_code == 200
    assert json.loads(answer.json()["got"]) == body


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "https://x.test/a.mp3", "file:///etc/passwd", "../secret.mp3", "gone.mp3", "", "a\0b"]
)
@pytest.mark.parametrize("nest", [lambda f: [f], lambda f: [[[f]]], lambda f: {"x": {"y": f}}])
def test_any_other_path_is_refused_wherever_it_stands(client: TestClient, path: str, nest: Any) -> None:
    answer = client.post("/gradio_api/call/predict", json={"data": nest(file(path))})
    assert answer.status_code == 400
    assert "names no file uploaded" in answer.json()["error"]["message"]


@pytest.mark.parametrize("headers", [{"accept-language": "zh-CN"}, {"cookie": "as-language=zh"}])
def test_the_page_is_told_in_the_language_of_its_reader(client: TestClient, headers: dict[str, str]) -> None:
    refused = client.post("/gradio_api/call/predict", json={"data": [file("gone.mp3")]}, headers=headers).json()
    assert refused["detail"] == "服务器上没有这个上传的文件。请重新上传文件。"
    assert refused["error"]["message"] == "The path names no file uploaded to this server."


def test_a_body_counts_whatever_it_says_it_is(client: TestClient) -> None:
    body = json.dumps({"data": [file("/etc/passwd")]})
    for kind in ("application/json", "text/plain", ""):
        assert client.post("/gradio_api/call/predict", content=body, headers={"content-type": kind}).status_code == 400


def test_what_is_no_json_is_left_to_gradio(client: TestClient) -> None:
    for body in (b"", b"\xff", b"[" * 100_000, b'{"path": '):
        assert client.post("/gradio_api/call/predict", content=body).status_code == 200


def test_a_body_without_end_is_refused(client: TestClient) -> None:
    answer = client.post("/gradio_api/call/predict", content=b" " * (16 * 2**20 + 1))
    assert answer.status_code == 413


def test_uploads_and_the_rest_api_are_not_touched(client: TestClient) -> None:
    assert client.post("/gradio_api/upload", files={"files": b"x"}).status_code == 200
    assert client.post("/api/predict", json=file("/etc/passwd")).status_code == 200
