"""The real server on a real port, and a real Chromium in front of it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import uvicorn
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from acousticsense.server import Server, create_app
from acousticsense.settings import Settings
from tests.conftest import needed_program

CHROMIUMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
#: A busy machine is slow, not wrong.
_PATIENCE_MS = 40_000

#: Containers have no sandbox; the microphone is Chromium's own, which beeps.
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--process-per-site",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium from the PATH; where there is none, the browser tests are skipped."""
    chromium_path = needed_program(CHROMIUMS, "chromium fonts-noto-cjk")
    expect.set_options(timeout=_PATIENCE_MS)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=chromium_path, args=_ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def page_url(tiny_models: Path) -> Iterator[str]:
    """Address of a server whose default model is "tiny"."""
    with served(tiny_models) as url:
        yield url


@contextmanager
def served(models: Path, **changes: Any) -> Iterator[str]:
    """Address of a server with the models of a folder, "tiny" by default; `changes` are settings."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = Settings(models=models, model="tiny", device="cpu", backend="pytorch", host="127.0.0.1", port=port)
    app = create_app(settings.replace(**changes))
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning")
    server = Server(config, app.state.service, app.state.end_pages)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{port}"
    wait_until_ready(url)
    yield url
    server.should_exit = True
    thread.join(60)
    assert not thread.is_alive()


def wait_until_ready(url: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if requests.get(f"{url}/readyz", timeout=5).ok:
                return
        except (requests.ConnectionError, requests.Timeout):
            pass
        time.sleep(0.1)
    raise AssertionError(f"{url} did not get ready")


def click_tab(page: Page, name: str) -> None:
    """Changes to a tab; on a narrow screen Playwright scrolls to it."""
    page.get_by_role("tab", name=name).click()


@pytest.fixture(scope="session")
def contexts() -> Iterator[dict[str, BrowserContext]]:
    """One browser profile per set of options: its cache makes every visit but the first a quick one."""
    opened: dict[str, BrowserContext] = {}
    yield opened
    for context in opened.values():
        context.close()


@pytest.fixture
def visit(browser: Browser, contexts: dict[str, BrowserContext], page_url: str) -> Iterator[Callable[..., Page]]:
    """Opens the page as a visitor; keyword arguments are those of a browser context (locale, viewport ...)."""
    pages: list[Page] = []
    refused: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            refused.append(message.text)

    def open_page(query: str = "", **options: Any) -> Page:
        options = {"locale": "en-US", **options}
        context = contexts.get(repr(options))
        if context is None:
            context = contexts[repr(options)] = browser.new_context(**options)
            context.new_page().goto(f"{page_url}/healthz")  # stays, and with it the process that knows the scripts
        context.set_default_timeout(_PATIENCE_MS)
        page = context.new_page()
        pages.append(page)
        page.on("console", hear)
        page.goto(f"{page_url}/{query}", wait_until="commit")
        page.locator(".as-result").wait_for()
        page.locator("input[type=file]").wait_for(state="attached")
        return page

    yield open_page
    for page in pages:
        page.close()
    assert refused == []  # the page keeps to its own content security policy
