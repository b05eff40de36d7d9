"""Under a path of a site: the real server behind Debian's nginx with the example configuration, and a real browser."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from playwright.sync_api import Browser, Response, expect

from tests.conftest import needed_program
from tests.server_process import ROOT, free_port, server_process

pytestmark = pytest.mark.browser

PATH = "/acousticsense"
EXAMPLE = ROOT / "docs/deploy/nginx-subpath.conf"


@pytest.fixture(scope="module")
def backend(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the server itself, which refuses files over 1 MiB and asks for no password."""
    log = tmp_path_factory.mktemp("subpath") / "log"
    with server_process(tiny_models, log, ACOUSTICSENSE_ROOT_PATH=PATH, ACOUSTICSENSE_MAX_UPLOAD_MB="1") as server:
        yield server.url


@contextmanager
def nginx(folder: Path, location: str) -> Iterator[str]:
    """Address of a site that has the server under PATH."""
    found = needed_program(["nginx"], "nginx")
    port = free_port()
    temporary = "".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    types = "include /etc/nginx/mime.types;" if Path("/etc/nginx/mime.types").exists() else ""
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/error.log; events {{}}\n"
        f"http {{ access_log off; {types} {temporary} server {{ listen 127.0.0.1:{port}; {location} }} }}\n"
    )
    site = subprocess.Popen([found, "-e", folder / "error.log", "-p", folder, "-c", folder / "nginx.conf"])
    try:
        for _ in range(300):
            try:
                requests.get(f"http://127.0.0.1:{port}/", timeout=60)
                break
            except requests.ConnectionError:
                assert site.poll() is None, (folder / "error.log").read_text()
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}{PATH}"
    finally:
        site.terminate()
        site.wait(60)


@pytest.fixture(scope="module", params=["left in", "taken away"])
def site(request: pytest.FixtureRequest, backend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address behind nginx, which leaves the path in the request, as in the example, or takes it away."""
    upstream = backend if request.param == "left in" else f"{backend}/"
    location = EXAMPLE.read_text().replace("http://127.0.0.1:8000", upstream)
    assert upstream in location
    with nginx(tmp_path_factory.mktemp("nginx"), location) as url:
        yield url


def test_an_example_is_analysed_in_the_browser(browser: Browser, site: str) -> None:
    page = browser.new_page(locale="en-US")
    page.set_default_timeout(300_000)
    failed: list[str] = []

    def look(response: Response) -> None:
        outside = not urlsplit(response.url).path.startswith(f"{PATH}/") and response.url.startswith("http")
        if response.status >= 400 or outside:
            failed.append(f"{response.status} {response.url}")

    page.on("response", look)
    page.goto(f"{site}/", wait_until="commit")
    page.locator("input[type=file]").wait_for(state="attached")
    page.locator("[data-example]", has_text="Starfall").click()
    expect(page.locator(".as-file b")).to_have_text("starfall.mp3", timeout=300_000)
    expect(page.get_by_test_id("top").locator("li")).to_have_count(5, timeout=300_000)
    image = page.locator(".as-spectrogram img, .as-viewer img, img[src*='api/spectrograms']").first
    image.wait_for(state="attached")
    page.wait_for_function("image => image.complete && image.naturalWidth > 0", arg=image.element_handle())
    page.close()
    assert failed == []


def test_rest_answers_and_its_addresses_lead_back(site: str, music_mp3: Path) -> None:
    with music_mp3.open("rb") as file:
        answer = requests.post(f"{site}/api/predict", files={"data": file}, timeout=300).json()
    assert len(answer["prediction"]) == 5
    assert answer["mel_spectrogram_url"].startswith(f"{site}/api/spectrograms/")
    assert requests.get(answer["mel_spectrogram_url"], timeout=300).content.startswith(b"\x89PNG")
    assert requests.get(f"{site}/readyz", timeout=300).json() == {"status": "ready", "model": "tiny"}


def test_documentation_finds_the_api(site: str) -> None:
    page = requests.get(f"{site}/docs", timeout=300)
    assert page.ok
    assets = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert assets
    for asset in assets:
        assert requests.get(requests.compat.urljoin(f"{site}/docs", asset), timeout=300).ok, asset
    assert requests.get(f"{site}/openapi.json", timeout=300).json()["servers"] == [{"url": "./"}]


def test_limits_hold_there_too(site: str) -> None:
    answer = requests.post(f"{site}/api/predict", files={"data": b"\0" * 2 * 2**20}, timeout=300)
    assert answer.status_code == 413
    stolen = {"data": [{"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}]}
    assert requests.post(f"{site}/gradio_api/call/predict", json=stolen, timeout=300).status_code == 400
