"""Where a server says that it is, and how it ends."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

from acousticsense.server import url_of
from tests.browser.conftest import served


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
