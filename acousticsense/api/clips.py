"""The routes that take a clip or versions of one, and the drawings that their answers name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request

from acousticsense.analysis.compare import analyses_of
from acousticsense.analysis.compare_payload import comparison_payload
from acousticsense.analysis.ensemble_payload import ensemble_payload
from acousticsense.analysis.payload import explanation_payload
from acousticsense.api.docs import ERRORS, clip_body, errors, versions_body
from acousticsense.api.parsing import Body, read_body, read_versions
from acousticsense.api.responses import (
    CompareResponse,
    EnsembleResponse,
    ExplainResponse,
    PredictResponse,
    SimilarResponse,
)
from acousticsense.api.waiting import while_asked
from acousticsense.i18n.messages import preferred_language
from acousticsense.inference.payload import prediction_payload
from acousticsense.library.similar import similar_payload
from acousticsense.serving.requests import (
    AnyRequest,
    CompareRequest,
    EnsembleRequest,
    ExplainRequest,
    PredictRequest,
    SimilarRequest,
    parse,
)
from acousticsense.serving.service import PredictionService

Route = Callable[[Request], Awaitable[dict[str, Any]]]
R = TypeVar("R", bound=AnyRequest)
T = TypeVar("T")


def clip_routes(service: PredictionService, upload_dir: Path) -> APIRouter:
    """The routes; see `create_api`."""
    router = APIRouter()

    def post(
        path: str, answer: type[BaseModel], body: dict[str, Any], *, in_schema: bool = True
    ) -> Callable[[Route], Route]:
        return router.post(
            path,
            response_model=answer,
            response_model_exclude_unset=True,
            responses=ERRORS,
            openapi_extra=body,
            include_in_schema=in_schema,
        )

    async def read(request: Request, kind: type[R]) -> tuple[Body, R]:
        service.refuse_if_full()
        body = await read_body(request, upload_dir)
        return body, parse(kind, body.fields)

    async def computed(request: Request, work: Callable[[], T]) -> T:
        return await while_asked(request, service.answer(work))

    def image_url(request: Request, image_id: str) -> str:
        return service.image_url(str(request.base_url), image_id)

    @post("/api/predict", PredictResponse, clip_body(PredictRequest))
    @post("/api/predict/", PredictResponse, clip_body(PredictRequest), in_schema=False)
    async def predict(request: Request) -> dict[str, Any]:
        """Predicts one audio file: genre probabilities, verdict, health notes and a link to the spectrogram."""
        body, wanted = await read(request, PredictRequest)
        analysis = await computed(request, lambda: service.work.predict(body.source, wanted))
        answer = prediction_payload(analysis.prediction, top_k=wanted.top_k, language=_language(request))
        answer["mel_spectrogram_url"] = url = image_url(request, service.keep_image(analysis))
        if body.is_json:
            # Gradio 3 and 4 clients read `data`: the outputs of the page, a Label and an Image
            answer["data"] = [{"label": answer["prediction"][0]["label"], "confidences": answer["prediction"]}, url]
        return answer

    @post("/api/ensemble", EnsembleResponse, clip_body(EnsembleRequest))
    async def ensemble(request: Request) -> dict[str, Any]:
        """Asks several models about one audio file: a row for each and each image, and what they say together."""
        body, wanted = await read(request, EnsembleRequest)
        result = await computed(request, lambda: service.work.predict_together(body.source, wanted))
        return ensemble_payload(result, top_k=wanted.top_k, language=_language(request))

    @post("/api/compare", CompareResponse, versions_body(CompareRequest))
    async def compare(request: Request) -> dict[str, Any]:
        """Predicts two to four versions of a piece, "a" to "d", and says what moved from "a" to each other one."""
        service.refuse_if_full()
        versions, fields = await read_versions(request)
        wanted = parse(CompareRequest, fields)
        comparisons = await computed(request, lambda: service.work.compare(versions, wanted))
        answer = comparison_payload(*comparisons, top_k=wanted.top_k, language=_language(request))
        for name, analysis in analyses_of(comparisons).items():
            answer[name]["mel_spectrogram_url"] = image_url(request, service.keep_image(analysis))
        return answer

    @post("/api/explain", ExplainResponse, clip_body(ExplainRequest))
    async def explain(request: Request) -> dict[str, Any]:
        """Predicts one audio file and shows where the model looked for one label: a heat map over the spectrogram."""
        body, wanted = await read(request, ExplainRequest)
        explanation = await computed(request, lambda: service.work.explain(body.source, wanted, wanted.label))
        prediction, heatmap = explanation.analysis.prediction, explanation.heatmap
        answer = explanation_payload(prediction, heatmap, top_k=wanted.top_k, language=_language(request))
        answer["heatmap_url"] = image_url(request, service.keep_heatmap(explanation))
        return answer

    @post("/api/similar", SimilarResponse, clip_body(SimilarRequest))
    async def similar(request: Request) -> dict[str, Any]:
        """Finds the songs of the server's library that are nearest to one, by the features of the default model."""
        body, wanted = await read(request, SimilarRequest)
        return similar_payload(*await computed(request, lambda: service.neighbours.nearest(body.source, wanted.top_k)))

    @router.get(
        "/api/spectrograms/{image_id}.png",
        response_class=Response,
        responses={200: {"content": {"image/png": {}}}, **errors(404, _404="no such image, or it has expired")},
    )
    async def spectrogram(image_id: str) -> Response:
        """The spectrogram of an earlier answer, as a PNG; it expires."""
        png = await run_in_threadpool(service.images.get, image_id)
        if png is None:
            raise HTTPException(404, "There is no such image, or it has expired. Send the audio again.")
        return Response(png, media_type="image/png", headers={"Cache-Control": "private, max-age=3600"})

    return router


def _language(request: Request) -> str:
    """The language that a client prefers, "en" or "zh"."""
    return preferred_language(request.headers.get("accept-language"))
