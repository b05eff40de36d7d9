"""How the page and the documentation reach a browser: compressed, and the page's scripts and styles only once."""

from __future__ import annotations

import re
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Files whose names hold a hash of their content: another content has another name.
_HASHED: Final = re.compile(r"/assets/.+[-.][\w-]{8,9}\.(?:css|js|svg|ttf|woff2?)")
#: Its address in the page ends with such a hash.
_THEME: Final = "/theme.css"
#: Large texts that Gradio does not compress, as it does its own files.
_TEXTS: Final = re.compile(r"/|/openapi\.json|/docs/assets/.+\.(?:css|js)")
#: Without "public": what a password guards stays out of caches that others share.
_FOR_EVER: Final = "max-age=31536000, immutable"
#: 0..9; more takes longer and gains a few per cent.
_COMPRESSION: Final = 4


class PageDelivery:
    """Compresses what is large, and says what browsers may keep for good."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._compressed = GZipMiddleware(app, compresslevel=_COMPRESSION)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on."""

        async def to_keep(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 200:
                MutableHeaders(scope=message)["Cache-Control"] = _FOR_EVER
            await send(message)

        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif _TEXTS.fullmatch(scope["path"]):
            await self._compressed(scope, receive, send)
        elif _HASHED.fullmatch(scope["path"]) or (scope["path"] == _THEME and b"v=" in scope["query_string"]):
            await self._app(scope, receive, to_keep)
        else:
            await self._app(scope, receive, send)
