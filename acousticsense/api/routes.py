"""The REST face: JSON in, JSON out, on the same port as the page."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, cast

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from acousticsense import __version__
from acousticsense.analysis.compare import comparison_payload
from acousticsense.analysis.ensemble_payload import ensemble_payload
from acousticsense.analysis.exports import audacity_labels, timeline_csv
from acousticsense.analysis.members import Spectrograms
from acousticsense.analysis.payload import explanation_payload, timeline_payload
from acousticsense.analysis.results import Timeline
from acousticsense.api.schema import (
    COMPARE_BODY,
    COMPARE_RESPONSES,
    ENSEMBLE_BODY,
    ENSEMBLE_RESPONSES,
    EXPLAIN_BODY,
    EXPLAIN_RESPONSES,
    PREDICT_BODY,
    RESPONSES,
    TIMELINE_BODY,
    TIMELINE_RESPONSES,
)
from acousticsense.audio import Source
from acousticsense.errors import (
    AcousticSenseError,
    AudioDecodeError,
    AudioEmptyError,
    AudioError,
    AudioTooLargeError,
    DownloadError,
    OverloadError,
    RequestError,
    UnknownModelError,
    quoted,
)
from acousticsense.i18n.messages import preferred_language
from acousticsense.inference.payload import error_payload, prediction_payload
from acousticsense.serving.service import EnsembleRequest, PredictionService, Request, TimelineJob, TimelineRequest
from acousticsense.serving.uploads import uploaded_file
from acousticsense.spectrogram.front_end import SpectrogramKind

__all__ = ["HTTP_STATUS", "create_api", "models_payload"]

#: The status of each error; a class not named here takes its nearest ancestor's.
HTTP_STATUS: Final[dict[type[AcousticSenseError], int]] = {
    RequestError: 400,
    UnknownModelError: 404,
    AudioTooLargeError: 413,
    AudioDecodeError: 415,
    AudioError: 415,
    AudioEmptyError: 422,
    DownloadError: 502,
    OverloadError: 503,
    AcousticSenseError: 500,
}

#: Fields beside the files that a form may have.
_MAX_FIELDS: Final = 20
#: Names under which a multipart form may carry the file.
_FILE_FIELDS: Final = ("data", "file", "audio")
#: How often a request looks whether its timeline is there, and whether its client is.
_LOOK_EVERY_S: Final = 0.1
#: A finished timeline as a file: suffix -> media type and what writes it.
_TIMELINE_FILES: Final[dict[str, tuple[str, Callable[[Timeline], str]]]] = {
    "csv": ("text/csv", timeline_csv),
    "json": ("application/json", lambda timeline: json.dumps(timeline_payload(timeline), ensure_ascii=False)),
    "txt": ("text/plain", audacity_labels),
}
_FLAGS: Final = {"true": True, "1": True, "false": False, "0": False}
#: Base64 makes a file a third larger; the rest is room for other fields.
_BODY_PER_FILE_BYTE: Final = 1.4
#: Files in one body, where it is not one.
_FILES_AT: Final = {"/api/compare": 2}


def create_api(service: PredictionService, *, upload_dir: Path) -> FastAPI:
    """The application with every REST route.

    Args:
        service: what answers.
        upload_dir: where Gradio keeps uploads; a FileData body may only name files in it.
    """
    app = FastAPI(title="AcousticSense", version=__version__, docs_url=None, redoc_url=None)
    app.add_middleware(_BodyLimit, max_bytes=int(service.settings.max_upload_mb * 2**20 * _BODY_PER_FILE_BYTE))
    app.add_exception_handler(AcousticSenseError, _error_response)
    app.add_exception_handler(HTTPException, _http_error_response)
    app.add_exception_handler(ClientDisconnect, _no_response)
    app.add_exception_handler(Exception, _fault_response)
    _add_predict(app, service, upload_dir)
    _add_ensemble(app, service, upload_dir)
    _add_timeline(app, service, upload_dir)
    _add_compare(app, service)
    _add_explain(app, service, upload_dir)
    _add_catalogue(app, service)
    _add_operations(app, service)
    _add_rest(app)
    return app


def _add_predict(app: FastAPI, service: PredictionService, upload_dir: Path) -> None:
    async def predict(request: HttpRequest) -> JSONResponse:
        """Predicts one audio file: genre probabilities, verdict, health notes and a link to the spectrogram."""
        service.refuse_if_full()
        source, fields, is_json = await _read_request(request, upload_dir)
        wanted = _parse(fields)
        analysis = await run_in_threadpool(service.analyse, source, wanted)
        language = preferred_language(request.headers.get("accept-language"))
        body = prediction_payload(analysis.prediction, top_k=wanted.top_k, language=language)
        url = _image_url(service, request, service.keep_image(analysis))
        body["mel_spectrogram_url"] = url
        if is_json:
            # Gradio 3 and 4 clients read `data`: the outputs of the page, a Label and an Image
            body["data"] = [{"label": body["prediction"][0]["label"], "confidences": body["prediction"]}, url]
        return JSONResponse(body)

    for path in ("/api/predict", "/api/predict/"):
        app.add_api_route(
            path,
            predict,
            methods=["POST"],
            responses=RESPONSES,
            openapi_extra=PREDICT_BODY,
            include_in_schema=not path.endswith("/"),
        )

    @app.get("/api/spectrograms/{image_id}.png", response_class=Response)
    async def spectrogram(image_id: str) -> Response:
        """The spectrogram of an earlier answer, as a PNG; it expires."""
        png = await run_in_threadpool(service.images.get, image_id)
        if png is None:
            raise HTTPException(404, "There is no such image, or it has expired. Send the audio again.")
        return Response(png, media_type="image/png", headers={"Cache-Control": "private, max-age=3600"})


def _add_ensemble(app: FastAPI, service: PredictionService, upload_dir: Path) -> None:
    @app.post("/api/ensemble", responses=ENSEMBLE_RESPONSES, openapi_extra=ENSEMBLE_BODY)
    async def ensemble(request: HttpRequest) -> JSONResponse:
        """Asks several models about one audio file: a row for each and each image, and what they say together."""
        service.refuse_if_full()
        source, fields, _ = await _read_request(request, upload_dir)
        wanted = _parse_ensemble(fields)
        result = await run_in_threadpool(service.predict_together, source, wanted)
        language = preferred_language(request.headers.get("accept-language"))
        return JSONResponse(ensemble_payload(result, top_k=wanted.top_k, language=language))


def _add_timeline(app: FastAPI, service: PredictionService, upload_dir: Path) -> None:
    @app.post("/api/timeline", responses=TIMELINE_RESPONSES, openapi_extra=TIMELINE_BODY)
    async def timeline(request: HttpRequest) -> Response:
        """Predicts a track window by window; the work ends when the client goes away."""
        service.refuse_if_full(timelines=True)
        source, fields, _ = await _read_request(request, upload_dir)
        job = service.start_timeline(source, _parse_timeline(fields))
        if not await _is_awaited(job, request):
            return Response(status_code=499)  # nobody reads it
        made = job.result()
        files = f"{_base_url(service, request)}/api/timelines/{service.timelines.put(made)}"
        return JSONResponse({**timeline_payload(made), "files": {kind: f"{files}.{kind}" for kind in _TIMELINE_FILES}})

    @app.get("/api/timelines/{name}", response_class=Response)
    async def timeline_file(name: str) -> Response:
        """An earlier timeline as ID.csv (a row per window), ID.json or ID.txt (labels for Audacity); it expires."""
        timeline_id, _, kind = name.rpartition(".")
        made = service.timelines.get(timeline_id)
        if made is None or kind not in _TIMELINE_FILES:
            raise HTTPException(404, "There is no such timeline, or it has expired. Send the audio again.")
        media_type, write = _TIMELINE_FILES[kind]
        return Response(await run_in_threadpool(write, made), media_type=media_type)


async def _is_awaited(job: TimelineJob, request: HttpRequest) -> bool:
    """Waits for a job; False when the client goes away before, which ends it."""
    try:
        while not job.finished:
            if await request.is_disconnected():
                return False
            await asyncio.sleep(_LOOK_EVERY_S)
        return True
    finally:
        job.cancel()


def _base_url(service: PredictionService, request: HttpRequest) -> str:
    """Where the client reaches this server, without a slash at the end."""
    return (service.settings.public_url or str(request.base_url)).rstrip("/")


def _image_url(service: PredictionService, request: HttpRequest, image_id: str) -> str:
    """Where the client can fetch a image that is kept."""
    return f"{_base_url(service, request)}/api/spectrograms/{image_id}.png"


def _add_compare(app: FastAPI, service: PredictionService) -> None:
    @app.post("/api/compare", responses=COMPARE_RESPONSES, openapi_extra=COMPARE_BODY)
    async def compare(request: HttpRequest) -> JSONResponse:
        """Predicts two versions of a piece, "a" and "b", and says what moved from the first to the second."""
        service.refuse_if_full()
        if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
            raise RequestError("The body is no form.", hint='Send multipart/form-data with the files "a" and "b".')
        form = await _read_form(request, max_files=2)
        a, b = _version_of(form, "a"), _version_of(form, "b")
        wanted = _parse(_fields_of(form))
        comparison = await run_in_threadpool(service.compare, a, b, wanted)
        language = preferred_language(request.headers.get("accept-language"))
        body = comparison_payload(comparison, top_k=wanted.top_k, language=language)
        for name, analysis in (("a", comparison.a), ("b", comparison.b)):
            body[name]["mel_spectrogram_url"] = _image_url(service, request, service.keep_image(analysis))
        return JSONResponse(body)


def _add_explain(app: FastAPI, service: PredictionService, upload_dir: Path) -> None:
    @app.post("/api/explain", responses=EXPLAIN_RESPONSES, openapi_extra=EXPLAIN_BODY)
    async def explain(request: HttpRequest) -> JSONResponse:
        """Predicts one audio file and shows where the model looked for one label: a heat map over the spectrogram."""
        service.refuse_if_full()
        source, fields, _ = await _read_request(request, upload_dir)
        wanted = _parse(fields)
        explanation = await run_in_threadpool(service.explain, source, wanted, str(fields.get("label") or ""))
        body = explanation_payload(
            explanation.analysis.prediction,
            explanation.heatmap,
            top_k=wanted.top_k,
            language=preferred_language(request.headers.get("accept-language")),
        )
        body["heatmap_url"] = _image_url(service, request, service.keep_heatmap(explanation))
        return JSONResponse(body)


def _add_catalogue(app: FastAPI, service: PredictionService) -> None:
    @app.get("/api/models")
    def models() -> dict[str, Any]:
        """What is installed: labels, images, hashes, licence, provenance and measured figures."""
        return models_payload(service)


def models_payload(service: PredictionService) -> dict[str, Any]:
    """The response body of `/api/models`; a model that cannot be used carries its error."""
    rows: list[dict[str, Any]] = []
    for entry in service.models():
        if entry.spec is None:
            rows.append({"name": entry.name, "error": str(entry.error)})
            continue
        spec = entry.spec
        rows.append(
            {
                "name": spec.name,
                "architecture": spec.architecture,
                "spectrogram": spec.front_end.kind,
                "spectrograms": list(spec.kinds),
                "labels": list(spec.labels),
                "weights_sha256": spec.weights_sha256,
                "licence": spec.licence,
                "provenance": spec.provenance,
                "metrics": spec.metrics,
                "metrics_by_spectrogram": {kind: spec.for_spectrogram(kind).metrics for kind in spec.kinds},
            }
        )
    return {"models": rows}


def _add_operations(app: FastAPI, service: PredictionService) -> None:
    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        """The process is alive."""
        return {"status": "ok"}

    @app.get("/readyz")
    async def readyz() -> JSONResponse:
        """The default model is loaded and warm, and the queue has room."""
        reason = service.ready()
        if reason:
            return JSONResponse({"status": "not ready", "reason": reason}, 503, {"Retry-After": "2"})
        return JSONResponse({"status": "ready", "model": service.classifier("").spec.name})

    @app.get("/metrics", response_class=PlainTextResponse)
    def metrics() -> PlainTextResponse:
        """Counters in the Prometheus text format."""
        return PlainTextResponse(_prometheus(service), media_type="text/plain; version=0.0.4")


def _add_rest(app: FastAPI) -> None:
    """Answers for whatever else is asked below /api: the page, mounted at /, would answer in another form."""

    @app.api_route("/api/{path:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"], include_in_schema=False)
    async def unknown(request: HttpRequest) -> None:
        is_known = any(route.matches(request.scope)[0] is Match.PARTIAL for route in app.router.routes)
        raise HTTPException(405 if is_known else 404)


def _prometheus(service: PredictionService) -> str:
    counters = service.counters
    with counters.lock:
        failures = [
            f'acousticsense_errors_total{{code="{code}"}} {count}' for code, count in sorted(counters.failed.items())
        ]
        lines = [
            "# HELP acousticsense_predictions_total Clips answered.",
            "# TYPE acousticsense_predictions_total counter",
            f"acousticsense_predictions_total {counters.answered}",
            "# HELP acousticsense_prediction_seconds_total Seconds spent on answered clips, waiting included.",
            "# TYPE acousticsense_prediction_seconds_total counter",
            f"acousticsense_prediction_seconds_total {counters.seconds:.6f}",
            "# HELP acousticsense_timelines_total Timelines finished.",
            "# TYPE acousticsense_timelines_total counter",
            f"acousticsense_timelines_total {counters.timelines}",
            "# HELP acousticsense_batch_files_total Files of batches that have a row.",
            "# TYPE acousticsense_batch_files_total counter",
            f"acousticsense_batch_files_total {counters.batch_files}",
            "# HELP acousticsense_errors_total Requests that were read and then failed, by error code.",
            "# TYPE acousticsense_errors_total counter",
            *failures,
            "# HELP acousticsense_ready Whether the server answers requests.",
            "# TYPE acousticsense_ready gauge",
            f"acousticsense_ready {int(not service.ready())}",
        ]
    return "\n".join(lines) + "\n"


async def _read_request(request: HttpRequest, upload_dir: Path) -> tuple[Source, Mapping[str, Any], bool]:
    """The audio, the other fields, and whether the body was JSON."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type == "multipart/form-data":
        form = await _read_form(request)
        return _file_of(form), _fields_of(form), False
    if content_type == "application/json":
        try:
            body = await run_in_threadpool(json.loads, await request.body())
        except (ValueError, RecursionError) as error:
            raise RequestError(f"The body is not JSON: {error}.") from error
        if not isinstance(body, dict) or not isinstance(body.get("data"), list) or not body["data"]:
            raise RequestError(
                'The JSON body has no "data" list.', hint='Send {"data": ["data:audio/mpeg;base64,..."]}.'
            )
        return await run_in_threadpool(_from_json, body["data"][0], upload_dir), body, True
    raise RequestError(
        f"The content type is {content_type or 'missing'}.",
        hint='Send multipart/form-data with the file in the field "data", or JSON.',
    )


async def _read_form(request: HttpRequest, *, max_files: int = 1) -> FormData:
    try:
        return await request.form(max_files=max_files, max_fields=_MAX_FIELDS)
    except HTTPException as error:
        files = "one file" if max_files == 1 else f"{max_files} files"
        hint = f"Send {files} and at most {_MAX_FIELDS} short fields."
        raise RequestError(f"The form cannot be read: {error.detail}", hint=hint) from error


def _fields_of(form: FormData) -> Mapping[str, str]:
    return {key: value for key, value in form.items() if isinstance(value, str)}


def _version_of(form: FormData, name: str) -> Source:
    upload = form.get(name)
    if not isinstance(upload, UploadFile):
        raise RequestError(f'The form has no file "{name}".', hint='Put the two versions in the fields "a" and "b".')
    return upload.file


def _file_of(form: FormData) -> Source:
    for name in _FILE_FIELDS:
        upload = form.get(name)
        if isinstance(upload, UploadFile):
            return upload.file
    raise RequestError(
        "The form has no file.", hint=f'Put it in the field "data" (also: {", ".join(_FILE_FIELDS[1:])}).'
    )


def _from_json(value: object, upload_dir: Path) -> Source:
    """The audio in one element of `data`: a data URI, bare or as a member, or a file uploaded to Gradio before."""
    if isinstance(value, str):
        return _from_data_uri(value)
    if isinstance(value, dict):
        if isinstance(value.get("data"), str):
            return _from_data_uri(value["data"])
        if isinstance(value.get("path"), str):
            return uploaded_file(value["path"], upload_dir)
    raise RequestError(
        "The first element of data holds no audio.",
        hint='Send a "data:audio/...;base64,..." URI, {"name", "data": URI}, or a FileData with the path of an upload.',
    )


def _from_data_uri(uri: str) -> bytes:
    header, separator, encoded = uri.partition(",")
    if not header.startswith("data:") or not header.endswith(";base64") or not separator:
        raise RequestError("The audio is not a base64 data URI.", hint='It begins "data:audio/mpeg;base64,".')
    try:
        return base64.b64decode(encoded, validate=True)
    except ValueError as error:  # binascii.Error is one
        raise RequestError(f"The data URI is not valid base64: {error}.") from error


def _parse(fields: Mapping[str, Any]) -> Request:
    """The optional fields of a request."""
    duration_s = _number(fields, "duration_s", float)
    top_k = _number(fields, "top_k", int)
    return Request(
        model=str(fields.get("model") or ""),
        spectrogram=cast(SpectrogramKind, fields["spectrogram"]) if fields.get("spectrogram") else None,
        **({} if duration_s is None else {"duration_s": duration_s}),
        offset_s=_number(fields, "offset_s", float) or 0.0,
        top_k=Request.top_k if top_k is None else int(top_k),
        private=_flag(fields, "private"),
    )


def _parse_ensemble(fields: Mapping[str, Any]) -> EnsembleRequest:
    """As `_parse`; `models` is a comma list, or in JSON a list."""
    models = fields.get("models") or ""
    names = [str(name) for name in models] if isinstance(models, list) else str(models).split(",")
    duration_s = _number(fields, "duration_s", float)
    top_k = _number(fields, "top_k", int)
    return EnsembleRequest(
        models=tuple(name.strip() for name in names if name.strip()),
        spectrogram=cast(Spectrograms, fields.get("spectrogram") or "both"),
        duration_s=EnsembleRequest.duration_s if duration_s is None else duration_s,
        offset_s=_number(fields, "offset_s", float) or 0.0,
        top_k=EnsembleRequest.top_k if top_k is None else int(top_k),
    )


def _parse_timeline(fields: Mapping[str, Any]) -> TimelineRequest:
    """The optional fields of a request for a timeline."""
    return TimelineRequest(
        model=str(fields.get("model") or ""),
        spectrogram=cast(SpectrogramKind, fields["spectrogram"]) if fields.get("spectrogram") else None,
        window_s=_number(fields, "window_s", float),
        hop_s=_number(fields, "hop_s", float),
        duration_s=_number(fields, "duration_s", float),
        offset_s=_number(fields, "offset_s", float) or 0.0,
    )


def _flag(fields: Mapping[str, Any], name: str) -> bool:
    value = str(fields.get(name) or "false").lower()
    if value not in _FLAGS:
        raise RequestError(f"{name} is {fields[name]!r}.", hint="Send true or false.")
    return _FLAGS[value]


def _number(fields: Mapping[str, Any], name: str, kind: Callable[[Any], float]) -> float | None:
    value = fields.get(name)
    if value in (None, ""):
        return None
    try:
        return kind(str(value))  # so that 2.7 is no whole number and true is no number
    except (TypeError, ValueError, OverflowError) as error:
        raise RequestError(f"{name} is {quoted(value)}.", hint="Send a number.") from error


def _status_of(error: AcousticSenseError) -> int:
    return next(HTTP_STATUS[cls] for cls in type(error).__mro__ if cls in HTTP_STATUS)


def _error_response(_: HttpRequest, error: Exception) -> Response:
    if not isinstance(error, AcousticSenseError):
        raise error
    headers = {"Retry-After": str(error.retry_after_s)} if isinstance(error, OverloadError) else None
    return JSONResponse(error_payload(error), _status_of(error), headers)


def _http_error_response(_: HttpRequest, error: Exception) -> Response:
    """Routing errors (no such path, wrong method) in the same form as ours."""
    if not isinstance(error, HTTPException):
        raise error
    body = {"error": {"code": f"http_{error.status_code}", "message": str(error.detail), "hint": "See /docs."}}
    return JSONResponse(body, error.status_code, error.headers)


def _no_response(_: HttpRequest, __: Exception) -> Response:
    """Nobody reads it: the client went away in the middle of its upload."""
    return Response(status_code=499)


def _fault_response(_: HttpRequest, error: Exception) -> Response:
    """A fault of ours: logged by the server with its traceback, told without its inside."""
    hint = "Try again; if it stays, report it with the server's log."
    fault = {
        "code": "internal_error",
        "message": f"Something went wrong on the server ({type(error).__name__}).",
        "hint": hint,
    }
    return JSONResponse({"error": fault}, 500)


class _BodyLimit:
    """Stops reading an API request's body at `max_bytes`, whether or not it announced its length."""

    def __init__(self, app: ASGIApp, *, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/api/"):
            await self._app(scope, receive, send)
            return
        max_bytes = self._max_bytes * _FILES_AT.get(scope["path"].rstrip("/"), 1)
        read_bytes = 0

        async def limited() -> Message:
            nonlocal read_bytes
            message = await receive()
            read_bytes += len(message.get("body", b""))
            if read_bytes > max_bytes:
                raise AudioTooLargeError(
                    f"The request is larger than {max_bytes >> 20} MiB.",
                    hint="Send a shorter or compressed file.",
                )
            return message

        await self._app(scope, limited, send)
