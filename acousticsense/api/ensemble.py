"""`POST /api/ensemble`: several models about one file."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request

from acousticsense.analysis.ensemble_payload import ensemble_payload
from acousticsense.api.context import ApiContext, language_of
from acousticsense.api.docs import ERRORS, clip_body
from acousticsense.api.parsing import read_body
from acousticsense.api.responses import EnsembleResponse
from acousticsense.serving.requests import EnsembleRequest, parse

__all__ = ["ensemble_routes"]


def ensemble_routes(context: ApiContext) -> APIRouter:
    """The route."""
    router, service = APIRouter(), context.service

    @router.post(
        "/api/ensemble",
        response_model=EnsembleResponse,
        response_model_exclude_unset=True,
        responses=ERRORS,
        openapi_extra=clip_body(EnsembleRequest),
    )
    async def ensemble(request: Request) -> dict[str, Any]:
        """Asks several models about one audio file: a row for each and each image, and what they say together."""
        service.refuse_if_full()
        body = await read_body(request, context.upload_dir)
        wanted = parse(EnsembleRequest, body.fields)
        result = await service.answer(lambda: service.work.predict_together(body.source, wanted))
        return ensemble_payload(result, top_k=wanted.top_k, language=language_of(request))

    return router
