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
        return self.service.base_url(str(request.base_url))

    def image_url(self, request: Request, image_id: str) -> str:
        """Where the client can fetch an image that is kept."""
        return self.service.image_url(str(request.base_url), image_id)


def language_of(request: Request) -> str:
    """The language that a client prefers, "en" or "zh"."""
    return preferred_language(request.headers.get("accept-language"))
