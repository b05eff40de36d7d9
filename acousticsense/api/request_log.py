"""One line for every request, and an id by which it is found again: in the log, in the answer and at the proxy."""

from __future__ import annotations

import json
import logging
import re
import time
import uuid
from contextvars import ContextVar
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from acousticsense.errors import printable
from acousticsense.settings import Settings

_log: Final = logging.getLogger("acousticsense.requests")

_HEADER: Final = "X-Request-ID"
#: An id that the client or a proxy sent is taken over when it can stand in a log.
_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")

#: Asked every few seconds by orchestrators.
_PROBES: Final = ("/healthz", "/readyz", "/metrics")

_request_id: Final[ContextVar[str]] = ContextVar("request_id", default="")


class RequestLog:
    """Gives each request an id and logs its method, path, status and time: no query, no file name, no content.

    Args:
        is_logging: False only gives ids.
    """

    def __init__(self, app: ASGIApp, *, is_logging: bool) -> None:
        self._app = app
        self._is_logging = is_logging

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sent = Headers(scope=scope).get(_HEADER, "")
        request_id = sent if _ID.fullmatch(sent) else uuid.uuid4().hex
        token, started, status = _request_id.set(request_id), time.monotonic(), 500

        async def with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[_HEADER] = request_id
            await send(message)

        try:
            await self._app(scope, receive, with_id)
        finally:
            if self._is_logging and scope["path"] not in _PROBES:
                _tell(scope, status, 1000 * (time.monotonic() - started))
            _request_id.reset(token)


def _tell(scope: Scope, status: int, spent_ms: float) -> None:
    fields = {
        "method": scope["method"],
        "path": printable(scope["path"]),
        "status": status,
        "ms": round(spent_ms, 1),
        "client": scope["client"][0] if scope.get("client") else "",
    }
    line = '%(client)s "%(method)s %(path)r" %(status)s %(ms)s ms'
    _log.info(line, fields, extra={"fields": fields})


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, request id and the fields of a request."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        entry = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": printable(record.getMessage()),
            "request_id": _request_id.get(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            entry["traceback"] = printable(self.formatException(record.exc_info))
        return json.dumps(entry, ensure_ascii=False)


class _TextFormatter(logging.Formatter):
    """The message, with the id of the request that it belongs to."""

    def format(self, record: logging.LogRecord) -> str:
        request_id = _request_id.get()
        return super().format(record) + (f" [{request_id}]" if request_id else "")


def configure_logging(settings: Settings) -> None:
    """Gives the log of this process the form that the settings ask for."""
    formatter = JsonFormatter() if settings.log_format == "json" else _TextFormatter("%(message)s")
    for handler in logging.getLogger().handlers:
        handler.setFormatter(formatter)
