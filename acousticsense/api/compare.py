"""`POST /api/compare`: two to four versions of a piece."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request

from acousticsense.analysis.compare import analyses_of
from acousticsense.analysis.compare_payload import comparison_payload
from acousticsense.api.context import ApiContext, language_of
from acousticsense.api.docs import ERRORS, versions_body
from acousticsense.api.parsing import read_versions
from acousticsense.api.responses import CompareResponse
from acousticsense.serving.requests import CompareRequest, parse

__all__ = ["compare_routes"]


def compare_routes(context: ApiContext) -> APIRouter:
    """The route."""
    router, service = APIRouter(), context.service

    @router.post(
        "/api/compare",
        response_model=CompareResponse,
        response_model_exclude_unset=True,
        responses=ERRORS,
        openapi_extra=versions_body(CompareRequest),
    )
    async def compare(request: Request) -> dict[str, Any]:
        """Predicts two to four versions of a piece, "a" to "d", and says what moved from "a" to each other one."""
        service.refuse_if_full()
        versions, fields = await read_versions(request)
        wanted = parse(CompareRequest, fields)
        comparisons = await service.answer(lambda: service.work.compare(versions, wanted))
        answer = comparison_payload(*comparisons, top_k=wanted.top_k, language=language_of(request))
        for name, analysis in analyses_of(comparisons).items():
            answer[name]["mel_spectrogram_url"] = context.image_url(request, service.keep_image(analysis))
        return answer

    return router
