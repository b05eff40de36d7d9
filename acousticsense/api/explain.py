"""`POST /api/explain`: where the model looked."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request

from acousticsense.analysis.payload import explanation_payload
from acousticsense.api.context import ApiContext, language_of
from acousticsense.api.docs import ERRORS, clip_body
from acousticsense.api.parsing import read_body
from acousticsense.api.responses import ExplainResponse
from acousticsense.serving.requests import ExplainRequest, parse

__all__ = ["explain_routes"]


def explain_routes(context: ApiContext) -> APIRouter:
    """The route."""
    router, service = APIRouter(), context.service

    @router.post(
        "/api/explain",
        response_model=ExplainResponse,
        response_model_exclude_unset=True,
        responses=ERRORS,
        openapi_extra=clip_body(ExplainRequest),
    )
    async def explain(request: Request) -> dict[str, Any]:
        """Predicts one audio file and shows where the model looked for one label: a heat map over the spectrogram."""
        service.refuse_if_full()
        body = await read_body(request, context.upload_dir)
        wanted = parse(ExplainRequest, body.fields)
        explanation = await service.answer(lambda: service.work.explain(body.source, wanted, wanted.label))
        answer = explanation_payload(
            explanation.analysis.prediction,
            explanation.heatmap,
            top_k=wanted.top_k,
            language=language_of(request),
        )
        answer["heatmap_url"] = context.image_url(request, service.keep_heatmap(explanation))
        return answer

    return router
