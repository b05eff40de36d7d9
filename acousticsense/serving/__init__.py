"""What requests share: one parser, the queue, loaded models, results kept for a while."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from acousticsense.serving.requests import (
    ClipRequest,
    CompareRequest,
    EnsembleRequest,
    ExplainRequest,
    PredictRequest,
    TimelineRequest,
    parse,
)

if TYPE_CHECKING:
    from acousticsense.serving.jobs import BatchJob, TimelineJob
    from acousticsense.serving.ports import check_port
    from acousticsense.serving.service import PredictionService
    from acousticsense.serving.uploads import uploaded_file

__all__ = [
    "BatchJob",
    "ClipRequest",
    "CompareRequest",
    "EnsembleRequest",
    "ExplainRequest",
    "PredictRequest",
    "PredictionService",
    "TimelineJob",
    "TimelineRequest",
    "check_port",
    "parse",
    "uploaded_file",
]

#: The service needs PyTorch, which a wrong option of the command line does not wait for: name -> module.
_LATER: Final = {
    "BatchJob": "jobs",
    "PredictionService": "service",
    "TimelineJob": "jobs",
    "check_port": "ports",
    "uploaded_file": "uploads",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
