"""REST: requests in, JSON out, described by /openapi.json."""

from acousticsense.api.errors import HTTP_STATUS
from acousticsense.api.routes import create_api

__all__ = ["HTTP_STATUS", "create_api"]
