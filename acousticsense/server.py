"""The composition root: one process with the page at /, the REST API under /api and the documentation at /docs."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

import uvicorn
from fastapi import FastAPI

from acousticsense.api.disk_limit import DiskLimit
from acousticsense.api.request_log import configure_logging
from acousticsense.api.routes import create_api
from acousticsense.api.security import add_security
from acousticsense.inference.backends.selection import check_installed
from acousticsense.inference.device import pick_device
from acousticsense.models.catalog import Catalog, resolve
from acousticsense.serving.service import PredictionService
from acousticsense.serving.temporary import make_upload_folder
from acousticsense.settings import Settings
from acousticsense.web import mount_ui

#: Seconds for finishing answers after SIGTERM.
_GRACE_S: Final = 5
#: Seconds for which an idle connection stays open: longer than with clients (httpx: 5) and proxies (nginx: 60), since
#: who sends on one that is just being closed loses the request.
_KEEP_ALIVE_S: Final = 65

_log: Final = logging.getLogger(__name__)


def create_app(settings: Settings) -> FastAPI:
    """The whole application; the default model is loaded in the background, see `/readyz`."""
    # Gradio reads its settings when uploads arrive; analytics would call the internet.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    if "GRADIO_TEMP_DIR" not in os.environ:
        os.environ["GRADIO_TEMP_DIR"] = str(make_upload_folder())
    upload_dir = Path(os.environ["GRADIO_TEMP_DIR"])
    service = PredictionService(settings, upload_dir=upload_dir)
    app = create_api(service, upload_dir=upload_dir)
    threading.Thread(target=_warm_up, args=(service,), name="warm-up", daemon=True).start()
    mounted = mount_ui(app, service)
    mounted.state.service = service
    service.uploads.keep_swept()
    mounted.add_middleware(DiskLimit, uploads=service.uploads)
    add_security(mounted, settings)
    return mounted


def _warm_up(service: PredictionService) -> None:
    """First an answer, then any image at once, then a faster answer."""
    service.warm_up()
    service.loaded.warm_up_views()
    service.loaded.accelerate()


def serve(settings: Settings) -> None:
    """Runs the server until it is interrupted.

    Raises:
        UnknownModelError: the default model is not installed.
        SettingsError: there is no such device, or the backend is not installed.
    """
    configure_logging(settings)
    pick_device(settings.device)
    check_installed(settings.backend)
    resolve(settings.model or None, Catalog(settings.models), cache_dir=settings.cache_dir)
    _log.info("AcousticSense: %s  (REST: /docs)", url_of(settings.host, settings.port))
    # uvicorn raises the signal again when it has shut down, which must not keep Python from removing temporary files.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_level="warning",
        log_config=None,  # its lines go the way of ours
        proxy_headers=True,
        timeout_graceful_shutdown=_GRACE_S,
        timeout_keep_alive=_KEEP_ALIVE_S,
    )
    Server(config, app.state.service, app.state.end_pages).run()


class Server(uvicorn.Server):
    """Tells open pages and the requests that wait that it stops, before it waits for those that are being answered."""

    def __init__(self, config: uvicorn.Config, service: PredictionService, end_pages: Callable[[], None]) -> None:
        super().__init__(config)
        self._service = service
        self._end_pages = end_pages

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Ends in good order within `_GRACE_S`."""
        self._end_pages()
        self._service.stop()
        await super().shutdown(sockets)
        self._service.kill()


def url_of(host: str, port: int) -> str:
    """The address to open in a browser, for an address to listen on."""
    shown = "localhost" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}"
