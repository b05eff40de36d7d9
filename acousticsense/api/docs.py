"""The documentation at /docs: what FastAPI cannot read from the routes, and the page from files of our own server."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from pydantic import BaseModel
from starlette.staticfiles import StaticFiles

from acousticsense.api.responses import ErrorResponse

_DESCRIPTIONS: Final[dict[int, str]] = {
    400: "malformed request",
    404: "unknown model",
    413: "over a limit on size or length",
    415: "not an audio file",
    422: "audio with nothing to predict",
    503: "the queue is full; see Retry-After",
}


def errors(*statuses: int, **descriptions: str) -> dict[int | str, dict[str, Any]]:
    """The part of `responses` that says which errors a route answers."""
    return {
        status: {"model": ErrorResponse, "description": descriptions.get(f"_{status}", _DESCRIPTIONS[status])}
        for status in statuses
    }


#: What can go wrong with sound.
ERRORS: Final = errors(400, 404, 413, 415, 422, 503)


def clip_body(kind: type[BaseModel]) -> dict[str, Any]:
    """A request with a file in a form or in JSON, and the fields of `kind` beside it."""
    values = {
        "type": "array",
        "items": {},
        "description": "one element: a base64 data URI, {name, data}, or a Gradio FileData",
    }
    form = _file("the audio file; `file` and `audio` are read too")
    return _body(kind, {"multipart/form-data": {"data": form}, "application/json": {"data": values}})


def versions_body(kind: type[BaseModel]) -> dict[str, Any]:
    """A form with the files "a" and "b", where wanted "c" and "d", and the fields of `kind` beside them."""
    versions = {"a": _file("the first version, the reference"), "b": _file("the second version")}
    more = {"c": _file("a third version"), "d": _file("a fourth version")}
    return _body(kind, {"multipart/form-data": versions}, more)


def _file(description: str) -> dict[str, Any]:
    return {"type": "string", "format": "binary", "description": description}


def _body(
    kind: type[BaseModel], required: dict[str, dict[str, Any]], more: dict[str, Any] | None = None
) -> dict[str, Any]:
    options = kind.model_json_schema()["properties"]
    for option in options.values():
        if option["default"] in (None, "model", []):  # all stand for leaving it out, which a form writes as ""
            del option["default"]
            option.update({"default": ""} if option.get("type") == "string" else {})
    content = {
        content_type: {
            "schema": {"type": "object", "required": [*fields], "properties": {**fields, **(more or {}), **options}}
        }
        for content_type, fields in required.items()
    }
    return {"requestBody": {"required": True, "content": content}}


def add_docs(app: FastAPI) -> None:
    """Adds /docs. Its addresses are relative, so that it works behind a proxy under any path."""
    app.mount("/docs/assets", StaticFiles(directory=Path(str(files("fastapi_offline") / "static"))), name="docs-assets")

    @app.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="openapi.json",
            title="AcousticSense REST API",
            swagger_js_url="docs/assets/swagger-ui-bundle.js",
            swagger_css_url="docs/assets/swagger-ui.css",
            swagger_favicon_url="docs/assets/favicon.png",
        )
