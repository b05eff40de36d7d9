"""An answer as a browser keeps it: all that its card shows, so that it can be shown again, in either language."""

from __future__ import annotations

from typing import Final

from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass

from acousticsense.inference.prediction import VALIDATED, Prediction


@dataclass(frozen=True, kw_only=True, config=VALIDATED)
class Asked:
    """The page's controls when an answer was asked for.

    Attributes:
        duration_s: seconds to analyse; of no effect with `whole`.
        model: value of the model's choice.
    """

    duration_s: float
    whole: bool
    offset_s: float
    model: str


@dataclass(frozen=True, kw_only=True, config=VALIDATED)
class KeptAnswer:
    """The answer for the file called `name`."""

    name: str
    asked: Asked
    prediction: Prediction


_ADAPTER: Final = TypeAdapter(KeptAnswer)


def kept_json(answer: KeptAnswer) -> str:
    """What the browser keeps."""
    return _ADAPTER.dump_json(answer).decode()


def kept_from_json(kept: object) -> KeptAnswer:
    """What a browser kept, which may be anything.

    Raises:
        ValueError: it is no answer, or one of a version that kept others.
    """
    if not isinstance(kept, str):
        raise ValueError("an answer is kept as text")
    return _ADAPTER.validate_json(kept)
