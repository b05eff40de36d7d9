"""The documentation in a real browser: an operation is read and tried out, with files of this server alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser


@pytest.fixture
def docs(browser: Browser, page_url: str) -> Iterator[Page]:
    """The page; a request to any other server fails the test."""
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{page_url}/docs")
    yield page
    page.close()
    assert [url for url in asked if not url.startswith((page_url, "data:", "blob:"))] == []


def test_operations_are_described(docs: Page) -> None:
    expect(docs.get_by_text("Unable to render this definition")).to_have_count(0)
    operation = docs.locator("#operations-default-predict_api_predict_post")
    operation.click()
    expect(operation.get_by_text("the audio file; file and audio are read too")).to_be_visible()
    for status in ("200", "400", "404", "413", "415", "422", "503"):
        expect(operation.locator(f"tr[data-code='{status}']")).to_be_visible()


def test_an_operation_can_be_tried_out(docs: Page, music_mp3: Path) -> None:
    operation = docs.locator("#operations-default-predict_api_predict_post")
    operation.click()
    operation.get_by_role("button", name="Try it out").click()
    operation.locator("input[type=file]").set_input_files(music_mp3)
    operation.get_by_role("button", name="Execute").click()
    answer = operation.locator(".live-responses-table")
    expect(answer.locator(".response-col_status").last).to_contain_text("200")
    body = json.loads(answer.locator(".response-col_description code").first.inner_text())
    assert body["model"]["name"] == "tiny"
    assert len(body["prediction"]) == 5
