"""What the panels above the rows of the tab "Library" ask for: tags in copies of the files, and models of one's own."""

from __future__ import annotations

from typing import Annotated

from fastapi import Body, FastAPI, HTTPException, Request
from fastapi.responses import FileResponse, HTMLResponse, Response

from acousticsense.errors import AcousticSenseError
from acousticsense.serving.http_errors import status_of
from acousticsense.serving.service import PredictionService
from acousticsense.web.finetune_view import finetune_html
from acousticsense.web.html import render
from acousticsense.web.language import language_of
from acousticsense.web.library_routes import job_of, threshold_of
from acousticsense.web.message_view import trouble_of
from acousticsense.web.tags_view import tags_html


def add_panel_routes(app: FastAPI, service: PredictionService) -> None:
    """Adds the routes, which answer with what stands in the panel."""

    @app.post("/library/{job_id}/tags", include_in_schema=False)
    def begin_tags(
        request: Request,
        job_id: str,
        accept: Annotated[str, Body(max_length=20)] = "",
        overwrite: Annotated[bool, Body()] = False,
        write: Annotated[bool, Body()] = False,
    ) -> HTMLResponse:
        try:
            service.start_tags(job_of(service, job_id), threshold_of(accept), overwrite=overwrite, write=write)
        except AcousticSenseError as error:
            return _refused(error, language_of(request))
        return tags(request, job_id)

    @app.get("/library/{job_id}/tags", include_in_schema=False)
    def tags(request: Request, job_id: str) -> HTMLResponse:
        job = job_of(service, job_id).tags
        service.batches.renew(job_id)
        return HTMLResponse(tags_html(job, f"library/{job_id}/tagged.zip", language_of(request)) if job else "")

    @app.delete("/library/{job_id}/tags", include_in_schema=False)
    def stop_tags(job_id: str) -> Response:
        if job := job_of(service, job_id).tags:
            job.cancel()
        return Response(status_code=204)

    @app.get("/library/{job_id}/tagged.zip", include_in_schema=False)
    def tagged_zip(job_id: str) -> FileResponse:
        job = job_of(service, job_id).tags
        if job is None or job.zip is None or not job.zip.is_file():
            raise HTTPException(404, "There are no tagged copies (any more). Make them again.")
        return FileResponse(job.zip, media_type="application/zip", filename="tagged.zip")

    @app.post("/library/{job_id}/finetune", include_in_schema=False)
    def begin_finetune(
        request: Request, job_id: str, name: Annotated[str, Body(embed=True, max_length=200)]
    ) -> HTMLResponse:
        try:
            service.start_finetune(job_of(service, job_id), name.strip())
        except AcousticSenseError as error:
            return _refused(error, language_of(request))
        return told_finetune(request, job_id)

    @app.get("/library/{job_id}/finetune", include_in_schema=False)
    def told_finetune(request: Request, job_id: str) -> HTMLResponse:
        job = job_of(service, job_id).finetune
        service.batches.renew(job_id)
        return HTMLResponse(finetune_html(job, language_of(request)) if job else "")

    @app.delete("/library/{job_id}/finetune", include_in_schema=False)
    def stop_finetune(job_id: str) -> Response:
        if job := job_of(service, job_id).finetune:
            job.cancel()
        return Response(status_code=204)


def _refused(error: AcousticSenseError, language: str) -> HTMLResponse:
    trouble = trouble_of(error, language)
    return HTMLResponse(render("panel_trouble.html", language, trouble=trouble), status_of(error))
