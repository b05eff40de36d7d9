"""What the requests of a server share: loaded models, the queues in front of them and the results they leave."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from acousticsense.analysis.explain import Explanation
from acousticsense.analysis.figures import heatmap_drawing, spectrogram_drawing
from acousticsense.analysis.members import Progress
from acousticsense.analysis.results import EnsembleResult, Timeline
from acousticsense.audio.source import Source
from acousticsense.errors import OverloadError, RequestError
from acousticsense.inference.answer import Analysis
from acousticsense.inference.classifier import GenreClassifier
from acousticsense.inference.preprocess import PreparedClip
from acousticsense.library.batch import Batch
from acousticsense.library.copies import genres_to_write
from acousticsense.library.engine import EngineOptions
from acousticsense.library.uploads import BatchLimits, Upload
from acousticsense.serving.decoders import DecoderProcesses
from acousticsense.serving.finetuning import check_finetune, run_finetune
from acousticsense.serving.jobs import BatchJob, FinetuneJob, TagJob, TimelineJob, TrackJob
from acousticsense.serving.limits import ConcurrencyLimiter
from acousticsense.serving.loading import LoadedModels
from acousticsense.serving.metrics import Metrics
from acousticsense.serving.neighbours import Neighbours
from acousticsense.serving.queues import Queues, give_way
from acousticsense.serving.requests import ClipRequest, EnsembleRequest, PredictRequest, TimelineRequest
from acousticsense.serving.stores import ImageStore, ResultStore
from acousticsense.serving.tagging import run_tags
from acousticsense.serving.temporary import FilesInUse, UploadFolder
from acousticsense.serving.work import Work
from acousticsense.settings import Settings

#: Finished timelines that can be fetched as files; the largest takes some MiB.
_KEPT_TIMELINES: Final = 32
#: Batches whose rows can be fetched, those under way among them; the largest takes some MiB.
_KEPT_BATCHES: Final = 32
#: Images of a batch that are analysed at a time, by kind of device: what a prediction may have to wait for.
_BATCH_IMAGES: Final = {"cpu": 2, "cuda": 32}

T = TypeVar("T")


class PredictionService:
    """Answers requests in turn.

    Every method that computes raises AcousticSenseError: what the work raises, or OverloadError when too many wait.

    Attributes:
        work: the computations themselves, for `answer`.
        queues: where work waits for its turn.
        neighbours: the library that is searched for similar songs.
        images: drawings that can be fetched.
        batches: batches whose rows can be fetched.
        files_in_use: uploads that jobs still need.
        uploads: the room that uploads and what is made of them take.

    Args:
        upload_dir: where uploads lie; by default where Gradio puts them.
    """

    def __init__(self, settings: Settings, *, upload_dir: Path | None = None) -> None:
        self.settings = settings
        self._decoders = DecoderProcesses(timeout_s=settings.decode_timeout_s)
        self.files_in_use = FilesInUse()
        self.uploads = UploadFolder(
            upload_dir or Path(tempfile.gettempdir(), "gradio"),
            max_bytes=settings.max_temporary_mb * 2**20,
            in_use=self.files_in_use,
        )
        self.loaded = LoadedModels(settings, self._decoders.decode)
        self.catalog = self.loaded.catalog
        self._finetune: FinetuneJob | None = None
        self.metrics = Metrics(is_ready=lambda: not self.ready(), n_inside=lambda: self.queues.predictions.inside)
        self.queues = Queues(settings, self.metrics, self.files_in_use)
        self.work = Work(settings, self.loaded, self.metrics, self._decoders.stream)
        self.neighbours = Neighbours(settings, self.classifier)
        self.images = ImageStore(max_items=settings.max_pictures, ttl_s=settings.picture_ttl_s)
        self.timelines: ResultStore[Timeline] = ResultStore(max_items=_KEPT_TIMELINES, ttl_s=settings.picture_ttl_s)
        self.batches: ResultStore[BatchJob] = ResultStore(max_items=_KEPT_BATCHES, ttl_s=settings.picture_ttl_s)
        self._batch_limits = BatchLimits(
            max_files=settings.max_batch_files,
            max_file_bytes=settings.max_upload_mb * 2**20,
            max_unpacked_bytes=settings.max_batch_mb * 2**20,
        )

    # --- models

    def warm_up(self) -> None:
        """Loads the default model and answers once with it; a failure is kept for `ready`."""

        def answer_once() -> None:
            images = self.queues.predictions.submit(lambda: self.classifier("").warm_up()).result()
            spectrogram_drawing(images)()

        self.loaded.warm_up(answer_once)

    def ready(self) -> str:
        """Empty when requests will be answered, else the reason why not."""
        if self.loaded.problem:
            return self.loaded.problem
        try:
            self.queues.predictions.refuse_if_full()
        except OverloadError as error:
            return error.message
        return ""

    def stop(self) -> None:
        """Finishes what is being computed and refuses everything else, so that whoever waits is told at once."""
        self.queues.close()
        if self._finetune:
            self._finetune.cancel()
        self._decoders.close()

    def kill(self) -> None:
        """After `stop`: no longer waits for files that are being decoded."""
        self._decoders.kill()

    def classifier(self, name: str) -> GenreClassifier:
        """The classifier of an installed model; "" is the default. See `LoadedModels` for what it raises."""
        return self.loaded.classifier(name)

    # --- work in turn

    def refuse_if_full(self, *, timelines: bool = False) -> None:
        """Raises OverloadError before a body is read that could not be analysed anyway."""
        self.queues.counted((self.queues.timelines if timelines else self.queues.predictions).refuse_if_full)

    async def answer(self, work: Callable[[], T], *, is_answer: bool = True) -> T:
        """Does one request's work, in turn, and counts it; waiting takes no thread. See `Queues.submit`."""
        return await asyncio.wrap_future(self.queues.submit(work, is_answer=is_answer))

    def analyse(self, source: Source, request: PredictRequest) -> Analysis:
        """Answers one request, in turn."""
        return self.queues.submit(lambda: self.work.predict(source, request)).result()

    def start_answer(self, source: Source, request: PredictRequest) -> TrackJob[Analysis]:
        """Begins to answer one request, for somebody who watches and may give up."""
        job: TrackJob[Analysis] = TrackJob()
        work = self.queues.timed(lambda: self.work.predict(source, request, job.progress))
        self.queues.start(job, self.queues.predictions, work, [Path(source)] if isinstance(source, (str, Path)) else [])
        return job

    def predict_together(
        self, source: Source, request: EnsembleRequest, report: Callable[[Progress], None] | None = None
    ) -> EnsembleResult:
        """Answers one request to several models, in turn."""
        return self.queues.submit(lambda: self.work.predict_together(source, request, report)).result()

    def start_timeline(self, source: Source, request: TimelineRequest, *, unasked: bool = False) -> TimelineJob:
        """Begins a timeline; before each pass, predictions go first, and where nobody asked for it other timelines."""
        job = TimelineJob()
        limiter = self.queues.songs if unasked else self.queues.timelines
        ahead = (self.queues.predictions, self.queues.timelines) if unasked else (self.queues.predictions,)
        paths = [Path(source)] if isinstance(source, (str, Path)) else []
        self.queues.start(job, limiter, lambda: self._make_timeline(source, request, job, ahead), paths)
        return job

    def start_batch(self, uploads: Sequence[Upload], request: ClipRequest) -> BatchJob:
        """Begins to predict many files, decoded in processes of their own; before each pass, predictions go first.

        Raises:
            RequestError: these are too many files.
        """
        job = BatchJob(Batch(uploads, self._batch_limits), request)
        paths = [upload.path for upload in uploads]
        self.queues.start(job, self.queues.batches, lambda: self._predict_batch(request, job), paths)
        return job

    def start_tags(self, batch: BatchJob, accept: float | None, *, overwrite: bool, write: bool) -> TagJob:
        """Begins to plan genres for the files of a batch, or to write them into copies; see `library.copies`.

        What an earlier job made for this batch is removed.

        Args:
            accept: lowest confidence at which an answer is written; None writes what people said alone.
            overwrite: replace genres that are in the files.
            write: make the copies.

        Raises:
            RequestError: the files are still being analysed, or there is no genre to write.
        """
        self._refuse_unfinished(batch)
        genres = genres_to_write(batch.batch, accept)
        if not genres:
            raise RequestError(
                "There is no genre to write.",
                hint="Say from which confidence answers are accepted, or correct a genre.",
            )
        job = TagJob(len(genres), writes=write)
        work = partial(
            run_tags,
            job,
            batch.batch,
            genres,
            overwrite=overwrite,
            tag=self._decoders.tag,
            uploads=self.uploads,
            between=lambda: give_way(job, (self.queues.predictions,)),
        )
        self.queues.start(job, self.queues.batches, work, batch.batch.files.paths)
        if batch.tags:
            batch.tags.discard()
        batch.tags = job
        return job

    def start_finetune(self, batch: BatchJob, name: str) -> FinetuneJob:
        """Begins to make a model out of a batch's corrections, one at a time; see `finetuning`.

        Raises:
            OverloadError: one is being made already.
            RequestError: see `check_finetune`; or the files are still being analysed.
            CheckpointError: the folder of models cannot be written.
        """
        self._refuse_unfinished(batch)
        check_finetune(batch.batch, name, self.catalog, self.settings)
        if self.queues.finetuning.inside:
            raise OverloadError(
                "A model is being made on this server already.", hint="Try again when it is ready.", retry_after_s=60
            )
        job = FinetuneJob(name)
        work = partial(run_finetune, job, batch.batch, batch.request, settings=self.settings, uploads=self.uploads)
        self.queues.start(job, self.queues.finetuning, work, batch.batch.files.paths)
        batch.finetune = self._finetune = job
        return job

    @staticmethod
    def _refuse_unfinished(batch: BatchJob) -> None:
        if not batch.finished:
            raise RequestError("The files are still being analysed.", hint="Wait until they are done, or press Stop.")

    def _make_timeline(
        self, source: Source, request: TimelineRequest, job: TimelineJob, ahead: Sequence[ConcurrencyLimiter]
    ) -> Timeline:
        def before_pass(done_s: float, expected_s: float | None) -> None:
            job.progress(done_s, expected_s)
            give_way(job, ahead)

        timeline = self.work.timeline(source, request, before_pass)
        self.metrics.timeline()
        return timeline

    def _predict_batch(self, request: ClipRequest, job: BatchJob) -> None:
        try:
            classifier = self.classifier(request.model).for_spectrogram(request.spectrogram)
            job.batch.predict(
                classifier,
                classifier.recipe(duration_s=request.duration_s, offset_s=request.offset_s),
                EngineOptions(
                    workers=self.settings.batch_workers,
                    batch=_BATCH_IMAGES.get(classifier.device.type, _BATCH_IMAGES["cpu"]),
                ),
                lambda: give_way(job, (self.queues.predictions,)),
            )
        finally:
            self.metrics.batch(job.batch.done)

    # --- results that can be fetched

    def keep_image(self, clip: Analysis | PreparedClip) -> str:
        """Keeps the clip's spectrogram for a later request and returns its id."""
        return self.images.put(spectrogram_drawing(clip.images, offset_s=clip.audio.info.offset_s))

    def base_url(self, asked_at: str) -> str:
        """Where clients reach this server, without a slash at the end: as the settings say, or where one asked."""
        return (self.settings.public_url or asked_at).rstrip("/")

    def image_url(self, asked_at: str, image_id: str) -> str:
        """Where a client that asked at `asked_at` can fetch an image that is kept."""
        return f"{self.base_url(asked_at)}/api/spectrograms/{image_id}.png"

    def keep_heatmap(self, explanation: Explanation) -> str:
        """Keeps the heat map over the clip's spectrogram for a later request and returns its id."""
        analysis = explanation.analysis
        offset_s = analysis.prediction.clip.offset_s
        return self.images.put(heatmap_drawing(analysis.images, explanation.heatmap, offset_s=offset_s))
