"""What the script and the links of the tab "Library" fetch: rows by a batch's unguessable id, until they expire."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, Response

from acousticsense.errors import RequestError, quoted
from acousticsense.library.batch import Batch
from acousticsense.library.export import Decided, csv_bytes, json_values
from acousticsense.library.routing import decide
from acousticsense.serving.service import PredictionService
from acousticsense.web.language import language_of
from acousticsense.web.library_view import row_values

__all__ = ["add_library_routes", "json_rows", "threshold_of"]


def add_library_routes(app: FastAPI, service: PredictionService) -> None:
    """Adds the routes; `accept` in their queries is the lowest confidence that is accepted, 0 to 1."""

    def batch_of(job_id: str) -> Batch:
        job = service.batches.get(job_id)
        if job is None:
            raise HTTPException(404, "There is no such list, or it has expired. Send the files again.")
        return job.batch

    @app.get("/library/{job_id}/rows", include_in_schema=False)
    def rows(request: Request, job_id: str, start: int = 0, accept: str = "") -> JSONResponse:
        language = language_of(request)
        return JSONResponse(_rows_for_page(batch_of(job_id), max(0, start), threshold_of(accept), language))

    @app.get("/library/{job_id}.csv", include_in_schema=False)
    def as_csv(job_id: str, accept: str = "") -> Response:
        return Response(csv_bytes(_decided(batch_of(job_id), threshold_of(accept))), media_type="text/csv")

    @app.get("/library/{job_id}.json", include_in_schema=False)
    def as_json(job_id: str, accept: str = "") -> Response:
        content = json.dumps(json_rows(batch_of(job_id), threshold_of(accept)), ensure_ascii=False, indent=1)
        return Response(content, media_type="application/json")


def threshold_of(accept: str) -> float | None:
    """The lowest confidence that is accepted; None where nobody asked for decisions.

    Raises:
        RequestError: it is no number in 0..1.
    """
    if not accept:
        return None
    try:
        value = float(accept)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 1.0:
        raise RequestError(f"accept is {quoted(accept)}.", hint="Give a share from 0 to 1, for instance 0.85.")
    return value


def json_rows(batch: Batch, accept: float | None) -> list[dict[str, Any]]:
    """All rows so far, as `acousticsense tag --jsonl` writes them."""
    return [json_values(row, decision) for row, decision in _decided(batch, accept)]


def _decided(batch: Batch, accept: float | None) -> Iterator[Decided]:
    for row in batch.rows():
        yield row, None if accept is None else decide(row, accept)


def _rows_for_page(batch: Batch, start: int, accept: float | None, language: str) -> dict[str, Any]:
    """The rows that the page does not have yet, and how many of the accepted ones to expect to be wrong."""
    return {
        "rows": [
            row_values(place, row, None if accept is None else decide(row, accept), language)
            for place, row in batch.arrived(start)
        ],
        "expected": "" if accept is None else batch.expectation(accept, language),
    }
