"""`acousticsense mcp`: tools for agents, by the Model Context Protocol over standard input and output.

The tools read files of this machine by path and answer what the REST API answers. No address is fetched.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from acousticsense import __version__
from acousticsense.cli.options import add_model_options, settings_of
from acousticsense.errors import SettingsError

if TYPE_CHECKING:
    from mcp.server.fastmcp import FastMCP

    from acousticsense.serving.service import PredictionService
    from acousticsense.settings import Settings


_INSTRUCTIONS = (
    "Music genres of audio files on this machine. Give absolute paths. Probabilities are calibrated; the verdict says "
    "how far to trust them: do not present an answer that is 'unsure' as a fact."
)


def add(commands: Any) -> None:
    """Adds the command to the parser's `commands`."""
    parser = commands.add_parser("mcp", help="tools for agents, over standard input and output (extra mcp)")
    add_model_options(parser)
    parser.add_argument(
        "--library", metavar="LEDGER", help="where similar songs are looked for, a ledger that similar filled"
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    settings = settings_of(options)
    server, service = make_server(settings if options.library is None else settings.replace(library=options.library))
    try:
        server.run("stdio")
    finally:
        service.stop()
    return 0


def make_server(settings: Settings) -> tuple[FastMCP[None], PredictionService]:
    """A server with the tools `predict`, `timeline` and, where a library is named, `similar`; and what answers them.

    Raises:
        SettingsError: the package mcp is not installed.
    """
    try:
        from mcp.server.fastmcp import FastMCP
    except ImportError as error:
        raise SettingsError(
            "The package mcp is not installed.", hint='Install it: pip install "acousticsense[mcp]".'
        ) from error
    from acousticsense.serving.service import PredictionService

    service = PredictionService(settings)
    server: FastMCP[None] = FastMCP("acousticsense", instructions=_INSTRUCTIONS)
    server._mcp_server.version = __version__  # no argument of FastMCP leads there; else it is that of the package mcp
    for tool in _tools(service):
        server.add_tool(tool)
    return server, service


def _tools(service: PredictionService) -> list[Callable[..., dict[str, Any]]]:
    """The tools; their docstrings are what an agent reads of them."""
    from acousticsense.analysis.payload import timeline_payload
    from acousticsense.inference.payload import prediction_payload
    from acousticsense.library.similar import similar_payload
    from acousticsense.serving.requests import PredictRequest, SimilarRequest, TimelineRequest, parse

    def predict(
        path: str, duration_s: float | str = "model", offset_s: float = 0.0, model: str = "", top_k: int = 5
    ) -> dict[str, Any]:
        """The genre of an audio file: calibrated probabilities, a verdict and notes on the recording.

        path: the file. duration_s: seconds to analyse, "all", or "model" for the model's own 10. offset_s: where to
        begin. model: a name as `acousticsense models` lists them; "" is the default. top_k: genres to list.
        """
        values = {"duration_s": duration_s, "offset_s": offset_s, "model": model, "top_k": top_k}
        wanted = parse(PredictRequest, values)
        return prediction_payload(service.analyse(path, wanted).prediction, top_k=wanted.top_k)

    def timeline(
        path: str, window_s: float | None = None, hop_s: float | None = None, min_segment_s: float = 0.0
    ) -> dict[str, Any]:
        """The genre along a whole track: windows, and segments of one genre each.

        path: the file. window_s: seconds in a window, 1 to 60; left out, 10. hop_s: seconds between windows.
        min_segment_s: segments that are shorter are given to the one beside them; 0 keeps all.
        """
        values = {"window_s": window_s, "hop_s": hop_s, "min_segment_s": min_segment_s}
        return timeline_payload(service.start_timeline(path, parse(TimelineRequest, values)).result())

    def similar(path: str, top_k: int = 10) -> dict[str, Any]:
        """The songs of the user's library that sound most like an audio file.

        path: the file. top_k: songs to list.
        """
        wanted = parse(SimilarRequest, {"top_k": top_k})
        return similar_payload(*service.neighbours.nearest(path, wanted.top_k))

    return [predict, timeline, similar] if service.neighbours.is_on else [predict, timeline]
