from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
import torch
from torch import nn

from acousticsense.errors import DownloadError
from acousticsense.models.catalog import Catalog, resolve
from acousticsense.models.hub import fetch, is_hub_reference
from acousticsense.models.load import load_resolved
from acousticsense.spectrogram.front_end import upstream_front_end
from tests.torchvision_networks import logits, state_dict, torchvision_network

REPOSITORY = "ccmusic-database/music_genre"
FOLDER = "mobilenet_v3_small_cqt"


class StandInHub(ThreadingHTTPServer):
    """Speaks as much of both hubs' public HTTP as a download needs, and misbehaves on request.

    Attributes:
        files: path in the repository -> content.
        break_offs: how many of the next transfers end in the middle; then `status_afterwards` is the status.
        damage: served content differs from the listed one.
        listed: whether listings tell SHA-256.
        ranges: whether transfers can be resumed.
        token: without it the repository is "private" or "gated"; None is open to all.
        requests: (path, Range header) of all that was asked.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.break_offs = 0
        self.damage = False
        self.listed = True
        self.ranges = True
        self.status = 200
        self.status_afterwards = 200
        self.token: str | None = None
        self.guard: Literal["private", "gated"] = "private"
        self.requests: list[tuple[str, str | None]] = []

    @property
    def environ(self) -> dict[str, str]:
        url = f"http://127.0.0.1:{self.server_port}"
        return {"HF_ENDPOINT": url, "MODELSCOPE_ENDPOINT": f"{url}/"}

    @property
    def commit(self) -> str:
        """Changes with the files."""
        told = sorted((path, len(content), content[:64]) for path, content in self.files.items())
        return hashlib.sha1(repr(told).encode()).hexdigest()

    def transfers(self) -> list[str | None]:
        """Range headers of the requests for file contents, in order."""
        return [asked for path, asked in self.requests if path.startswith("/cdn/")]


class _Handler(BaseHTTPRequestHandler):
    server: StandInHub

    def log_message(self, *_: object) -> None:
        """Silence."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        path, query = unquote(url.path), parse_qs(url.query)
        self.server.requests.append((path, self.headers.get("Range")))
        resolved = f"/{REPOSITORY}/resolve/{self.server.commit}/"
        if self.server.status != 200:
            self._refuse(self.server.status)
        elif path.startswith("/cdn/"):
            self._transfer(path.removeprefix("/cdn/"))
        elif path == f"/api/models/{REPOSITORY}" and not self._is_closed("private"):
            self._list_hf()
        elif path.startswith(resolved) and not self._is_closed("gated"):
            self._redirect(path.removeprefix(resolved))
        elif path == f"/api/v1/models/{REPOSITORY}/repo/files":
            self._list_modelscope(query.get("Root", [""])[0])
        elif path == f"/api/v1/models/{REPOSITORY}/repo":
            self._redirect(query["FilePath"][0])
        elif path.startswith(resolved):
            self._refuse(403, "GatedRepo")
        else:
            self._refuse(401 if path.startswith("/api/models/") else 404, "RepoNotFound")

    def _is_closed(self, guard: str) -> bool:
        known = self.headers.get("Authorization") == f"Bearer {self.server.token}"
        return self.server.token is not None and self.server.guard == guard and not known

    def _refuse(self, status: int, code: str = "") -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _list_hf(self) -> None:
        rows: list[dict[str, object]] = [{"rfilename": f"{FOLDER}/logs/a.log"}]
        for path, content in self.server.files.items():
            lfs = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 100}
            told = {"size": len(content), "lfs": lfs} if self.server.listed else {}
            rows.append({"rfilename": path, "blobId": "0" * 40, **told})
        self._json({"id": REPOSITORY, "sha": self.server.commit, "siblings": rows})

    def _list_modelscope(self, folder: str) -> None:
        rows: list[dict[str, object]] = [{"Type": "tree", "Path": f"{folder}/logs", "Name": "logs"}]
        for path, content in self.server.files.items():
            if path.rpartition("/")[0] == folder:
                told = {"Size": len(content), "Sha256": hashlib.sha256(content).hexdigest()}
                rows.append({"Type": "blob", "Path": path, "Name": path.rpartition("/")[2], **told})
        self._json({"Code": 200, "Success": True, "Data": {"Files": rows}})

    def _json(self, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _redirect(self, path: str) -> None:
        if path not in self.server.files:
            self._refuse(404, "EntryNotFound")
            return
        content = self.server.files[path]
        if self.command == "HEAD":
            self.send_response(200)
        else:
            self.send_response(302)
            self.send_header("Location", f"/cdn/{path}")
        self.send_header("X-Repo-Commit", self.server.commit)
        self.send_header("X-Linked-Etag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Linked-Size", str(len(content)))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _transfer(self, path: str) -> None:
        content = self.server.files[path]
        if self.server.damage:
            content = content[:-1] + bytes([content[-1] ^ 1])
        asked = self.headers.get("Range")
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and self.server.ranges else 0
        body = content[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.server.break_offs:
            self.server.break_offs -= 1
            self.server.status = self.server.status_afterwards
            body = body[: len(body) // 2]
        if self.command == "GET":
            self.wfile.write(body)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInHub]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with StandInHub() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def content(hub: StandInHub) -> bytes:
    """Bytes served as the folder's save.pt; fetching does not look inside."""
    hub.files[f"{FOLDER}/save.pt"] = bytes(range(256)) * 1000
    return hub.files[f"{FOLDER}/save.pt"]


def test_what_is_a_hub_reference() -> None:
    assert is_hub_reference("hf:owner/repo")
    assert is_hub_reference("ms:owner/repo/folder")
    assert not any(is_hub_reference(text) for text in ["vit_b_16_mel", "C:/models/x", "hf", "ftp:owner/repo"])


@pytest.mark.parametrize("scheme", ["hf", "ms"])
def test_a_folder_is_fetched(scheme: str, hub: StandInHub, content: bytes, tmp_path: Path) -> None:
    hub.files[f"{FOLDER}/training.log"] = b"not needed"
    folder = fetch(f"{scheme}:{REPOSITORY}/{FOLDER}", cache_dir=tmp_path, environ=hub.environ)
    assert folder.is_relative_to(tmp_path / scheme)
    assert folder.name == FOLDER
    assert (folder / "save.pt").read_bytes() == content
    assert not (folder / "training.log").exists()
    assert len(hub.transfers()) == 1


@pytest.mark.parametrize("scheme", ["hf", "ms"])
def test_a_named_file_is_fetched(scheme: str, hub: StandInHub, content: bytes, tmp_path: Path) -> None:
    file = fetch(f"{scheme}:{REPOSITORY}/{FOLDER}/save.pt", cache_dir=tmp_path, environ=hub.environ)
    assert file.name == "save.pt"
    assert file.read_bytes() == content


def test_a_model_of_ours_is_fetched_with_its_description(hub: StandInHub, tiny_models: Path, tmp_path: Path) -> None:
    for file in (tiny_models / "tiny").iterdir():
        hub.files[file.name] = file.read_bytes()
    hub.files["other.pt"] = b"an older version"
    folder = fetch(f"hf:{REPOSITORY}", cache_dir=tmp_path, environ=hub.environ)
    assert (folder / "model.json").is_file()
    assert (folder / "model.safetensors").is_file()
    assert not (folder / "other.pt").exists()


def test_upstreams_model_by_its_id_gives_upstreams_logits(
    hub: StandInHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs: nn.Module = torchvision_network("mobilenet_v3_small")
    torch.save(state_dict(theirs), tmp_path / "save.pt")
    hub.files[f"{FOLDER}/save.pt"] = (tmp_path / "save.pt").read_bytes()
    monkeypatch.setenv("HF_ENDPOINT", hub.environ["HF_ENDPOINT"])
    found = resolve(f"hf:{REPOSITORY}/{FOLDER}", Catalog(tmp_path / "models"), cache_dir=tmp_path / "cache")
    network, spec = load_resolved(found)
    assert (logits(network, 224) - logits(theirs, 224)).abs().max() < 1e-4
    assert (spec.name, spec.front_end) == (FOLDER, upstream_front_end("cqt"))
    assert spec.provenance.startswith(f"fetched from hf:{REPOSITORY}/{FOLDER}")


class TestCache:
    def test_what_is_there_is_not_transferred_again(self, hub: StandInHub, content: bytes, tmp_path: Path) -> None:
        for _ in range(2):
            folder = fetch(f"hf:{REPOSITORY}/{FOLDER}", cache_dir=tmp_path, environ=hub.environ)
        assert (folder / "save.pt").read_bytes() == content
        assert len(hub.transfers()) == 1

    def test_a_file_that_was_only_not_renamed_is_taken(self, hub: StandInHub, content: bytes, tmp_path: Path) -> None:
        folder = tmp_path / "ms" / REPOSITORY / FOLDER
        folder.mkdir(parents=True)
        (folder / f".save.pt.{hashlib.sha256(content).hexdigest()}.part").write_bytes(content)
        assert (fetch(f"ms:{REPOSITORY}/{FOLDER}", cache_dir=tmp_path, environ=hub.environ) / "save.pt").is_file()
        assert hub.transfers() == []

    def test_a_new_version_of_the_same_size_is_noticed(self, hub: StandInHub, content: bytes, tmp_path: Path) -> None:
        fetch(f"hf:{REPOSITORY}/{FOLDER}", cache_dir=tmp_path, environ=hub.environ)
        hub.files[f"{FOLDER}/save.pt"] = content[::-1]
        folder = fetch(f"hf:{REPOSITORY}/{FOLDER}", cache_dir=tmp_path, environ=hub.environ)
        assert (folder / "save.pt").read_bytes() == content[::-1]

    @pytest.mark.parametrize("suffix", ["", "/save.pt"])
    @pytest.mark.usefixtures("content")
    def test_out_of_reach_the_earlier_download_serves(
        self, suffix: str, hub: StandInHub, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        reference = f"hf:{REPOSITORY}/{FOLDER}{suffix}"
        first = fetch(reference, cache_dir=tmp_path, environ=hub.environ)
        hub.status = 503
        assert fetch(reference, cache_dir=tmp_path, environ=hub.environ) == first
        assert "The copy fetched earlier is used" in caplog.text

    @pytest.mark.parametrize("scheme", ["hf", "ms"])
    @pytest.mark.usefixtures("content")
    def test_offline_no_hub_is_asked(self, scheme: str, hub: StandInHub, tmp_path: Path) -> None:
        """huggingface_hub reads the variable when it is imported, so this takes a process of its own."""
        code = f"""
import sys
from pathlib import Path
from acousticsense.models.hub import fetch
print(fetch("{scheme}:{REPOSITORY}/{FOLDER}", cache_dir=Path(sys.argv[1])))
"""

        def run() -> subprocess.CompletedProcess[str]:
            environ = {**os.environ, **hub.environ, "HF_HUB_OFFLINE": "1"}
            command = [sys.executable, "-c", code, str(tmp_path)]
            return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)

        refused = run()
        assert f"HF_HUB_OFFLINE is set, and {scheme}:{REPOSITORY}/{FOLDER} was not fetched before" in refused.stderr
        assert hub.requests == []
        folder = fetch(f"{scheme}:{REPOSITORY}/{FOLDER}", cache_dir=tmp_path, environ=hub.environ)
        hub.requests.clear()
        assert run().stdout.strip() == str(folder)
        assert hub.requests == []

    @pytest.mark.usefixtures("content")
    def test_a_half_fetched_version_does_not_hide_the_whole_one(
        self, hub: StandInHub, tiny_models: Path, tmp_path: Path
    ) -> None:
        for file in (tiny_models / "tiny").iterdir():
            hub.files[file.name] = file.read_bytes()
        first = fetch(f"hf:{REPOSITORY}", cache_dir=tmp_path, environ=hub.environ)
        hub.files["model.json"] += b" "
        hub.files["model.safetensors"] += b" "
        hub.damage = True
        assert fetch(f"hf:{REPOSITORY}", cache_dir=tmp_path, environ=hub.environ) == first


@pytest.mark.parametrize("scheme", ["hf", "ms"])
class TestInterruptions:
    """huggingface_hub writes in steps of 10 MB, from which it resumes."""

    STEP = 10 * 2**20

    @pytest.fixture
    def large(self, hub: StandInHub) -> bytes:
        hub.files[f"{FOLDER}/save.pt"] = bytes(range(256)) * (self.STEP // 256 * 3)
        return hub.files[f"{FOLDER}/save.pt"]

    def test_a_transfer_that_breaks_off_is_resumed(
        self, scheme: str, hub: StandInHub, large: bytes, tmp_path: Path
    ) -> None:
        hub.break_offs = 1
        folder = fetch(f"{scheme}:{REPOSITORY}/{FOLDER}", cache_dir=tmp_path, environ=hub.environ)
        assert (folder / "save.pt").read_bytes() == large
        assert hub.transfers() == [None, f"bytes={self.STEP}-"]

    def test_a_later_try_ends_what_an_earlier_one_began(
        self, scheme: str, hub: StandInHub, large: bytes, tmp_path: Path
    ) -> None:
        hub.break_offs, hub.status_afterwards = 1, 500
        with pytest.raises(DownloadError, match="answered 500"):
            fetch(f"{scheme}:{REPOSITORY}/{FOLDER}", cache_dir=tmp_path, environ=hub.environ)
        assert not list(tmp_path.rglob("save.pt"))
        hub.status = 200
        folder = fetch(f"{scheme}:{REPOSITORY}/{FOLDER}", cache_dir=tmp_path, environ=hub.environ)
        assert (folder / "save.pt").read_bytes() == large
        # huggingface_hub begins anew
        assert hub.transfers()[-1] == (f"bytes={self.STEP}-" if scheme == "ms" else None)

    def test_a_server_that_cannot_resume_sends_the_whole(
        self, scheme: str, hub: StandInHub, large: bytes, tmp_path: Path
    ) -> None:
        hub.break_offs, hub.ranges = 1, False
        folder = fetch(f"{scheme}:{REPOSITORY}/{FOLDER}", cache_dir=tmp_path, environ=hub.environ)
        assert (folder / "save.pt").read_bytes() == large


class TestErrors:
    def test_damaged_content_is_refused_and_not_kept(self, hub: StandInHub, content: bytes, tmp_path: Path) -> None:
        hub.damage = True
        expected = hashlib.sha256(content).hexdigest()
        with pytest.raises(DownloadError, match=f"arrived damaged: expected SHA-256 {expected}"):
            fetch(f"hf:{REPOSITORY}/{FOLDER}", cache_dir=tmp_path, environ=hub.environ)
        folder = tmp_path / "hf" / REPOSITORY / FOLDER
        assert not list(folder.glob("save.pt*[!k]"))

    @pytest.mark.usefixtures("content")
    @pytest.mark.parametrize("scheme", ["hf", "ms"])
    def test_a_folder_that_is_not_there(self, scheme: str, hub: StandInHub, tmp_path: Path) -> None:
        with pytest.raises(DownloadError, match="no weights at nothing that can be told apart: it has nothing there"):
            fetch(f"{scheme}:{REPOSITORY}/nothing", cache_dir=tmp_path, environ=hub.environ)

    @pytest.mark.parametrize(("scheme", "status"), [("hf", 401), ("ms", 404)])
    def test_a_repository_that_is_not_there(self, scheme: str, status: int, hub: StandInHub, tmp_path: Path) -> None:
        with pytest.raises(DownloadError, match=rf"no/such is not there, or is private \({status}\)"):
            fetch(f"{scheme}:no/such", cache_dir=tmp_path, environ=hub.environ)

    @pytest.mark.usefixtures("content")
    @pytest.mark.parametrize(
        ("guard", "told"), [("private", r"is private \(401\)"), ("gated", "is gated.*Agree at http")]
    )
    def test_closed_repositories_open_to_a_token(
        self,
        guard: Literal["private", "gated"],
        told: str,
        hub: StandInHub,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        hub.token, hub.guard = "hf_secret", guard
        monkeypatch.delenv("HF_TOKEN", raising=False)
        with pytest.raises(DownloadError, match=f"{told}.*HF_TOKEN"):
            fetch(f"hf:{REPOSITORY}/{FOLDER}", cache_dir=tmp_path, environ=hub.environ)
        monkeypatch.setenv("HF_TOKEN", "hf_secret")
        assert fetch(f"hf:{REPOSITORY}/{FOLDER}", cache_dir=tmp_path, environ=hub.environ).name == FOLDER

    @pytest.mark.usefixtures("content")
    def test_a_file_that_is_not_there_lists_what_is(self, hub: StandInHub, tmp_path: Path) -> None:
        with pytest.raises(DownloadError, match=r"no file 'best\.pt'\. There are: save\.pt"):
            fetch(f"hf:{REPOSITORY}/{FOLDER}/best.pt", cache_dir=tmp_path, environ=hub.environ)

    def test_several_weights_must_be_told_apart(self, hub: StandInHub, tmp_path: Path) -> None:
        hub.files |= {"x/a.pt": b"a", "x/b.pt": b"b"}
        with pytest.raises(DownloadError, match=r"a\.pt, b\.pt.*Name the file"):
            fetch(f"hf:{REPOSITORY}/x", cache_dir=tmp_path, environ=hub.environ)

    def test_a_server_in_trouble(self, hub: StandInHub, tmp_path: Path) -> None:
        hub.status = 500
        with pytest.raises(DownloadError, match="answered 500"):
            fetch(f"hf:{REPOSITORY}/{FOLDER}", cache_dir=tmp_path, environ=hub.environ)

    @pytest.mark.usefixtures("content")
    def test_an_endpoint_that_is_something_else(self, hub: StandInHub, tmp_path: Path) -> None:
        endpoint = f"{hub.environ['HF_ENDPOINT']}/cdn/{FOLDER}/save.pt?"
        with pytest.raises(DownloadError, match="did not answer as a hub does"):
            fetch(f"hf:{REPOSITORY}/{FOLDER}", cache_dir=tmp_path, environ={"HF_ENDPOINT": endpoint})

    @pytest.mark.parametrize("scheme", ["hf", "ms"])
    def test_no_network(self, scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
            with pytest.raises(DownloadError, match=r"cannot be reached: .*refused.*HF_ENDPOINT"):
                fetch(
                    f"{scheme}:{REPOSITORY}/{FOLDER}",
                    cache_dir=tmp_path,
                    environ={"HF_ENDPOINT": endpoint, "MODELSCOPE_ENDPOINT": endpoint},
                )

    @pytest.mark.parametrize("endpoint", ["file:///etc", "ftp://example.org", "huggingface.co"])
    def test_endpoints_speak_http(self, endpoint: str, tmp_path: Path) -> None:
        with pytest.raises(DownloadError, match=r"must begin with https://"):
            fetch("hf:owner/repo", cache_dir=tmp_path, environ={"HF_ENDPOINT": endpoint})

    @pytest.mark.parametrize(
        "reference",
        ["hf:", "hf:owner", "hf:../../etc", "hf:owner/repo/../x", "hf:owner/.git", "hf:a/b/c?d=e", "xx:a/b"],
    )
    def test_malformed_references(self, reference: str, tmp_path: Path) -> None:
        with pytest.raises(DownloadError, match="not a model on a hub"):
            fetch(reference, cache_dir=tmp_path, environ={})

    @pytest.mark.usefixtures("content")
    def test_a_cache_that_cannot_be_written(self, hub: StandInHub, tmp_path: Path) -> None:
        (tmp_path / "hf").write_text("a file in the way")
        with pytest.raises(DownloadError, match="cannot be written"):
            fetch(f"hf:{REPOSITORY}/{FOLDER}", cache_dir=tmp_path, environ=hub.environ)

    def test_a_listing_cannot_place_files_elsewhere(self, hub: StandInHub, tmp_path: Path) -> None:
        description = {"name": "x", "architecture": "resnet18", "labels": ["A"], "weights_file": "../../evil.pt"}
        hub.files |= {"model.json": json.dumps(description).encode(), "../../evil.pt": b"evil"}
        with pytest.raises(DownloadError, match=r"no file '\.\./\.\./evil\.pt'"):
            fetch(f"hf:{REPOSITORY}", cache_dir=tmp_path, environ=hub.environ)
