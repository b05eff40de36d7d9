"""Folders on the Hugging Face hub and on ModelScope: what lies in them, and files brought from them, whole."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlencode

from filelock import FileLock
from huggingface_hub import HfApi, get_session, hf_hub_download, hf_raise_for_status, scan_cache_dir
from huggingface_hub.errors import CacheNotFound
from huggingface_hub.file_download import http_get

from acousticsense.errors import DownloadError
from acousticsense.files import sha256_of

_TIMEOUT_S: Final = 30.0


@dataclass(frozen=True, kw_only=True)
class RemoteFolder:
    """A folder of a repository.

    Attributes:
        hub: "hf" is Hugging Face, "ms" ModelScope.
        endpoint: address of the hub or of a mirror.
        repository: "owner/name".
        path: of the folder in the repository; empty is its top.
        cache: where on this disk files of the hub are kept.
    """

    hub: Literal["hf", "ms"]
    endpoint: str
    repository: str
    path: str
    cache: Path

    @property
    def url(self) -> str:
        """Where people look at the repository."""
        return f"{self.endpoint}/{'models/' if self.hub == 'ms' else ''}{self.repository}"

    def modelscope_url(self, query: str, **parameters: str) -> str:
        """One of the two URLs of ModelScope's API."""
        parameters = {"Revision": "master", **parameters}
        return f"{self.endpoint}/api/v1/models/{self.repository}/{query}?{urlencode(parameters)}"


@dataclass(frozen=True)
class RemoteFile:
    """A file in a repository: its path and version there, and its SHA-256 in hex where the hub tells it."""

    path: str
    revision: str
    sha256: str | None


def list_files(folder: RemoteFolder) -> dict[str, RemoteFile]:
    """The files directly in a folder by name, in their newest version.

    Raises:
        HTTPError: of huggingface_hub's client.
        LookupError, TypeError, ValueError: the hub answers with something else.
    """
    if folder.hub == "hf":
        info = HfApi(folder.endpoint).model_info(folder.repository, files_metadata=True, timeout=_TIMEOUT_S)
        found = [
            RemoteFile(entry.rfilename, info.sha or "main", entry.lfs.sha256 if entry.lfs else None)
            for entry in info.siblings or ()
        ]
    else:
        answer = get_session().get(folder.modelscope_url("repo/files", Root=folder.path), timeout=_TIMEOUT_S)
        hf_raise_for_status(answer)
        rows = answer.json()["Data"]["Files"]
        found = [RemoteFile(row["Path"], "", row.get("Sha256") or None) for row in rows if row["Type"] != "tree"]
    return {name: file for file in found for parent, _, name in [file.path.rpartition("/")] if parent == folder.path}


def bring(file: RemoteFile, folder: RemoteFolder) -> Path:
    """A file on this disk, resumed where an earlier try broke off.

    Raises:
        DownloadError: it arrived damaged, and was thrown away.
        HTTPError: of huggingface_hub's client.
        OSError: the disk says no.
    """
    if folder.hub == "ms":
        return _bring_from_modelscope(file, folder)
    path = hf_hub_download(
        folder.repository, file.path, revision=file.revision, cache_dir=folder.cache, endpoint=folder.endpoint
    )
    return _checked(Path(path), file)


def _bring_from_modelscope(file: RemoteFile, folder: RemoteFolder) -> Path:
    path = folder.cache / folder.repository / file.path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{file.sha256}.part")
    with FileLock(path.with_name(f".{path.name}.lock")):
        if not (path.is_file() and file.sha256 in (None, sha256_of(path))):
            if not (part.is_file() and file.sha256 == sha256_of(part)):  # it may be whole, and only not renamed
                with part.open("ab") as sink:
                    http_get(folder.modelscope_url("repo", FilePath=file.path), sink, resume_size=sink.tell())
            _checked(part, file).replace(path)
    return path


def _checked(path: Path, file: RemoteFile) -> Path:
    found = sha256_of(path)
    if file.sha256 in (None, found):
        return path
    path.resolve().unlink()  # a link's target, where the cache has links
    path.unlink(missing_ok=True)
    raise DownloadError(
        f"{file.path} arrived damaged: expected SHA-256 {file.sha256}, got {found}.", hint="Try again, or a mirror."
    )


def earlier_copies(folder: RemoteFolder) -> list[Path]:
    """Where versions of the folder lie of which files were brought earlier, the newest first."""
    if folder.hub == "ms":
        return [folder.cache / folder.repository / folder.path]
    try:
        found = [entry for entry in scan_cache_dir(folder.cache).repos if entry.repo_id == folder.repository]
    except (CacheNotFound, ValueError):
        return []
    versions = [version for entry in found for version in entry.revisions]
    return [entry.snapshot_path / folder.path for entry in sorted(versions, key=lambda entry: -entry.last_modified)]
