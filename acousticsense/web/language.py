"""The page in the language of its reader."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from acousticsense.i18n.reader import chosen_language, reader_language

_TAGS: Final = {"en": "en", "zh": "zh-CN"}


class _Asks(Protocol):
    @property
    def headers(self) -> Mapping[str, str]: ...


def language_of(request: _Asks | None) -> str:
    """ "en" or "zh" for a request; a browser may send anything."""
    return reader_language(request.headers if request else {})


class ChosenLanguage:
    """Makes the page speak the language chosen on it: Gradio's labels go by what the browser calls its language."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Adds a script to the page for those who have chosen; all else passes as it is."""
        is_page = scope["type"] == "http" and scope["method"] == "GET" and scope["path"] == "/"
        chosen = chosen_language(Headers(scope=scope)) if is_page else ""
        if not chosen:
            await self._app(scope, receive, send)
            return
        # Compressed, the page could not be changed.
        plain = {**scope, "headers": [pair for pair in scope["headers"] if pair[0] != b"accept-encoding"]}
        script = f'<script>Object.defineProperty(navigator, "language", {{get: () => "{_TAGS[chosen]}"}});</script>'
        await self._app(plain, receive, _adding(script.encode(), send))


def _adding(script: bytes, send: Send) -> Send:
    """Sends a page with `script` as the first thing in its head."""
    start: Message = {}
    body = bytearray()

    async def changed(message: Message) -> None:
        nonlocal start
        if message["type"] == "http.response.start":
            start = message
            return
        body.extend(message.get("body", b""))
        if message.get("more_body"):
            return
        page = bytes(body).replace(b"<head>", b"<head>" + script, 1)
        MutableHeaders(raw=start["headers"])["content-length"] = str(len(page))
        await send(start)
        await send({"type": "http.response.body", "body": page})

    return changed
