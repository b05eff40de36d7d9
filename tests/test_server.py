"""Where a server says that it is."""

from __future__ import annotations

import pytest

from acousticsense.server import url_of


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
