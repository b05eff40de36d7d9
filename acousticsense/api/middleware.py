"""What happens to every request before a route sees it."""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from acousticsense.errors import AudioTooLargeError

__all__ = ["BodyLimit", "HeadAsGet"]

#: Base64 makes a file a third larger; the rest is room for other fields.
_BODY_PER_FILE_BYTE: Final = 1.4
#: Files in one body, where it is not one.
_FILES_AT: Final = {"/api/compare": 2}


class BodyLimit:
    """Stops reading an API request's body at so many bytes, whether or not it announced its length.

    Args:
        max_file_bytes: the largest file accepted.
    """

    def __init__(self, app: ASGIApp, *, max_file_bytes: int) -> None:
        self._app = app
        self._max_bytes = int(max_file_bytes * _BODY_PER_FILE_BYTE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on."""
        if scope["type"] != "http" or not scope["path"].startswith("/api/"):
            await self._app(scope, receive, send)
            return
        max_bytes = self._max_bytes * _FILES_AT.get(scope["path"].rstrip("/"), 1)
        read_bytes = 0

        async def limited() -> Message:
            nonlocal read_bytes
            message = await receive()
            read_bytes += len(message.get("body", b""))
            if read_bytes > max_bytes:
                raise AudioTooLargeError(
                    f"The request is larger than {max_bytes >> 20} MiB.", hint="Send a shorter or compressed file."
                )
            return message

        await self._app(scope, limited, send)


class HeadAsGet:
    """Answers HEAD wherever GET is answered; the server leaves the body out."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on."""
        is_head = scope["type"] == "http" and scope["method"] == "HEAD"
        await self._app({**scope, "method": "GET"} if is_head else scope, receive, send)
