"""Requests to the page's own API may name uploaded files only.

Gradio copies whatever path such a request names into its upload folder, and fetches addresses, before a handler sees
the request. So requests are read here first: the page does not depend on how Gradio treats paths.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from acousticsense.errors import AcousticSenseError, AudioTooLargeError
from acousticsense.i18n.reader import reader_language
from acousticsense.serving.http_errors import refusal_response
from acousticsense.serving.uploads import uploaded_file

#: Bodies name files and do not hold them: this is room for tens of thousands of names.
_MAX_BYTES: Final = 16 * 2**20
_FORMS: Final = ("multipart/form-data", "application/x-www-form-urlencoded")


class UploadGuard:
    """Refuses a request that names another file than an uploaded one; the REST API under /api/ looks by itself."""

    def __init__(self, app: ASGIApp, *, upload_dir: Path) -> None:
        self._app = app
        self._upload_dir = upload_dir

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Reads a request's body, looks through it and hands it on."""
        if not _may_name_files(scope):
            await self._app(scope, receive, send)
            return
        try:
            body = await _read(receive)
            for path in _paths(body):
                uploaded_file(path, self._upload_dir)
        except AcousticSenseError as error:
            refusal = refusal_response(error, language=reader_language(Headers(scope=scope)))
            await refusal(scope, receive, send)
            return
        await self._app(scope, _again(body, receive), send)


def _may_name_files(scope: Scope) -> bool:
    if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS") or scope["path"].startswith("/api/"):
        return False
    return not Request(scope).headers.get("content-type", "").startswith(_FORMS)


async def _read(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > _MAX_BYTES:
            raise AudioTooLargeError(
                f"The request is larger than {_MAX_BYTES >> 20} MiB.", hint="Upload files first, then name them."
            )
        if not message.get("more_body"):
            return bytes(body)


def _paths(body: bytes) -> Iterator[str]:
    """Every "path" in a JSON body; none in a body that is no JSON, which Gradio refuses."""
    try:
        waiting: list[Any] = [json.loads(body)]
    except (ValueError, RecursionError):
        return
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.values()
            if isinstance(path := value.get("path"), str):
                yield path
        elif isinstance(value, list):
            waiting += value


def _again(body: bytes, receive: Receive) -> Receive:
    """Hands on the body that was read, then what comes after it."""
    is_read = False

    async def replayed() -> Message:
        nonlocal is_read
        if is_read:
            return await receive()
        is_read = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed
