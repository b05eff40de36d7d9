"""The page's way into a browser: compressed, and what does not change is asked for once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.browser.conftest import served


@pytest.fixture(scope="module", params=["", "/music"])
def client(request: pytest.FixtureRequest, tiny_models: Path) -> Iterator[httpx.Client]:
    """Who asks the real server, at the top of a site and under a path of one."""
    with (
        served(tiny_models, root_path=request.param) as url,
        httpx.Client(base_url=f"{url}{request.param}/", timeout=60) as client,
    ):
        yield client


@pytest.mark.parametrize("cookie", ["", "as-language=zh"])
def test_the_page_comes_compressed(client: httpx.Client, cookie: str) -> None:
    plain = client.get("", headers={"accept-encoding": "identity", "cookie": cookie})
    short = client.get("", headers={"accept-encoding": "gzip", "cookie": cookie})
    assert "content-encoding" not in plain.headers
    assert short.headers["content-encoding"] == "gzip"
    assert "accept-encoding" in short.headers["vary"].lower()
    assert int(short.headers["content-length"]) < int(plain.headers["content-length"]) / 3
    assert ("defineProperty(navigator" in short.text) == bool(cookie)


@pytest.mark.parametrize("path", ["openapi.json", "docs/assets/swagger-ui-bundle.js", "docs/assets/swagger-ui.css"])
def test_so_does_the_documentation(client: httpx.Client, path: str) -> None:
    plain = client.get(path, headers={"accept-encoding": "identity"})
    short = client.get(path, headers={"accept-encoding": "gzip"})
    assert short.headers["content-encoding"] == "gzip"
    assert short.num_bytes_downloaded < len(plain.content) / 3
    assert short.content == plain.content


def test_files_that_never_change_are_kept_for_good(client: httpx.Client) -> None:
    files = re.findall(r'\./(assets/[^"]+)', client.get("").text)
    script = next(file for file in files if file.endswith(".js"))
    more = re.findall(r'\./([\w-]+\.(?:js|css))"', client.get(script).text)
    names = [*files, *(f"assets/{name}" for name in more[:5]), "theme.css?v=0123abcd"]
    assert len(names) > 5
    for name in names:
        answer = client.get(name)
        assert answer.status_code == 200, name
        assert answer.headers["cache-control"] == "max-age=31536000, immutable", name


@pytest.mark.parametrize("path", ["", "theme.css", "api/models", "assets/Index-00000000.js", "favicon.ico"])
def test_other_answers_are_not(client: httpx.Client, path: str) -> None:
    assert "immutable" not in client.get(path).headers.get("cache-control", "")
