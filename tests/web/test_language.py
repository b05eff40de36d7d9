"""The language that a reader chose on the page goes before the one that the browser prefers."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from fastapi.testclient import TestClient

from acousticsense.web.language import ChosenLanguage, language_of


@pytest.mark.parametrize(
    ("cookie", "prefers", "language"),
    [
        ("", "zh-CN", "zh"),
        ("as-language=en", "zh-CN", "en"),
        ("theme=x; as-language=zh", "en", "zh"),
        ("as-language=fr", "en", "en"),
        ("as-language=<script>; =;;", "zh", "zh"),
    ],
)
def test_the_cookie_goes_first(cookie: str, prefers: str, language: str) -> None:
    assert language_of(SimpleNamespace(headers={"cookie": cookie, "accept-language": prefers})) == language


def test_no_request_is_english() -> None:
    assert language_of(None) == "en"


def test_the_page_of_those_who_chose_tells_the_browser() -> None:
    app = FastAPI()
    app.add_middleware(ChosenLanguage)

    @app.get("/{path:path}")
    def page(path: str) -> HTMLResponse:
        return HTMLResponse(f"<html><head><title>é{path}</title></head></html>")

    client = TestClient(app)
    as_it_is = "<html><head><title>é</title></head></html>"
    assert client.get("/").text == as_it_is
    assert client.get("/", headers={"cookie": "as-language=zh"}).text.startswith("<html><head><script>Object")
    assert "zh-CN" in client.get("/", headers={"cookie": "as-language=zh"}).text
    assert "script" not in client.get("/other", headers={"cookie": "as-language=zh"}).text
