"""What each error is over HTTP."""

from __future__ import annotations

import json

import pytest

from acousticsense import errors
from acousticsense.serving.http_errors import refusal_response, status_of


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.RequestError("?"), 400),
        (errors.UnexplainableError("?"), 400),
        (errors.AccessError("?"), 401),
        (errors.UnknownModelError("?"), 404),
        (errors.AudioTooLargeError("?"), 413),
        (errors.AudioDecodeError("?"), 415),
        (errors.DecoderTimeoutError("?"), 415),
        (errors.AudioEmptyError("?"), 422),
        (errors.RateLimitError("?", retry_after_s=9), 429),
        (errors.CorruptCheckpointError("?"), 500),
        (errors.TagError("?"), 500),
        (errors.SettingsError("?"), 500),
        (errors.DownloadError("?"), 502),
        (errors.OverloadError("?"), 503),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_status_says_whose_fault_it_is(error: errors.AcousticSenseError, status: int) -> None:
    assert status_of(error) == refusal_response(error).status_code == status


def test_programs_get_what_was_wrong_and_pages_their_language_too() -> None:
    error = errors.RequestError("There is no such image.", hint="Choose others.")
    plain, page = refusal_response(error), refusal_response(error, language="zh")
    body = {"error": {"code": "bad_request", "message": "There is no such image.", "hint": "Choose others."}}
    assert json.loads(bytes(plain.body)) == body
    assert json.loads(bytes(page.body)) == {**body, "detail": "没有这种图像。请选择其他模型。"}


@pytest.mark.parametrize(
    ("error", "retry_after"),
    [
        (errors.RateLimitError("?", retry_after_s=9), "9"),
        (errors.OverloadError("?", retry_after_s=60), "60"),
        (errors.RequestError("?"), None),
    ],
)
def test_it_is_said_when_to_try_again(error: errors.AcousticSenseError, retry_after: str | None) -> None:
    response = refusal_response(error, headers={"X-Other": "x"})
    assert (response.headers.get("Retry-After"), response.headers["X-Other"]) == (retry_after, "x")
