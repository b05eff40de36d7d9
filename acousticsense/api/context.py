"""What the routes share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request

from acousticsense.i18n.messages import preferred_language
from acousticsense.serving.service import PredictionService

__all__ = ["ApiContext", "language_of"]


@dataclass(frozen=True)
class ApiContext:
    """What answers, and where uploads lie that a JSON body may name."""

    service: PredictionService
    upload_dir: Path

    def base_url(self, request: Request) -> str:
        """Where the client reaches this server, without a slash at the end."""
        return (self.service.settings.public_url or str(request.base_url)).rstrip("/")

    def image_url(self, request: Request, image_id: str) -> str:
        """Where the client can fetch an image that is kept."""
        return f"{self.base_url(request)}/api/spectrograms/{image_id}.png"


def language_of(request: Request) -> str:
    """The language that a client prefers, "en" or "zh"."""
    return preferred_language(request.headers.get("accept-language"))
