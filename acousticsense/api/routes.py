"""The REST interface: JSON in, JSON out, on the same port as the page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope

from acousticsense import __version__
from acousticsense.api.about import about_routes
from acousticsense.api.clips import clip_routes
from acousticsense.api.docs import add_docs
from acousticsense.api.errors import add_error_handlers
from acousticsense.api.middleware import AddRootPath, BodyLimit, HeadAsGet
from acousticsense.api.timeline import timeline_routes
from acousticsense.serving.service import PredictionService

#: Our paths that are not below /api.
_BESIDE_API: Final = ("/docs", "/healthz", "/metrics", "/openapi.json", "/readyz")
_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")


def create_api(service: PredictionService, *, upload_dir: Path) -> FastAPI:
    """The application with every REST route and its documentation.

    Args:
        upload_dir: where Gradio keeps uploads; a FileData body may only name files in it.
    """
    # The address of the API is relative to that of openapi.json, so that /docs calls it behind any proxy.
    app = FastAPI(
        title="AcousticSense",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        servers=[{"url": "./"}],
        root_path_in_servers=False,
    )
    if service.settings.root_path:
        app.add_middleware(AddRootPath, root_path=service.settings.root_path)
    app.add_middleware(BodyLimit, max_file_bytes=service.settings.max_upload_mb * 2**20)
    app.add_middleware(HeadAsGet)
    add_error_handlers(app)
    app.include_router(clip_routes(service, upload_dir))
    app.include_router(timeline_routes(service, upload_dir))
    app.include_router(about_routes(service))
    add_docs(app)
    _add_rest(app)
    return app


class _Rest:
    """Refuses what no route answers: 405 with the methods that one would, 404 where there is none for the path."""

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        self._routes = routes

    async def __call__(self, scope: Scope, *_: object) -> None:
        """Raises what the application answers in our form."""
        allowed = [method for method in _METHODS if self._is_answered({**scope, "method": method})]
        if not allowed:
            raise HTTPException(404)
        if "GET" in allowed:
            allowed.append("HEAD")  # see `HeadAsGet`
        raise HTTPException(405, headers={"Allow": ", ".join(allowed)})

    def _is_answered(self, scope: Scope) -> bool:
        return any(route.matches(scope)[0] is Match.FULL for route in self._routes)


def _add_rest(app: FastAPI) -> None:
    """Answers for whatever else is asked of our paths: the page, mounted at /, would answer in another form."""
    rest = _Rest([*app.router.routes])
    app.router.routes += [Route(path, rest) for path in ("/api", "/api/{path:path}", *_BESIDE_API)]
