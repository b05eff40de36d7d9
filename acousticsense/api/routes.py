"""The REST interface: JSON in, JSON out, on the same port as the page."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Match

from acousticsense import __version__
from acousticsense.api.about import about_routes
from acousticsense.api.clips import clip_routes
from acousticsense.api.docs import add_docs
from acousticsense.api.errors import add_error_handlers
from acousticsense.api.middleware import AddRootPath, BodyLimit, HeadAsGet
from acousticsense.api.timeline import timeline_routes
from acousticsense.serving.service import PredictionService


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


def _add_rest(app: FastAPI) -> None:
    """Answers for whatever else is asked below /api: the page, mounted at /, would answer in another form."""

    @app.api_route("/api/{path:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"], include_in_schema=False)
    async def unknown(request: Request) -> None:
        is_known = any(route.matches(request.scope)[0] is Match.PARTIAL for route in app.router.routes)
        raise HTTPException(405 if is_known else 404)
