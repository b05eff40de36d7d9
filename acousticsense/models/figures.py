"""A recorded test, out of the metrics of a description, which comes from anybody: each figure may be nonsense."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, ValidatorFunctionWrapHandler, WrapValidator
from pydantic.dataclasses import dataclass


def _or_none(value: object, read: ValidatorFunctionWrapHandler) -> object:
    try:
        return read(value)
    except ValidationError:
        return None


_IfUsable = WrapValidator(_or_none)
_Share = Annotated[float, Field(ge=0, le=1, strict=True)]
#: Of more clips than a test has, Python makes no share and no words.
_Count = Annotated[int, Field(ge=0, le=10**9, strict=True)]


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="ignore"))
class RecordedTest:
    """What `evaluate` found with labelled music, as far as it is recorded; None where nothing usable is.

    Attributes:
        n: clips, 1 or more.
        accuracy: share of them that was named right.
        accuracy_interval: its 95 % interval.
        top3: share whose genre was among the best three.
        recall: label -> share of its clips that was named right.
        clips: label -> number of its clips.
    """

    n: Annotated[Annotated[_Count, Field(gt=0)] | None, _IfUsable] = None
    accuracy: Annotated[_Share | None, _IfUsable] = None
    accuracy_interval: Annotated[tuple[_Share, _Share] | None, _IfUsable] = None
    top3: Annotated[_Share | None, _IfUsable] = None
    recall: Annotated[dict[str, _Share] | None, _IfUsable] = None
    clips: Annotated[dict[str, _Count] | None, _IfUsable] = None

    @classmethod
    def of(cls, metrics: Mapping[str, Any], test: str = "real_test") -> RecordedTest:
        """The test of that name in the metrics of a description."""
        figures = metrics.get(test)
        return _TEST.validate_python(figures if isinstance(figures, dict) else {})

    @property
    def right(self) -> int | None:
        """How many clips were named right."""
        return None if self.n is None or self.accuracy is None else round(self.n * self.accuracy)

    @property
    def labels(self) -> frozenset[str] | None:
        """The labels that it had clips of."""
        return None if self.clips is None else frozenset(label for label, count in self.clips.items() if count)


_TEST: Final = TypeAdapter(RecordedTest)
