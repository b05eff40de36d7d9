"""REST: requests in, JSON out, described by /openapi.json."""

from acousticsense.api.routes import create_api

__all__ = ["create_api"]
