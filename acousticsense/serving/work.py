"""What a server computes for one request, whose turn it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from acousticsense.analysis.compare import Comparison, analyses_of, compare_versions
from acousticsense.analysis.explain import Explanation, check_label, explanation_of
from acousticsense.analysis.members import Progress
from acousticsense.analysis.results import EnsembleResult, Timeline
from acousticsense.analysis.timeline import make_timeline
from acousticsense.audio.source import Source
from acousticsense.inference.answer import Analysis
from acousticsense.inference.answer_cache import AnswerCache, content_digest
from acousticsense.inference.classifier import GenreClassifier
from acousticsense.inference.decoding import StreamOpener
from acousticsense.inference.preprocess import PreparedClip
from acousticsense.serving.loading import LoadedModels
from acousticsense.serving.metrics import Metrics
from acousticsense.serving.requests import ClipRequest, EnsembleRequest, PredictRequest, TimelineRequest
from acousticsense.settings import Settings
from acousticsense.spectrogram.front_end import SpectrogramKind


class Work:
    """Each method takes the sound and a checked request; all raise what the classifier raises for bad audio."""

    def __init__(self, settings: Settings, models: LoadedModels, metrics: Metrics, opener: StreamOpener) -> None:
        self._opener = opener
        self._max_windows = settings.max_timeline_windows
        self._models = models
        self._metrics = metrics
        self._answers: AnswerCache[Analysis] = AnswerCache(settings.answer_cache_mb * 2**20)

    def predict(
        self, source: Source, request: PredictRequest, progress: Callable[[float, float], None] | None = None
    ) -> Analysis:
        """The answer, from memory when the same file was analysed under the same settings by the same model.

        `progress` is called before each pass, see `GenreClassifier.answer`.
        """
        started = time.perf_counter()
        classifier = self._classifier(request)
        digest = content_digest(source) if self._answers.is_on and not request.private else None
        asked = (digest, request.duration_s, request.offset_s)
        if digest and (known := self._answers.get((*asked, classifier.info))):
            return known.repeated(total_ms=1000 * (time.perf_counter() - started))
        analysis = classifier.analyse(
            source, duration_s=request.duration_s, offset_s=request.offset_s, progress=progress
        )
        self._metrics.timing(analysis.prediction.timing_ms)
        if digest:
            kept = analysis.without_channels()
            self._answers.put((*asked, analysis.prediction.model), kept, kept.n_bytes)
        return analysis

    def predict_together(
        self, source: Source, request: EnsembleRequest, report: Callable[[Progress], None] | None = None
    ) -> EnsembleResult:
        """What several models say; `report` is told how far each is."""
        return self._models.ensemble().predict(
            source,
            models=request.models,
            spectrogram=request.spectrogram,
            duration_s=request.duration_s,
            offset_s=request.offset_s,
            report=report,
        )

    def compare(self, versions: Sequence[Source], request: ClipRequest) -> tuple[Comparison, ...]:
        """What moved from the first version to each other one."""
        comparisons = compare_versions(
            self._classifier(request), versions, duration_s=request.duration_s, offset_s=request.offset_s
        )
        for analysis in analyses_of(comparisons).values():
            self._metrics.timing(analysis.prediction.timing_ms)
        return comparisons

    def render(self, source: Source, request: ClipRequest, kind: SpectrogramKind) -> PreparedClip:
        """The excerpt that a request names as an image of any kind."""
        classifier = self._models.classifier(request.model)
        return classifier.render(source, kind, duration_s=request.duration_s, offset_s=request.offset_s)

    def explain(self, source: Source, request: PredictRequest, label: str) -> Explanation:
        """Where the model looked for a label ("": its best one); raises what `explain.explain` raises."""
        classifier = self._classifier(request)
        check_label(classifier, label)
        return explanation_of(classifier, self.predict(source, request), label)

    def timeline(
        self, source: Source, request: TimelineRequest, progress: Callable[[float, float | None], None]
    ) -> Timeline:
        """Genre along a track; `progress` is called before each pass, see `make_timeline`."""
        return make_timeline(
            self._classifier(request),
            source,
            window_s=request.window_s,
            hop_s=request.hop_s,
            duration_s=request.duration_s,
            offset_s=request.offset_s,
            min_segment_s=request.min_segment_s,
            max_windows=self._max_windows,
            progress=progress,
            opener=self._opener,
        )

    def _classifier(self, request: ClipRequest | TimelineRequest) -> GenreClassifier:
        return self._models.classifier(request.model).for_spectrogram(request.spectrogram)
