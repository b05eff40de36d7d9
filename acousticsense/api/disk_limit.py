"""Bodies take no more of the disk than there is room for; where there is none, the answer says so."""

from __future__ import annotations

import errno
import logging
import re
from typing import Final

from fastapi.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from acousticsense.api.middleware import FORM
from acousticsense.errors import OverloadError
from acousticsense.i18n.reader import reader_language
from acousticsense.serving.http_errors import refusal_response
from acousticsense.serving.temporary import CountBytes, UploadFolder

#: Where files for the page arrive, which stay.
_UPLOAD_PATH: Final = "/gradio_api/upload"
#: A disk that is full, a quota, and the largest file that a process may write.
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

_log: Final = logging.getLogger(__name__)


class DiskLimit:
    """Refuses forms for which the disk has no room, at once or while they come; 503 says when to try again."""

    def __init__(self, app: ASGIApp, *, uploads: UploadFolder) -> None:
        self._app = app
        self._uploads = uploads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on."""
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers()
        if not headers.get("content-type", "").lower().startswith(FORM):
            await self._app(scope, receive, send)
            return
        announced = headers.get("content-length", "")
        n_bytes = int(announced) if re.fullmatch("[0-9]{1,18}", announced) else 0
        refusal: OverloadError | None = None
        if not self._uploads.has_room(n_bytes):
            await run_in_threadpool(self._uploads.make_room)
        try:
            self._uploads.refuse_if_full(n_bytes)
        except OverloadError as error:
            refusal = error
        else:
            with self._uploads.arrival(is_kept=scope["path"].rstrip("/") == _UPLOAD_PATH) as count:
                refusal = await self._answer(scope, receive, send, count)
        if refusal is not None:
            await refusal_response(refusal, language=reader_language(headers))(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, count: CountBytes) -> OverloadError | None:
        """Passes the request on; returns why there was no room, where nothing was answered for that reason."""
        refusal: OverloadError | None = None
        held: list[Message] = []  # what calls it a fault of ours

        async def counted() -> Message:
            nonlocal refusal
            message = await receive()
            try:
                count(len(message.get("body", b"")))
            except OverloadError as error:
                refusal = error
                raise
            return message

        async def unless_refused(message: Message) -> None:
            if refusal or held or message.get("status") == 500:
                held.append(message)
            else:
                await send(message)

        try:
            await self._app(scope, counted, unless_refused)
        except Exception as error:
            if refusal is None and not _is_full(error):
                await _send_all(held, send)
                raise
            if refusal is None:
                _log.error("the disk for temporary files is full: %s", error)
                refusal = OverloadError("The server's disk for temporary files is full.", retry_after_s=60)
        if refusal is None:
            await _send_all(held, send)
        return refusal


async def _send_all(messages: list[Message], send: Send) -> None:
    for message in messages:
        await send(message)


def _is_full(error: BaseException | None) -> bool:
    """Whether a full disk is what lies behind an error."""
    while error is not None and not (isinstance(error, OSError) and error.errno in _FULL):
        error = error.__cause__ or error.__context__
    return error is not None
