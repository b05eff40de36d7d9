"""Every failure in one form: {"error": {"code", "message", "hint"}} under a status that says whose fault it is."""

from __future__ import annotations

from typing import Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from acousticsense.errors import AcousticSenseError, RequestError
from acousticsense.serving.http_errors import refusal_response

#: The client went away: nobody reads the answer (nginx' number).
CLIENT_GONE: Final = 499


def add_error_handlers(app: FastAPI) -> None:
    """Makes the application answer errors in our form."""
    app.add_exception_handler(AcousticSenseError, _own_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _path_error)
    app.add_exception_handler(ClientDisconnect, _nobody_reads)


def _own_error(_: Request, error: Exception) -> Response:
    if not isinstance(error, AcousticSenseError):
        raise error
    return refusal_response(error)


def _http_error(_: Request, error: Exception) -> Response:
    """Routing errors: no such path, wrong method."""
    if not isinstance(error, HTTPException):
        raise error
    body = {"error": {"code": f"http_{error.status_code}", "message": str(error.detail), "hint": "See /docs."}}
    return JSONResponse(body, error.status_code, error.headers)


def _path_error(_: Request, error: Exception) -> Response:
    """A value in the address that is no number, for instance."""
    return refusal_response(RequestError(f"The address cannot be read: {error}.", hint="See /docs."))


def _nobody_reads(_: Request, __: Exception) -> Response:
    return Response(status_code=CLIENT_GONE)


def fault_response(error: Exception) -> Response:
    """A fault of ours, told without its inside."""
    fault = {
        "code": "internal_error",
        "message": f"Something went wrong on the server ({type(error).__name__}).",
        "hint": "Try again; if it stays, report it with the server's log.",
    }
    return JSONResponse({"error": fault}, 500)
