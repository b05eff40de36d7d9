"""Every failure in one form: {"error": {"code", "message", "hint"}} under a status that says whose fault it is."""

from __future__ import annotations

from typing import Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from acousticsense.errors import (
    AccessError,
    AcousticSenseError,
    AudioDecodeError,
    AudioEmptyError,
    AudioError,
    AudioTooLargeError,
    DownloadError,
    OverloadError,
    RateLimitError,
    RequestError,
    UnknownModelError,
)
from acousticsense.inference.payload import error_payload

__all__ = ["CLIENT_GONE", "HTTP_STATUS", "add_error_handlers"]

#: The status of each error; a class not named here takes its nearest ancestor's.
HTTP_STATUS: Final[dict[type[AcousticSenseError], int]] = {
    RequestError: 400,
    AccessError: 401,
    UnknownModelError: 404,
    AudioTooLargeError: 413,
    AudioDecodeError: 415,
    AudioError: 415,
    AudioEmptyError: 422,
    RateLimitError: 429,
    DownloadError: 502,
    OverloadError: 503,
    AcousticSenseError: 500,
}
#: The client went away: nobody reads the answer (nginx' number).
CLIENT_GONE: Final = 499


def add_error_handlers(app: FastAPI) -> None:
    """Makes the application answer errors in our form."""
    app.add_exception_handler(AcousticSenseError, _own_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _path_error)
    app.add_exception_handler(ClientDisconnect, _nobody_reads)
    app.add_exception_handler(Exception, _fault)


def _own_error(_: Request, error: Exception) -> Response:
    if not isinstance(error, AcousticSenseError):
        raise error
    status = next(HTTP_STATUS[cls] for cls in type(error).__mro__ if cls in HTTP_STATUS)
    headers = {"Retry-After": str(error.retry_after_s)} if isinstance(error, OverloadError) else None
    return JSONResponse(error_payload(error), status, headers)


def _http_error(_: Request, error: Exception) -> Response:
    """Routing errors: no such path, wrong method."""
    if not isinstance(error, HTTPException):
        raise error
    body = {"error": {"code": f"http_{error.status_code}", "message": str(error.detail), "hint": "See /docs."}}
    return JSONResponse(body, error.status_code, error.headers)


def _path_error(_: Request, error: Exception) -> Response:
    """A value in the address that is no number, for instance."""
    return JSONResponse(error_payload(RequestError(f"The address cannot be read: {error}.", hint="See /docs.")), 400)


def _nobody_reads(_: Request, __: Exception) -> Response:
    return Response(status_code=CLIENT_GONE)


def _fault(_: Request, error: Exception) -> Response:
    """A fault of ours: logged by the server with its traceback, told without its inside."""
    fault = {
        "code": "internal_error",
        "message": f"Something went wrong on the server ({type(error).__name__}).",
        "hint": "Try again; if it stays, report it with the server's log.",
    }
    return JSONResponse({"error": fault}, 500)
