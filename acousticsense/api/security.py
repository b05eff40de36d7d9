"""Who may ask, how often, and what browsers may do with an answer: in front of the page and the REST API alike."""

from __future__ import annotations

import base64
import hmac
import ipaddress
import time
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Final

from cachetools import TTLCache
from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from acousticsense.api.middleware import AlwaysAnswer, HearOut, StripRootPath
from acousticsense.api.request_log import RequestLog
from acousticsense.errors import AccessError, RateLimitError
from acousticsense.i18n.reader import reader_language
from acousticsense.serving.http_errors import refusal_response
from acousticsense.settings import Settings

#: What a page of ours may load and run. Gradio writes its configuration and its styles into the page and compiles the
#: handlers that run in the browser, so that inline scripts, inline styles and compiling must be allowed; sources
#: outside of this server, plug-ins and frames on other sites are not.
_POLICY: Final = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
    )
)

_HEADERS: Final = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), payment=(), microphone=(self)",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

#: Probes of orchestrators ask without credentials and as often as they like.
_PROBES: Final = ("/healthz", "/readyz")

#: Wrong passwords or tokens that a client may send in a minute.
_MOST_FAILURES: Final = 10

#: Clients that are counted at a time; the least recently seen one is forgotten first.
_MOST_CLIENTS: Final = 100_000
_WINDOW_S: Final = 60.0


def add_security(app: FastAPI, settings: Settings) -> None:
    """Puts the guards in front of everything that `app` answers; what is added last sees a request first."""
    app.add_middleware(AlwaysAnswer)
    app.add_middleware(RateLimit, per_minute=settings.max_requests_per_minute)
    app.add_middleware(AccessControl, secrets=settings.secrets)
    app.add_middleware(SecurityHeaders, frame_ancestors=settings.frame_ancestors)
    if origins := settings.allowed_origins.split():
        app.add_middleware(CORSMiddleware, allow_origins=origins, allow_methods=["*"], allow_headers=["*"])
    app.add_middleware(HearOut)
    app.add_middleware(RequestLog, is_logging=settings.log_requests)
    if settings.root_path:
        app.add_middleware(StripRootPath, root_path=settings.root_path)


class SecurityHeaders:
    """Adds the headers that tell browsers what an answer may do, and takes away those that let other sites read it.

    A header that is there already stays.

    Args:
        frame_ancestors: sites that may show the page in a frame, beside this server.
    """

    def __init__(self, app: ASGIApp, *, frame_ancestors: str) -> None:
        self._app = app
        policy = f"{_POLICY}; frame-ancestors 'self' {frame_ancestors}".strip()
        self._headers = {**_HEADERS, "Content-Security-Policy": policy}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name in [name for name in headers if name.startswith("access-control-")]:
                    del headers[name]  # Gradio lets every site read, with the visitor's credentials
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


class AccessControl:
    """Lets in who knows a secret, where there is one: as password of HTTP Basic (any name) or as Bearer token.

    Args:
        secrets: passwords and tokens, each as good as any other; none lets everybody in.
    """

    def __init__(self, app: ASGIApp, *, secrets: Sequence[str]) -> None:
        self._app = app
        self._secrets = [secret.encode() for secret in secrets]
        self._failures = _Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, or refuses it."""
        if not self._secrets or scope["type"] == "lifespan" or scope["path"] in _PROBES:
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # the page needs no other protocol
            return
        client = _client(scope)
        if wait_s := self._failures.wait_s(client, _MOST_FAILURES):
            await _refuse(scope, _too_many("wrong passwords", wait_s))(scope, receive, send)
            return
        given = _given_secret(Request(scope).headers.get("authorization", ""))
        if given is not None and sum(hmac.compare_digest(given, secret) for secret in self._secrets):
            await self._app(scope, receive, send)
            return
        if given is not None:
            self._failures.add(client)
        error = AccessError("This server asks for a password.", hint="Send it by HTTP Basic, or a token as Bearer.")
        challenge = {"WWW-Authenticate": 'Basic realm="AcousticSense", charset="UTF-8"'}
        await _refuse(scope, error, challenge)(scope, receive, send)


class RateLimit:
    """Lets each client send so many POST requests a minute; a click on the page takes two or three.

    Args:
        per_minute: the limit; 0 is none.
    """

    def __init__(self, app: ASGIApp, *, per_minute: int) -> None:
        self._app = app
        self._per_minute = per_minute
        self._requests = _Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, or refuses it."""
        if not self._per_minute or scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        client = _client(scope)
        if wait_s := self._requests.wait_s(client, self._per_minute):
            error = _too_many(f"requests, of which {self._per_minute} a minute are allowed", wait_s)
            await _refuse(scope, error)(scope, receive, send)
            return
        self._requests.add(client)
        await self._app(scope, receive, send)


class _Counter:
    """Counts what each client did in its current minute. Used in the event loop only."""

    def __init__(self) -> None:
        self._counts: MutableMapping[str, tuple[float, list[None]]] = TTLCache(_MOST_CLIENTS, _WINDOW_S)

    def add(self, client: str) -> None:
        counted = self._counts.get(client)
        if counted is None:
            counted = self._counts[client] = (time.monotonic(), [])
        counted[1].append(None)

    def wait_s(self, client: str, most: int) -> int:
        """Whole seconds until the client may go on; 0 when it may now."""
        began, counted = self._counts.get(client, (0.0, []))
        return max(1, round(began + _WINDOW_S - time.monotonic())) if len(counted) >= most else 0


def _client(scope: Scope) -> str:
    """Who asks: an address, behind a trusted proxy the one that it forwards for; of IPv6 a customer's network."""
    address = scope["client"][0] if scope.get("client") else ""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address
    known = getattr(known, "ipv4_mapped", None) or known  # ::ffff:1.2.3.4 is 1.2.3.4
    return str(known) if known.version == 4 else str(ipaddress.ip_network((known, 64), strict=False))


def _given_secret(authorization: str) -> bytes | None:
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip().encode("latin-1")  # as headers arrive
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(value, validate=True).partition(b":")[2]
    except ValueError:  # no base64, or not ASCII
        return b""


def _too_many(what: str, wait_s: int) -> RateLimitError:
    return RateLimitError(f"Too many {what}.", hint=f"Try again in {wait_s} s.", retry_after_s=wait_s)


def _refuse(
    scope: Scope, error: AccessError | RateLimitError, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    return refusal_response(error, language=reader_language(Headers(scope=scope)), headers=headers)
