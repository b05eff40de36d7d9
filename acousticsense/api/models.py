"""`GET /api/models`: what is installed."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from acousticsense.api.context import ApiContext
from acousticsense.api.responses import ModelsResponse
from acousticsense.models.catalog import CatalogEntry

__all__ = ["models_routes"]


def models_routes(context: ApiContext) -> APIRouter:
    """The route."""
    router = APIRouter()

    @router.get("/api/models", response_model=ModelsResponse, response_model_exclude_unset=True)
    def models() -> dict[str, Any]:
        """What is installed: labels, images, hashes, licence, provenance and measured figures."""
        return {"models": [_row(entry) for entry in context.service.models()]}

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
