"""Where a server says that it is, whom it answers when, and how it ends."""

from __future__ import annotations

import json
import select
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from acousticsense.server import url_of
from tests.browser.conftest import served

JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://localhost:8126"),
        ("::", "http://localhost:8126"),
        ("::1", "http://[::1]:8126"),
        ("fe80::1", "http://[fe80::1]:8126"),
        ("127.0.0.1", "http://127.0.0.1:8126"),
        ("music.example.org", "http://music.example.org:8126"),
    ],
)
def test_the_address_can_be_opened(host: str, url: str) -> None:
    assert url_of(host, 8126) == url


def test_open_pages_do_not_keep_a_server_from_ending(tiny_models: Path) -> None:
    with served(tiny_models) as url:
        page = requests.get(f"{url}/gradio_api/heartbeat/x", stream=True, timeout=60).iter_lines()
        assert next(page) == b"data: ALIVE"
    assert not any(page)


def send_half(url: str, path: str, body: bytes) -> socket.socket:
    """A connection over which half of a JSON body was sent."""
    place = urlsplit(url)
    connection = socket.create_connection((place.hostname, place.port), timeout=60)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    connection.sendall(head.encode() + body[: len(body) // 2])
    return connection


def test_whoever_is_still_sending_is_not_answered_yet(tiny_models: Path) -> None:
    """And what it has sent so far counts as memory in use, for others too."""
    body = json.dumps({"data": ["x" * 1_200_000]}).encode()
    with served(tiny_models, max_upload_mb=1) as url:
        with send_half(url, "/api/nowhere", body) as connection:
            assert select.select([connection], [], [], 0.5)[0] == []
            connection.sendall(body[len(body) // 2 :])
            assert connection.recv(100).startswith(b"HTTP/1.1 404 ")
        with send_half(url, "/api/predict", body) as connection:
            while (full := requests.post(f"{url}/api/predict", data=body, headers=JSON, timeout=60)).status_code != 503:
                assert full.status_code == 400  # the other half has not arrived yet
            assert full.json()["error"]["code"] == "overloaded"
            assert int(full.headers["retry-after"]) >= 1
            connection.sendall(body[len(body) // 2 :])
            assert connection.recv(100).startswith(b"HTTP/1.1 400 ")
