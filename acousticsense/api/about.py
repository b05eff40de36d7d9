"""What a server says of itself: its models, and to operators how it is."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, PlainTextResponse

from acousticsense.api.responses import HealthResponse, ModelsResponse, NotReadyResponse, ReadyResponse
from acousticsense.models.catalog import CatalogEntry
from acousticsense.serving.metrics import CONTENT_TYPE
from acousticsense.serving.service import PredictionService


def about_routes(service: PredictionService) -> APIRouter:
    """The routes. Those for operators take no thread, so that they never wait."""
    router = APIRouter()

    @router.get("/api/models", response_model=ModelsResponse, response_model_exclude_unset=True)
    def models() -> dict[str, Any]:
        """What is installed: labels, images, hashes, licence, provenance and measured figures."""
        return {"models": [_row(entry) for entry in service.catalog.list()]}

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


def _row(entry: CatalogEntry) -> dict[str, Any]:
    """A model that cannot be used carries its error."""
    spec = entry.spec
    if spec is None:
        return {"name": entry.name, "error": str(entry.error)}
    return {
        "name": spec.name,
        "architecture": spec.architecture,
        "spectrogram": spec.front_end.kind,
        "spectrograms": list(spec.kinds),
        "labels": list(spec.labels),
        "weights_sha256": spec.weights_sha256,
        "licence": spec.licence,
        "provenance": spec.provenance,
        "metrics": spec.metrics,
        "metrics_by_spectrogram": {kind: spec.for_spectrogram(kind).metrics for kind in spec.kinds},
    }
