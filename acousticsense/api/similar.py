"""`POST /api/similar`: the songs of the server's library that are nearest to one."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request

from acousticsense.api.context import ApiContext
from acousticsense.api.docs import ERRORS, clip_body
from acousticsense.api.parsing import read_body
from acousticsense.api.responses import SimilarResponse
from acousticsense.library.similar import similar_payload
from acousticsense.serving.requests import SimilarRequest, parse

__all__ = ["similar_routes"]


def similar_routes(context: ApiContext) -> APIRouter:
    """The route."""
    router, service = APIRouter(), context.service

    @router.post(
        "/api/similar",
        response_model=SimilarResponse,
        responses=ERRORS,
        openapi_extra=clip_body(SimilarRequest),
    )
    async def similar(request: Request) -> dict[str, Any]:
        """Finds the songs of the server's library that are nearest to one, by the features of the default model."""
        service.refuse_if_full()
        body = await read_body(request, context.upload_dir)
        wanted = parse(SimilarRequest, body.fields)
        return similar_payload(*await service.answer(lambda: service.neighbours.nearest(body.source, wanted.top_k)))

    return router
