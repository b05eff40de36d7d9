"""What the script and the links of the tab "Library" fetch: rows by a batch's unguessable id, until they expire."""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import Body, FastAPI, HTTPException, Request
from fastapi.responses import FileResponse, JSONResponse, Response

from acousticsense.errors import RequestError, quoted
from acousticsense.library.batch import Batch
from acousticsense.library.export import Decided, csv_bytes, finetune_csv, json_values, m3u
from acousticsense.library.routing import decide
from acousticsense.models.genres import display_name
from acousticsense.serving.jobs import BatchJob
from acousticsense.serving.service import PredictionService
from acousticsense.web.language import language_of
from acousticsense.web.library_view import row_values


def add_library_routes(app: FastAPI, service: PredictionService) -> None:
    """Adds the routes; `accept` in their queries is the lowest confidence that is accepted, 0 to 1."""

    def batch_of(job_id: str) -> Batch:
        return job_of(service, job_id).batch

    @app.get("/library/{job_id}/rows", include_in_schema=False)
    def rows(request: Request, job_id: str, start: int = 0, accept: str = "") -> JSONResponse:
        language = language_of(request)
        return JSONResponse(_rows_for_page(batch_of(job_id), max(0, start), threshold_of(accept), language))

    @app.get("/library/{job_id}.finetune.csv", include_in_schema=False)
    # Before the route of the CSV, which would take the name for its own.
    def as_finetune_list(job_id: str) -> Response:
        return Response(finetune_csv(_corrected(batch_of(job_id))), media_type="text/csv")

    @app.get("/library/{job_id}.csv", include_in_schema=False)
    def as_csv(job_id: str, accept: str = "") -> Response:
        batch = batch_of(job_id)
        content = csv_bytes(_decided(batch, threshold_of(accept)), _corrected(batch))
        return Response(content, media_type="text/csv")

    @app.get("/library/{job_id}.m3u8", include_in_schema=False)
    def as_playlist(job_id: str, genre: str = "") -> Response:
        """All files genre by genre, or those of one genre; what is corrected goes by its correction."""
        batch = batch_of(job_id)
        genres = {row.path: row.genre for row in batch.rows() if row.genre and row.verdict != "not_music"}
        genres |= _corrected(batch)
        chosen = {path: label for path, label in genres.items() if label == genre or not genre}
        return Response(m3u(batch.rows(), chosen), media_type="audio/x-mpegurl")

    @app.post("/library/{job_id}/rows/{place}", include_in_schema=False)
    def correct(job_id: str, place: int, genre: Annotated[str, Body(embed=True, max_length=200)]) -> Response:
        batch_of(job_id).correct(place, genre)
        return Response(status_code=204)

    @app.get("/library/{job_id}/sound/{place}", include_in_schema=False)
    def sound(job_id: str, place: int) -> Response:
        path = batch_of(job_id).files.sound(place)
        if path is None or not path.is_file():
            raise HTTPException(404, "This file cannot be played any more. Send it again.")
        guessed = mimetypes.guess_type(path.name)[0] or ""
        # What is sent may be anything; a browser must take none of it for a page.
        media_type = guessed if guessed.startswith(("audio/", "video/")) else "application/octet-stream"
        return FileResponse(path, media_type=media_type, headers={"X-Content-Type-Options": "nosniff"})

    @app.get("/library/{job_id}.json", include_in_schema=False)
    def as_json(job_id: str, accept: str = "") -> Response:
        content = json.dumps(json_rows(batch_of(job_id), threshold_of(accept)), ensure_ascii=False, indent=1)
        return Response(content, media_type="application/json")


def job_of(service: PredictionService, job_id: str) -> BatchJob:
    """The batch of an id.

    Raises:
        HTTPException: there is none (any more).
    """
    job = service.batches.get(job_id)
    if job is None:
        raise HTTPException(404, "There is no such list, or it has expired. Send the files again.")
    return job


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


def _corrected(batch: Batch) -> dict[str, str]:
    """What people corrected: path -> genre."""
    corrections = batch.corrections
    return {row.path: corrections[place] for place, row in batch.arrived() if place in corrections}


def _decided(batch: Batch, accept: float | None) -> Iterator[Decided]:
    for row in batch.rows():
        yield row, None if accept is None else decide(row, accept)


def _rows_for_page(batch: Batch, start: int, accept: float | None, language: str) -> dict[str, Any]:
    """The rows that the page does not have yet, and how many of the accepted ones to expect to be wrong."""
    corrections, rows = batch.corrections, batch.arrived(start)
    labels = next((row.probabilities for _, row in rows if row.probabilities), {})
    return {
        "rows": [
            row_values(place, row, None if accept is None else decide(row, accept), language)
            | {
                "playable": row.error is None and batch.files.sound(place) is not None,
                "corrected": display_name(corrections.get(place, ""), language),
            }
            for place, row in rows
        ],
        "genres": [[label, display_name(label, language)] for label in labels],
        "expected": "" if accept is None else batch.expectation(accept, language),
    }
