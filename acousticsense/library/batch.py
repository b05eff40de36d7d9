"""Files that somebody sent together: a row for each, as `acousticsense tag` writes it, and what people say of it."""

from __future__ import annotations

import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

from acousticsense.errors import AudioError, LibraryError, RequestError
from acousticsense.inference.classifier import GenreClassifier
from acousticsense.inference.decoding import Recipe
from acousticsense.library.engine import EngineOptions, LocalEngine
from acousticsense.library.predict import BatchPredictor
from acousticsense.library.routing import decide, expectation
from acousticsense.library.rows import Row, RowError
from acousticsense.library.uploads import BatchLimits, SentFiles, Upload
from acousticsense.models.spec import Calibration


class Batch:
    """One run over files that were sent together. Rows may be read from any thread while it goes on.

    Args:
        uploads: the files; those named `.zip` stand for the audio in them.

    Raises:
        RequestError: there are more files than the limit.
    """

    def __init__(self, uploads: Sequence[Upload], limits: BatchLimits) -> None:
        self.files = SentFiles(uploads, limits)
        self._calibration: Calibration | None = None
        self._rows: list[tuple[int, Row]] = []
        self._corrections: dict[int, str] = {}
        self._lock = threading.Lock()

    @property
    def done(self) -> int:
        """Files that have a row."""
        return len(self._rows)

    @property
    def failed(self) -> int:
        """Files whose row is an error."""
        return sum(row.error is not None for _, row in self.arrived())

    def arrived(self, start: int = 0) -> list[tuple[int, Row]]:
        """(place of the file, its row) from the `start`-th row on, in the order in which rows came."""
        with self._lock:
            return self._rows[start:]

    def rows(self) -> list[Row]:
        """The rows so far, in the order of the files."""
        return [row for _, row in sorted(self.arrived(), key=lambda entry: entry[0])]

    def correct(self, place: int, genre: str) -> None:
        """Keeps what somebody says a file is; "" takes that back.

        Raises:
            RequestError: there is no answer for this file, or the model does not know the genre.
        """
        labels = next((row.probabilities for here, row in self.arrived() if here == place), {})
        if not labels or (genre and genre not in labels):
            raise RequestError(
                f"Row {place} cannot be corrected to {genre!r}.", hint="Choose one of the model's genres."
            )
        with self._lock:
            self._corrections.pop(place, None)
            if genre:
                self._corrections[place] = genre

    @property
    def corrections(self) -> dict[int, str]:
        """Place of a file -> the genre that somebody says it has."""
        with self._lock:
            return dict(self._corrections)

    def expectation(self, accept: float, language: str = "en") -> str:
        """How many of the answers that are accepted to expect to be wrong, in words; empty when there are none."""
        accepted = [str(row.verdict) for row in self.rows() if decide(row, accept) == "accepted"]
        return expectation(Counter(accepted), self._calibration, language) if accepted and self._calibration else ""

    def predict(
        self,
        classifier: GenreClassifier,
        recipe: Recipe,
        options: EngineOptions,
        between: Callable[[], None] = lambda: None,
    ) -> None:
        """Gives every file its row; to be called once.

        Args:
            between: called before new rows are kept; what it raises ends the work, and leaves no file behind.

        Raises:
            RequestError: there are more files in the archives than the limit.
            LibraryError: decoder processes cannot be started.
        """
        predictor = BatchPredictor(classifier, recipe)
        self._calibration = classifier.spec.calibration
        with ExitStack() as stack:
            stack.enter_context(closing(self.files))
            self.files.open()
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="acousticsense-batch-")))
            places: dict[str, list[int]] = {}
            paths = self._paths(folder, places, predictor)
            for rows in stack.enter_context(closing(LocalEngine(predictor, recipe, options).rows(paths))):
                between()
                for path, row in rows:
                    place = places[path].pop()
                    self._keep(place, replace(row, path=self.files.name(place)))
                    (folder / str(place)).unlink(missing_ok=True)

    def _paths(self, folder: Path, places: dict[str, list[int]], predictor: BatchPredictor) -> Iterator[str]:
        """The files to decode, as the engine asks for them; what cannot even be reached gets its row here."""
        for place in range(self.files.total or 0):
            try:
                path = str(self.files.fetch(place, folder / str(place)))
            except (AudioError, LibraryError) as error:
                (folder / str(place)).unlink(missing_ok=True)
                self._keep(place, predictor.failed(self.files.name(place), RowError.of(error)))
                continue
            places.setdefault(path, []).append(place)
            yield path

    def _keep(self, place: int, row: Row) -> None:
        with self._lock:
            self._rows.append((place, row))
