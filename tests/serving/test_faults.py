"""Faults while the real server answers: each is told in words, and the next request is answered as ever."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
import requests

from tests.server_process import ServerProcess, server_process

PATIENCE_S = 1200
MIB = 2**20


def small_disk(folder: Path) -> list[str]:
    """Words before a command: a disk of 96 MiB at a folder for it; where only root can, a limit on each file."""
    if os.geteuid() == 0 and subprocess.run(["unshare", "-m", "true"], check=False).returncode == 0:
        return ["unshare", "-m", "sh", "-c", 'mount -t tmpfs -o size=96m tmpfs "$0" && exec "$@"', str(folder)]
    return ["prlimit", f"--fsize={48 * MIB}"]


@pytest.fixture(scope="module")
def models(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ "tiny", and the same as "other"."""
    root = tmp_path_factory.mktemp("models")
    for name in ("tiny", "other"):
        shutil.copytree(tiny_models / "tiny", root / name)
    spec = root / "other/model.json"
    spec.write_text(json.dumps({**json.loads(spec.read_text()), "name": "other"}))
    return root


@pytest.fixture(scope="module")
def server(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    disk = tmp_path_factory.mktemp("disk")
    with server_process(
        models,
        tmp_path_factory.mktemp("server") / "log",
        before=small_disk(disk),
        TMPDIR=str(disk),
        GRADIO_TEMP_DIR=str(disk / "uploads"),
        ACOUSTICSENSE_DECODE_TIMEOUT_S="900",
    ) as server:
        yield server


@pytest.fixture(scope="module", autouse=True)
def idle(server: ServerProcess) -> tuple[http.client.HTTPConnection, float]:
    """A connection over which one request was answered, and since when nothing is sent over it."""
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=PATIENCE_S)
    connection.request("GET", "/healthz")
    answer = connection.getresponse()
    assert answer.status == 200
    answer.read()
    return connection, time.monotonic()


def ask(server: ServerProcess, sound: Path, **fields: str) -> requests.Response:
    """An answer that is not one given before."""
    with sound.open("rb") as file:
        return requests.post(
            f"{server.url}/api/predict", files={"data": file}, data={"private": "true", **fields}, timeout=PATIENCE_S
        )


def descendants(server: ServerProcess) -> list[psutil.Process]:
    return psutil.Process(server.process.pid).children(recursive=True)


def decoders(server: ServerProcess) -> list[psutil.Process]:
    """The processes that decode: a process that the server started starts them."""
    return [process for process in descendants(server) if process.ppid() != server.process.pid]


def wait_until_inside(server: ServerProcess, count: int) -> None:
    """Until so many requests are being answered or wait."""
    deadline = time.monotonic() + PATIENCE_S
    while (
        f"acousticsense_requests_inside {count}" not in requests.get(f"{server.url}/metrics", timeout=PATIENCE_S).text
    ):
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_decoder_killed_at_work_costs_one_answer(server: ServerProcess, music_mp3: Path) -> None:
    assert ask(server, music_mp3).status_code == 200
    for process in decoders(server):
        process.suspend()
    with ThreadPoolExecutor(1) as client:
        answer = client.submit(ask, server, music_mp3)
        wait_until_inside(server, 1)
        time.sleep(2)
        for process in decoders(server):
            process.kill()
        refused = answer.result(PATIENCE_S)
    assert refused.status_code == 415
    assert refused.json()["error"]["code"] == "decoder_crashed"
    assert "SIGKILL" in refused.json()["error"]["message"]
    assert ask(server, music_mp3).status_code == 200


def test_whatever_else_is_killed_is_started_again(server: ServerProcess, music_mp3: Path) -> None:
    killed = descendants(server)
    for process in killed:
        process.kill()
    deadline = time.monotonic() + PATIENCE_S
    while any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in killed):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert ask(server, music_mp3).status_code == 200


def test_weights_that_are_gone_are_named_and_other_models_answer(
    server: ServerProcess, models: Path, music_mp3: Path
) -> None:
    hidden = models.parent / "hidden"
    for name in ("tiny", "other"):
        (models / name / "model.safetensors").rename(hidden.with_suffix(f".{name}"))
    gone = ask(server, music_mp3, model="other")
    assert gone.status_code == 500
    assert gone.json()["error"]["code"] == "checkpoint_error"
    assert "model.safetensors" in gone.json()["error"]["message"]
    assert ask(server, music_mp3).status_code == 200, "the default model is in memory"
    for name in ("tiny", "other"):
        hidden.with_suffix(f".{name}").rename(models / name / "model.safetensors")
    assert ask(server, music_mp3, model="other").status_code == 200


def test_a_full_disk_is_said_and_forgotten(server: ServerProcess, music_mp3: Path) -> None:
    def upload(byte: bytes) -> requests.Response:
        return requests.post(f"{server.url}/gradio_api/upload", files={"files": byte * 50 * MIB}, timeout=PATIENCE_S)

    first, second = upload(b"a"), upload(b"b")
    assert second.status_code == 503
    assert "disk for temporary files is full" in second.json()["error"]["message"]
    assert int(second.headers["retry-after"]) >= 1
    by_rest = requests.post(f"{server.url}/api/predict", files={"data": bytes(50 * MIB)}, timeout=PATIENCE_S)
    assert by_rest.status_code == 503
    assert ask(server, music_mp3).status_code == 200, "a small file takes no disk"
    assert "Traceback" not in server.log.read_text()
    if first.ok:  # it has a disk of its own
        root = Path(f"/proc/{server.process.pid}/root")
        for path in first.json():
            (root / path.lstrip("/")).unlink()
        assert upload(b"c").status_code == 200


def test_a_connection_that_was_idle_for_a_while_still_serves(idle: tuple[http.client.HTTPConnection, float]) -> None:
    """Since before the other tests; httpx keeps idle ones for 5 s."""
    connection, since_s = idle
    time.sleep(max(0.0, 6 - (time.monotonic() - since_s)))
    connection.request("GET", "/healthz")
    assert connection.getresponse().status == 200
    connection.close()


def test_sigterm_under_load_leaves_nobody_without_an_answer(models: Path, music_mp3: Path, tmp_path: Path) -> None:
    with server_process(
        models, tmp_path / "log", ACOUSTICSENSE_CONCURRENCY="1", ACOUSTICSENSE_DECODE_TIMEOUT_S="300"
    ) as server:
        assert ask(server, music_mp3).status_code == 200
        for process in decoders(server):
            process.suspend()  # the one that is being answered hangs
        with ThreadPoolExecutor(6) as clients:
            answers = [clients.submit(ask, server, music_mp3) for _ in range(6)]
            wait_until_inside(server, 6)
            server.process.send_signal(signal.SIGTERM)
            told = [answer.result(PATIENCE_S) for answer in answers]
        assert {answer.status_code for answer in told} == {503}
        assert all(answer.json()["error"]["code"] == "overloaded" for answer in told)
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in told)
        assert server.process.wait(PATIENCE_S) == 128 + signal.SIGTERM
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{server.url}/healthz", timeout=60)
