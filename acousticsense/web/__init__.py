"""The web page: a Gradio app mounted beside the REST API."""

from acousticsense.web.layout import build_ui, mount_ui

__all__ = ["build_ui", "mount_ui"]
