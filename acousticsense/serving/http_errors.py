"""An error as an HTTP answer, for REST and page alike: its status, its body, and when to try again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.responses import JSONResponse

from acousticsense.errors import (
    AccessError,
    AcousticSenseError,
    AudioEmptyError,
    AudioError,
    AudioTooLargeError,
    DownloadError,
    OverloadError,
    RateLimitError,
    RequestError,
    UnknownModelError,
)
from acousticsense.inference.payload import error_payload, page_error_payload

#: The status of each error; a class not named here takes its nearest ancestor's.
_STATUS: Final[dict[type[Exception], int]] = {
    RequestError: 400,
    AccessError: 401,
    UnknownModelError: 404,
    AudioTooLargeError: 413,
    AudioError: 415,
    AudioEmptyError: 422,
    RateLimitError: 429,
    DownloadError: 502,
    OverloadError: 503,
    AcousticSenseError: 500,
}


def status_of(error: AcousticSenseError) -> int:
    """The HTTP status that says whose fault an error is."""
    return next(_STATUS[cls] for cls in type(error).__mro__ if cls in _STATUS)


def refusal_response(
    error: AcousticSenseError, *, language: str | None = None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """The answer to a request that failed.

    Args:
        language: of whoever reads it on the page, which shows `detail`; None for programs, who get no such field.
    """
    body = error_payload(error) if language is None else page_error_payload(error, language)
    retry = {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
    return JSONResponse(body, status_of(error), {**retry, **(headers or {})})
