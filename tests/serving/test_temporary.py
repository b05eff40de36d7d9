"""Uploads take no more of the disk than allowed, and go by age, but never while somebody needs them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from acousticsense.errors import OverloadError
from acousticsense.library.uploads import Upload
from acousticsense.server import create_app
from acousticsense.serving.requests import ClipRequest, TimelineRequest
from acousticsense.serving.service import PredictionService
from acousticsense.serving.temporary import FilesInUse, UploadFolder
from acousticsense.serving.uploads import uploaded_file
from acousticsense.settings import Settings

KIB = 1024


def upload(folder: Path, number: int, *, kib: int = 1) -> Path:
    """A file as Gradio keeps it."""
    path = folder / f"{number:064x}" / "song.mp3"
    path.parent.mkdir(parents=True)
    path.write_bytes(bytes(kib * KIB))
    return path


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds by which the clock of the sweeper is ahead."""
    ahead, real = [0.0], time.monotonic
    monkeypatch.setattr("acousticsense.serving.temporary.time.monotonic", lambda: real() + ahead[0])
    return ahead


class TestAge:
    def test_an_idle_upload_goes_after_an_hour_and_its_folder_with_it(self, tmp_path: Path, now: list[float]) -> None:
        path = upload(tmp_path, 1)
        folder = UploadFolder(tmp_path, max_bytes=KIB, in_use=FilesInUse())
        folder.sweep()
        now[0] = 3500
        folder.sweep()
        assert path.exists()
        now[0] = 3700
        folder.sweep()
        assert not path.parent.exists()

    def test_what_cannot_be_removed_is_counted_and_keeps_nothing_else(self, tmp_path: Path, now: list[float]) -> None:
        stuck, idle = upload(tmp_path, 1), upload(tmp_path, 2)
        stuck.unlink()
        (stuck / "folder").mkdir(parents=True)
        folder = UploadFolder(tmp_path, max_bytes=KIB, in_use=FilesInUse())
        folder.sweep()
        now[0] = 3700
        folder.sweep()
        assert not idle.exists()
        assert stuck.exists()

    def test_one_in_use_stays_and_its_age_counts_from_its_release(self, tmp_path: Path, now: list[float]) -> None:
        path, in_use = upload(tmp_path, 1), FilesInUse()
        folder = UploadFolder(tmp_path, max_bytes=KIB, in_use=in_use)
        in_use.add([path])
        in_use.add([path])
        in_use.release([path])
        folder.sweep()
        now[0] = 100_000
        folder.sweep()
        folder.make_room()
        assert path.exists(), "it was added twice and released once"
        in_use.release([path])
        folder.sweep()
        assert path.exists()
        now[0] += 3700
        folder.sweep()
        assert not path.exists()

    def test_a_clock_that_jumps_ages_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path, real = upload(tmp_path, 1), time.time
        folder = UploadFolder(tmp_path, max_bytes=KIB, in_use=FilesInUse())
        folder.sweep()
        for jump_s in (86_400, -86_400):
            monkeypatch.setattr(time, "time", lambda jump_s=jump_s: real() + jump_s)
            folder.sweep()
            assert path.exists()

    def test_a_request_that_names_it_is_a_use(self, tmp_path: Path) -> None:
        path = upload(tmp_path, 1)
        os.utime(path, (1, 1))
        uploaded_file(str(path), tmp_path)
        assert path.stat().st_mtime > 1e9

    def test_nothing_but_uploads_is_removed(self, tmp_path: Path, now: list[float]) -> None:
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        (elsewhere / "mine.txt").write_text("mine")
        uploads = tmp_path / "uploads"
        for name in ("file", "folder/file", "A" * 64 + "/file", "0" * 63 + "/file"):
            (uploads / name).parent.mkdir(parents=True, exist_ok=True)
            (uploads / name).write_text("not an upload")
        (uploads / ("f" * 64)).symlink_to(elsewhere)
        folder = UploadFolder(uploads, max_bytes=1, in_use=FilesInUse())
        folder.sweep()
        now[0] = 100_000
        folder.sweep()
        assert (elsewhere / "mine.txt").exists()
        assert len([path for path in uploads.rglob("*") if path.is_file()]) == 4

    def test_a_file_of_the_servers_own_takes_room_and_goes_with_its_age(self, tmp_path: Path, now: list[float]) -> None:
        folder = UploadFolder(tmp_path / "uploads", max_bytes=2 * KIB, in_use=FilesInUse())
        with folder.making("tagged.zip") as (path, count):
            count(KIB)
            path.write_bytes(bytes(KIB))
        assert folder.has_room(KIB)
        assert not folder.has_room(KIB + 1)
        folder.sweep()
        assert path.is_file()
        now[0] = 3700
        folder.sweep()
        assert not path.parent.exists()

    def test_what_could_not_be_made_leaves_nothing_behind(self, tmp_path: Path) -> None:
        folder = UploadFolder(tmp_path, max_bytes=KIB, in_use=FilesInUse())

        def make() -> None:
            with folder.making("tagged.zip") as (path, count):
                path.touch()
                count(KIB + 1)

        with pytest.raises(OverloadError):
            make()
        assert [*tmp_path.iterdir()] == []

    def test_a_folder_that_is_not_there_yet_is_empty(self, tmp_path: Path) -> None:
        folder = UploadFolder(tmp_path / "later", max_bytes=1, in_use=FilesInUse())
        folder.sweep()
        assert folder.has_room(1)


class TestFolders:
    def test_those_of_killed_processes_go_and_those_of_living_ones_stay(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        program = (
            "from acousticsense.serving.temporary import make_upload_folder; print(make_upload_folder(), flush=True); "
            "input()"
        )
        owners = [
            subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        folders = [Path(owner.stdout.readline().strip()) for owner in owners if owner.stdout]
        assert all(folder.parent == tmp_path for folder in folders)
        owners[0].kill()
        owners[0].wait()
        assert all(folder.is_dir() for folder in folders)
        third = subprocess.run([sys.executable, "-c", program], input="\n", capture_output=True, text=True, check=True)
        assert not folders[0].exists()
        assert folders[1].is_dir()
        assert not Path(third.stdout.strip()).exists(), "a process that ends takes its own along"
        owners[1].communicate("\n")
        assert not folders[1].exists()


class TestRoom:
    def test_bodies_count_while_they_come_and_uploads_afterwards(self, tmp_path: Path) -> None:
        folder = UploadFolder(tmp_path, max_bytes=4 * KIB, in_use=FilesInUse())
        with folder.arrival(is_kept=False) as body, folder.arrival(is_kept=True) as kept:
            body(2 * KIB)
            kept(KIB)
            with pytest.raises(OverloadError, match="no room for more uploads"):
                kept(2 * KIB)
            upload(tmp_path, 1, kib=1)
        assert folder.has_room(3 * KIB)
        assert not folder.has_room(3 * KIB + 1)
        folder.sweep()
        assert folder.has_room(3 * KIB)
        assert not folder.has_room(3 * KIB + 1), "what lies there is counted, not what was said of it"

    def test_idle_uploads_make_room_and_fresh_ones_do_not(self, tmp_path: Path, now: list[float]) -> None:
        upload(tmp_path, 1, kib=4)
        folder = UploadFolder(tmp_path, max_bytes=4 * KIB, in_use=FilesInUse())
        folder.sweep()
        folder.make_room()
        assert not folder.has_room(1)
        now[0] = 700
        folder.make_room()
        assert folder.has_room(4 * KIB)


def wait_until_released(path: Path, in_use: FilesInUse) -> None:
    """A job's result is there a moment before its files are let go."""
    deadline = time.monotonic() + 10
    while path in in_use:
        assert time.monotonic() < deadline, "still in use 10 s after the job"
        time.sleep(0.01)


class TestJobs:
    @pytest.fixture
    def service(self, tiny_settings: Settings) -> Iterator[PredictionService]:
        service = PredictionService(tiny_settings)
        yield service
        service.stop()

    def test_a_batch_needs_its_files_to_its_end(self, service: PredictionService, music_wav: Path) -> None:
        job = service.start_batch([Upload(path=music_wav, name="a.wav")], ClipRequest())
        seen_in_use = music_wav in service.files_in_use
        job.result()
        assert seen_in_use
        wait_until_released(music_wav, service.files_in_use)

    def test_so_does_a_timeline_and_one_that_was_turned_away_needs_none(
        self, tiny_settings: Settings, music_wav: Path
    ) -> None:
        service = PredictionService(tiny_settings.replace(timeline_concurrency=1, timeline_queue_size=0))
        job = service.start_timeline(music_wav, TimelineRequest())
        assert music_wav in service.files_in_use
        job.result()
        wait_until_released(music_wav, service.files_in_use)
        service.stop()
        with pytest.raises(OverloadError):
            service.start_timeline(music_wav, TimelineRequest())
        assert music_wav not in service.files_in_use


class TestServer:
    @pytest.fixture(scope="class")
    def uploads(self, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
        with pytest.MonkeyPatch.context() as patch:
            folder = tmp_path_factory.mktemp("uploads")
            patch.setenv("GRADIO_TEMP_DIR", str(folder))
            yield folder

    @pytest.fixture(scope="class")
    def client(self, tiny_models: Path, uploads: Path) -> Iterator[TestClient]:
        settings = Settings(models=tiny_models, model="tiny", device="cpu", max_temporary_mb=1)
        assert uploads.is_dir()
        with TestClient(create_app(settings)) as client:
            yield client

    def test_uploads_in_a_row_take_no_more_than_allowed(self, client: TestClient, uploads: Path) -> None:
        statuses = []
        for number in range(30):
            answer = client.post("/gradio_api/upload", files={"files": ("a.bin", bytes([number]) * 100 * KIB)})
            statuses.append(answer.status_code)
            assert sum(path.stat().st_size for path in uploads.rglob("*") if path.is_file()) <= KIB * KIB
        assert statuses[:9] == [200] * 9
        assert set(statuses[11:]) == {503}
        assert int(answer.headers["retry-after"]) >= 1
        assert answer.json()["error"]["code"] == "overloaded"

    def test_a_body_that_hides_its_length_is_stopped_too(self, client: TestClient, uploads: Path) -> None:
        before = sorted(uploads.rglob("*"))
        parts = [b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n', *[bytes(64 * KIB)] * 40]
        answer = client.post(
            "/gradio_api/upload", content=iter(parts), headers={"content-type": "multipart/form-data; boundary=x"}
        )
        assert answer.status_code == 503
        assert sorted(uploads.rglob("*")) == before, "what had come of it is gone"

    def test_the_rest_api_has_the_same_room(self, client: TestClient) -> None:
        answer = client.post("/api/predict", files={"data": bytes(600 * KIB)})
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) >= 1
