"""`POST /api/timeline`: genre along a track, and the files that its answers name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.requests import Request

from acousticsense.analysis.exports import audacity_labels, cue_sheet, rekordbox_xml, timeline_csv
from acousticsense.analysis.payload import timeline_payload
from acousticsense.analysis.results import Timeline
from acousticsense.api.docs import ERRORS, clip_body, errors
from acousticsense.api.parsing import read_body
from acousticsense.api.responses import TimelineFile, TimelineResponse
from acousticsense.api.waiting import while_asked
from acousticsense.serving.requests import TimelineRequest, parse
from acousticsense.serving.service import PredictionService

#: A finished timeline as a file: suffix -> media type and what writes it.
_FILES: Final[dict[str, tuple[str, Callable[[Timeline, str], str]]]] = {
    # A byte-order mark tells spreadsheets that the file is UTF-8.
    "csv": ("text/csv", lambda timeline, _: "\ufeff" + timeline_csv(timeline)),
    "json": ("application/json", lambda timeline, _: json.dumps(timeline_payload(timeline), ensure_ascii=False)),
    "txt": ("text/plain", lambda timeline, _: audacity_labels(timeline)),
    "cue": ("text/plain", cue_sheet),
    "xml": ("application/xml", rekordbox_xml),
}
_FILE_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"model": TimelineFile, "content": {"text/csv": {}, "text/plain": {}, "application/xml": {}}},
    **errors(404, _404="no such timeline, or it has expired"),
}


def timeline_routes(service: PredictionService, upload_dir: Path) -> APIRouter:
    """The routes; see `create_api`."""
    router = APIRouter()

    @router.post(
        "/api/timeline",
        response_model=TimelineResponse,
        response_model_exclude_unset=True,
        responses=ERRORS,
        openapi_extra=clip_body(TimelineRequest),
    )
    async def timeline(request: Request) -> dict[str, Any]:
        """Predicts a track window by window; the work ends when the client goes away."""
        service.refuse_if_full(timelines=True)
        body = await read_body(request, upload_dir)
        job = service.start_timeline(body.source, parse(TimelineRequest, body.fields))
        made = await while_asked(request, job.outcome())
        files = f"{service.base_url(str(request.base_url))}/api/timelines/{service.timelines.put(made)}"
        return {**timeline_payload(made), "files": {kind: f"{files}.{kind}" for kind in _FILES}}

    @router.get("/api/timelines/{name}", response_class=Response, responses=_FILE_ANSWERS)
    async def timeline_file(name: str, song: str = "track.mp3") -> Response:
        """An earlier timeline, until it expires, as ID.csv (a row per window), ID.json, ID.txt (labels for Audacity),
        ID.cue (a cue sheet) or ID.xml (memory cues for Rekordbox); the last two name the file `song`."""
        timeline_id, _, kind = name.rpartition(".")
        made = service.timelines.get(timeline_id)
        if made is None or kind not in _FILES:
            raise HTTPException(404, "There is no such timeline, or it has expired. Send the audio again.")
        media_type, write = _FILES[kind]
        return Response(await run_in_threadpool(write, made, song), media_type=media_type)

    return router
