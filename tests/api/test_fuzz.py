"""Whatever arrives is answered: with what was asked, or with a refusal that says what was wrong.

Bodies are made by hypothesis, whole requests by schemathesis from /openapi.json. Many more by hand:
bash start.sh test tests/api/test_fuzz.py --hypothesis-profile many
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi import checks

from acousticsense.api.routes import create_api
from acousticsense.errors import RequestError
from acousticsense.i18n.messages import preferred_language
from acousticsense.serving.requests import (
    CompareRequest,
    EnsembleRequest,
    ExplainRequest,
    PredictRequest,
    SimilarRequest,
    TimelineRequest,
    parse,
)
from acousticsense.serving.service import PredictionService
from acousticsense.settings import Settings

#: A busy machine is slow, not wrong.
_PATIENCE_S = 300

KINDS = (PredictRequest, ExplainRequest, CompareRequest, EnsembleRequest, SimilarRequest, TimelineRequest)
FIELDS = sorted({name for kind in KINDS for name in kind.model_fields})

#: Text with everything that JSON can carry, halves of characters among it.
ANY_TEXT = st.text(st.characters(exclude_categories=()))
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | ANY_TEXT
    | st.sampled_from(["all", "model", "nan", "1e999"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=8,
)
VALUES = st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=len(FIELDS))


@given(fields=VALUES, kind=st.sampled_from(KINDS))
def test_any_fields_make_a_request_or_are_refused_in_words(fields: dict[str, Any], kind: Any) -> None:
    try:
        request = parse(kind, fields)
    except RequestError as refusal:
        said = str(refusal)
    else:
        assert kind(**dict(request)) == request  # what was taken is within all limits
        return
    assert 0 < len(said.encode()) < 600  # can be sent


@given(header=st.text())
def test_any_accept_language_is_english_or_chinese(header: str) -> None:
    assert preferred_language(header) in ("en", "zh")


@pytest.fixture(scope="module")
def app(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    """The REST interface with "tiny", which takes files up to 1 MiB and waits for nobody."""
    service = PredictionService(
        Settings(models=tiny_models, model="tiny", device="cpu", max_upload_mb=1, decode_timeout_s=300)
    )
    service.warm_up()
    return create_api(service, upload_dir=tmp_path_factory.mktemp("uploads"))


@pytest.fixture(scope="module")
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def is_an_answer(response: Any) -> None:
    """A refusal of ours: whose fault it is, in the one form of errors."""
    assert 400 <= response.status_code < 500, response.text
    error = response.json()["error"]
    assert error["code"]
    assert error["message"]


URIS = st.one_of(
    ANY_TEXT,
    st.binary(max_size=200).map(lambda data: "data:audio/mpeg;base64," + base64.b64encode(data).decode()),
    ANY_TEXT.map("data:audio/mpeg;base64,".__add__),
)
DATA = (
    JSON
    | URIS
    | st.fixed_dictionaries({}, optional={"data": URIS, "path": ANY_TEXT, "name": ANY_TEXT, "url": ANY_TEXT})
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=300) | JSON.map(json.dumps).map(str.encode))
def test_any_body_that_is_no_request_is_refused(client: TestClient, body: bytes) -> None:
    is_an_answer(client.post("/api/predict", content=body, headers={"content-type": "application/json"}))
    for kind in ("multipart/form-data", "multipart/form-data; boundary=x", "text/plain", ""):
        is_an_answer(client.post("/api/predict", content=body, headers={"content-type": kind}))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=DATA, fields=VALUES)
def test_any_data_that_is_no_sound_is_refused(client: TestClient, data: Any, fields: dict[str, Any]) -> None:
    is_an_answer(client.post("/api/predict", content=json.dumps({**fields, "data": [data]}),
                             headers={"content-type": "application/json"}))  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.text(max_size=40),
    content=st.binary(max_size=200),
    fields=st.dictionaries(st.sampled_from(FIELDS), st.text()),
)
def test_any_form_without_sound_is_refused(
    client: TestClient, name: str, content: bytes, fields: dict[str, str]
) -> None:
    for path in ("/api/predict", "/api/ensemble", "/api/timeline", "/api/explain"):
        is_an_answer(client.post(path, files={"data": (name, content)}, data=fields))


def answers_as_documented(operation: Any) -> None:
    """Sends requests that the documentation of one operation allows, and some that it does not."""

    @settings(suppress_health_check=[*HealthCheck], max_examples=max(10, settings().max_examples // 10))
    @given(case=operation.as_strategy())
    def check(case: Any) -> None:
        response = case.call(timeout=_PATIENCE_S)
        assert response.status_code < 500 or response.status_code == 503, response.text
        case.validate_response(
            response,
            checks=[
                checks.status_code_conformance,
                checks.content_type_conformance,
                checks.response_schema_conformance,
            ],
        )

    check()


def test_requests_made_from_the_documentation_are_answered_as_it_says(app: FastAPI) -> None:
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 10
    for operation in operations:
        answers_as_documented(operation)
