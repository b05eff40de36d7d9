"""What happens to every request before a route sees it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from acousticsense.api.errors import fault_response
from acousticsense.errors import AudioTooLargeError, OverloadError
from acousticsense.serving.http_errors import refusal_response

_log: Final = logging.getLogger(__name__)

#: How the content type of a form begins; only forms are written to the disk.
FORM: Final = "multipart/form-data"

#: Base64 makes a file a third larger; the rest is room for other fields.
_BODY_PER_FILE_BYTE: Final = 1.4
#: Files in one body, where it is not one.
_FILES_AT: Final = {"/api/compare": 4}
#: What is read and thrown away of a body that was answered before its end, at most.
_DRAIN_BYTES: Final = 256 * 2**20
_DRAIN_S: Final = 10.0
#: Seconds for which a client may send nothing in the middle of a body.
_SILENCE_S: Final = 30.0
_WITH_PATH: Final = ("http", "websocket")


class BodyLimit:
    """Stops reading an API request's body at so many bytes, whether or not it announced its length.

    Bodies that are no forms lie in memory: all of them together may take no more than one may.
    """

    def __init__(self, app: ASGIApp, *, max_file_bytes: int) -> None:
        self._app = app
        self._max_bytes = int(max_file_bytes * _BODY_PER_FILE_BYTE)
        self._in_memory = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on."""
        if scope["type"] != "http" or not scope["path"].startswith("/api/"):
            await self._app(scope, receive, send)
            return
        max_bytes = self._max_bytes * _FILES_AT.get(scope["path"].rstrip("/"), 1)
        is_form = Headers(scope=scope).get("content-type", "").lower().startswith(FORM)
        read_bytes = in_memory = 0

        def let_go() -> None:
            nonlocal in_memory
            self._in_memory -= in_memory
            in_memory = 0

        async def limited() -> Message:
            nonlocal read_bytes, in_memory
            message = await receive()
            n_bytes = len(message.get("body", b""))
            read_bytes += n_bytes
            if read_bytes > max_bytes:
                let_go()
                raise AudioTooLargeError(
                    f"The request is larger than {max_bytes >> 20} MiB.", hint="Send a shorter or compressed file."
                )
            if not is_form:
                if self._in_memory + n_bytes > self._max_bytes:
                    let_go()
                    hint = "Send it again later, or send a form, which takes hardly any."
                    raise OverloadError("There is no memory for more requests at the moment.", hint=hint)
                in_memory += n_bytes
                self._in_memory += n_bytes
            return message

        try:
            await self._app(scope, limited, send)
        finally:
            let_go()


class StripRootPath:
    """Takes the path of a site away from requests whose proxy left it in; guards then see paths as without a proxy.

    Args:
        root_path: begins with a slash and ends without one.
    """

    def __init__(self, app: ASGIApp, *, root_path: str) -> None:
        self._app = app
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on."""
        if scope["type"] in _WITH_PATH and f"{scope['path']}/".startswith(f"{self._root_path}/"):
            scope = {**scope, "path": scope["path"][len(self._root_path) :] or "/"}
        await self._app(scope, receive, send)


class AddRootPath:
    """Tells routes under which path of a site they are, so that addresses in answers begin with it.

    Args:
        root_path: as for `StripRootPath`, which comes first.
    """

    def __init__(self, app: ASGIApp, *, root_path: str) -> None:
        self._app = app
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on."""
        if scope["type"] in _WITH_PATH:
            scope = {**scope, "path": self._root_path + scope["path"], "root_path": self._root_path}
        await self._app(scope, receive, send)


class HearOut:
    """Lets an answer begin only when the body is over, within limits; whoever sends no more of it is taken for gone.

    Clients and proxies that are still sending lose an answer that comes earlier: they see a broken connection.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on."""
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers()
        if headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers:
            await self._app(scope, receive, send)
            return
        is_over = False
        asks_first = headers.get("expect", "").lower() == "100-continue"  # and need not send what is refused

        async def noted() -> Message:
            nonlocal is_over, asks_first
            asks_first = False
            if is_over:
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), _SILENCE_S)
            except asyncio.TimeoutError:  # what came so far must not keep others' room for ever
                message = {"type": "http.disconnect"}
            is_over = not message.get("more_body")
            return message

        async def read_on() -> None:
            n_bytes = 0
            while not is_over and n_bytes < _DRAIN_BYTES:
                n_bytes += len((await noted()).get("body", b""))

        async def after_the_body(message: Message) -> None:
            if message["type"] == "http.response.start" and not (is_over or asks_first):
                # A server that stops cancels what is not answered: then the answer is sent at once.
                with contextlib.suppress(asyncio.TimeoutError, asyncio.CancelledError):
                    await asyncio.wait_for(read_on(), _DRAIN_S)
            await send(message)

        await self._app(scope, noted, after_the_body)


class AlwaysAnswer:
    """Says 503 where the server stops before a request is answered, and 500 where a fault of ours is the reason.

    Frameworks answer faults outside of all middleware: without the request's id, also in the log, and without headers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on."""
        started = False

        async def noticed(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, noticed if scope["type"] == "http" else send)
        except asyncio.CancelledError:
            if scope["type"] == "http" and not started:
                words = "The server stops before this was answered."
                error = OverloadError(words, hint="Send it again.", retry_after_s=5)
                await refusal_response(error)(scope, receive, send)
            raise
        except Exception as error:
            if scope["type"] != "http" or started:
                raise
            _log.exception("a request failed")
            await fault_response(error)(scope, receive, send)


class HeadAsGet:
    """Answers HEAD wherever GET is answered; the server leaves the body out."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on."""
        is_head = scope["type"] == "http" and scope["method"] == "HEAD"
        await self._app({**scope, "method": "GET"} if is_head else scope, receive, send)
