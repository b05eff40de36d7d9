"""From an HTTP body to the sound and the fields beside it; `serving.requests.parse` makes a request of the fields."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fastapi.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from acousticsense.analysis.compare import VERSIONS
from acousticsense.api.middleware import FORM
from acousticsense.audio.source import Source
from acousticsense.errors import RequestError
from acousticsense.serving.uploads import uploaded_file

#: Fields beside the files that a form may have.
_MAX_FIELDS: Final = 20
#: Names under which a form may carry the file.
FILE_FIELDS: Final = ("data", "file", "audio")
#: "-" and "_" stand for "+" and "/" in base64 for addresses.
_STANDARD_ALPHABET: Final = str.maketrans("-_", "+/")


@dataclass(frozen=True)
class Body:
    """What a request carries.

    Attributes:
        fields: everything else, not checked yet.
        is_json: whether it came as JSON, as Gradio 3 and 4 clients send it.
    """

    source: Source
    fields: Mapping[str, Any]
    is_json: bool


async def read_body(request: Request, upload_dir: Path) -> Body:
    """The sound of a form or a JSON body.

    Args:
        request: whose body was not read yet.

    Raises:
        RequestError: there is no sound in it.
        AudioTooLargeError: it is larger than the server takes.
    """
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type == FORM:
        form = await _read_form(request)
        return Body(_file_of(form), _fields_of(form), is_json=False)
    if content_type == "application/json":
        fields = await run_in_threadpool(_read_json, await request.body())
        return Body(await run_in_threadpool(_from_json, fields["data"][0], upload_dir), fields, is_json=True)
    raise RequestError(
        f"The content type is {content_type or 'missing'}.",
        hint='Send multipart/form-data with the file in the field "data", or JSON.',
    )


async def read_versions(request: Request) -> tuple[list[Source], Mapping[str, Any]]:
    """The files "a", "b" and, if sent, "c" and "d" of a form, and its other fields; raises like `read_body`."""
    if not request.headers.get("content-type", "").lower().startswith(FORM):
        raise RequestError("The body is no form.", hint='Send multipart/form-data with the files "a" and "b".')
    form = await _read_form(request, max_files=len(VERSIONS))
    n_files = sum(isinstance(value, UploadFile) for value in form.values())
    names = [version.lower() for version in VERSIONS[: max(2, n_files)]]
    return [_version_of(form, name) for name in names], _fields_of(form)


def _read_json(content: bytes) -> Mapping[str, Any]:
    try:
        body = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"The body is not JSON: {error}.") from error
    if not isinstance(body, dict) or not isinstance(body.get("data"), list) or not body["data"]:
        raise RequestError('The JSON body has no "data" list.', hint='Send {"data": ["data:audio/mpeg;base64,..."]}.')
    return body


async def _read_form(request: Request, *, max_files: int = 1) -> FormData:
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
        raise RequestError(
            f'The form has no file "{name}".', hint='Put the versions in the fields "a", "b", "c" and "d".'
        )
    return upload.file


def _file_of(form: FormData) -> Source:
    for name in FILE_FIELDS:
        upload = form.get(name)
        if isinstance(upload, UploadFile):
            return upload.file
    raise RequestError(
        "The form has no file.", hint=f'Put it in the field "data" (also: {", ".join(FILE_FIELDS[1:])}).'
    )


def _from_json(value: object, upload_dir: Path) -> Source:
    """The sound in one element of `data`: a data URI, bare or as a member, or a file uploaded to Gradio before."""
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
    # Encoders break lines, write for addresses, and leave the padding out.
    joined = "".join(encoded.split()).translate(_STANDARD_ALPHABET).rstrip("=")
    try:
        return base64.b64decode(joined + "=" * (-len(joined) % 4), validate=True)
    except ValueError as error:  # binascii.Error is one
        raise RequestError(f"The data URI is not valid base64: {error}.") from error
