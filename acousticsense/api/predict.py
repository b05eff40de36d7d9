"""`POST /api/predict`, and the spectrograms that its answers name."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.requests import Request

from acousticsense.api.context import ApiContext, language_of
from acousticsense.api.docs import ERRORS, clip_body, errors
from acousticsense.api.parsing import read_body
from acousticsense.api.responses import PredictResponse
from acousticsense.inference.payload import prediction_payload
from acousticsense.serving.requests import PredictRequest, parse

__all__ = ["predict_routes"]


def predict_routes(context: ApiContext) -> APIRouter:
    """The routes, with and without a slash at the end."""
    router, service = APIRouter(), context.service

    async def predict(request: Request) -> dict[str, Any]:
        """Predicts one audio file: genre probabilities, verdict, health notes and a link to the spectrogram."""
        service.refuse_if_full()
        body = await read_body(request, context.upload_dir)
        wanted = parse(PredictRequest, body.fields)
        analysis = await service.answer(lambda: service.work.predict(body.source, wanted))
        answer = prediction_payload(analysis.prediction, top_k=wanted.top_k, language=language_of(request))
        answer["mel_spectrogram_url"] = url = context.image_url(request, service.keep_image(analysis))
        if body.is_json:
            # Gradio 3 and 4 clients read `data`: the outputs of the page, a Label and an Image
            answer["data"] = [{"label": answer["prediction"][0]["label"], "confidences": answer["prediction"]}, url]
        return answer

    for path in ("/api/predict", "/api/predict/"):
        router.add_api_route(
            path,
            predict,
            methods=["POST"],
            response_model=PredictResponse,
            response_model_exclude_unset=True,
            responses=ERRORS,
            openapi_extra=clip_body(PredictRequest),
            include_in_schema=not path.endswith("/"),
        )

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
