"""The command `acousticsense`."""

from acousticsense.cli.main import main

__all__ = ["main"]
