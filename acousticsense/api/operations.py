"""What operators ask: `/healthz`, `/readyz` and `/metrics`. None of them takes a thread, so that none ever waits."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, PlainTextResponse

from acousticsense.api.context import ApiContext
from acousticsense.api.responses import HealthResponse, NotReadyResponse, ReadyResponse
from acousticsense.serving.metrics import CONTENT_TYPE

__all__ = ["operations_routes"]


def operations_routes(context: ApiContext) -> APIRouter:
    """The routes."""
    router, service = APIRouter(), context.service

    @router.get("/healthz", response_model=HealthResponse)
    async def healthz() -> dict[str, str]:
        """The process is alive."""
        return {"status": "ok"}

    @router.get("/readyz", response_model=ReadyResponse, responses={503: {"model": NotReadyResponse}})
    async def readyz() -> Any:
        """The default model is loaded and warm, and the queue has room."""
        if reason := service.ready():
            return JSONResponse({"status": "not ready", "reason": reason}, 503, {"Retry-After": "2"})
        return {"status": "ready", "model": service.classifier("").spec.name}

    @router.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> PlainTextResponse:
        """Counters and histograms in the Prometheus text format."""
        return PlainTextResponse(service.metrics.text(), media_type=CONTENT_TYPE)

    return router
