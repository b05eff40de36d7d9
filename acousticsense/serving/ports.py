"""Whether a server can listen where it was told to."""

from __future__ import annotations

import socket

from acousticsense.errors import SettingsError


def check_port(host: str, port: int) -> None:
    """Raises SettingsError when something else listens there, or the address is not this machine's."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise SettingsError(
                f"Port {port} on {host} cannot be used: {error.strerror or error}.",
                hint=f"Stop what uses it, or choose another one: bash start.sh --port {port + 1}",
            ) from error
