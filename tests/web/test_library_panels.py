"""The panels of the tab "Library", without a browser: what their routes begin, tell, stop and hand out."""

from __future__ import annotations

import io
import shutil
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from acousticsense.api.routes import create_api
from acousticsense.i18n.page import ui_text
from acousticsense.library.tags import read_genre
from acousticsense.library.uploads import Upload
from acousticsense.serving.requests import PredictRequest
from acousticsense.serving.service import PredictionService
from acousticsense.settings import Settings
from acousticsense.web.library_routes import add_library_routes
from acousticsense.web.library_view import library_frame_html
from acousticsense.web.panel_routes import add_panel_routes
from tests.library.conftest import EXAMPLES

PATIENCE_S = 120


@pytest.fixture(scope="module")
def service(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> PredictionService:
    settings = Settings(models=tiny_models, model="tiny", device="cpu", batch_workers=1)
    return PredictionService(settings, upload_dir=tmp_path_factory.mktemp("uploads"))


@pytest.fixture(scope="module")
def client(service: PredictionService) -> Iterator[TestClient]:
    with client_of(service) as client:
        yield client


def client_of(service: PredictionService) -> TestClient:
    app = create_api(service, upload_dir=Path("unused"))
    add_library_routes(app, service)
    add_panel_routes(app, service)
    return TestClient(app)


@pytest.fixture
def song(tmp_path: Path) -> Path:
    path = tmp_path / "starfall.mp3"
    path.write_bytes((EXAMPLES / "starfall.mp3").read_bytes())
    return path


def batch_id(service: PredictionService, *uploads: Upload) -> str:
    """A finished batch with the first file corrected to Jazz."""
    job = service.start_batch(uploads, PredictRequest())
    job.result()
    job.batch.correct(0, "Jazz")
    return service.batches.put(job)


def told(client: TestClient, url: str) -> str:
    """What the panel says when the work is over."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        if 'data-state="running"' not in (words := client.get(url).text):
            return words
        time.sleep(0.05)
    raise AssertionError(words)


class TestTags:
    def test_a_fault_of_ours_is_said_and_logged(
        self,
        client: TestClient,
        service: PredictionService,
        song: Path,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        def fail(*_: object, **__: object) -> None:
            raise RuntimeError("a fault of ours")

        monkeypatch.setattr("acousticsense.serving.service.run_tags", fail)
        url = f"/library/{batch_id(service, Upload(path=song, name=song.name))}/tags"
        client.post(url, json={})
        assert ui_text("error.unexpected") in told(client, url)
        assert "a fault of ours" in caplog.text

    def test_a_preview_and_then_copies_that_were_checked(
        self, service: PredictionService, client: TestClient, song: Path
    ) -> None:
        url = f"/library/{batch_id(service, Upload(path=song, name='=歌.mp3'))}"
        assert client.get(f"{url}/tags").text == ""
        client.post(f"{url}/tags", json={})
        words = told(client, f"{url}/tags")
        assert ui_text("tags.planned", write=1, keep=0, refuse=0) in words
        assert ui_text("tags.result.planned") in words
        assert 'data-as-act="write"' in words
        assert client.get(f"{url}/tagged.zip").status_code == 404
        client.post(f"{url}/tags", json={"write": True}, headers={"accept-language": "zh"})
        words = told(client, f"{url}/tags")
        assert ui_text("tags.written", write=1, keep=0, refuse=0) in words
        zipped = client.get(f"{url}/tagged.zip")
        with zipfile.ZipFile(io.BytesIO(zipped.content)) as archive:
            archive.extract("=歌.mp3", song.parent)
        assert read_genre(song.parent / "=歌.mp3") == "Jazz"
        assert read_genre(song) != "Jazz"

    def test_a_new_preview_takes_the_earlier_copies_away(
        self, service: PredictionService, client: TestClient, song: Path
    ) -> None:
        url = f"/library/{batch_id(service, Upload(path=song, name='a.mp3'))}"
        client.post(f"{url}/tags", json={"write": True})
        told(client, f"{url}/tags")
        assert client.get(f"{url}/tagged.zip").status_code == 200
        client.post(f"{url}/tags", json={"accept": "0.5"})
        assert client.get(f"{url}/tagged.zip").status_code == 404

    def test_stopping_keeps_nothing(self, service: PredictionService, client: TestClient, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "many.zip", "w") as archive:
            for number in range(40):
                archive.write(EXAMPLES / "starfall.mp3", f"{number}.mp3")
        url = f"/library/{batch_id(service, Upload(path=tmp_path / 'many.zip', name='many.zip'))}"
        before = {*service.uploads._folder.glob("*/tagged.zip")}
        assert 'data-state="running"' in client.post(f"{url}/tags", json={"write": True, "accept": "0"}).text
        assert client.delete(f"{url}/tags").status_code == 204
        assert ui_text("tags.stopped") in told(client, f"{url}/tags")
        service.queues.batches.wait_until_empty(PATIENCE_S)
        assert client.get(f"{url}/tagged.zip").status_code == 404
        assert {*service.uploads._folder.glob("*/tagged.zip")} == before

    def test_what_cannot_be_done_is_said(self, service: PredictionService, client: TestClient, song: Path) -> None:
        job = service.start_batch([Upload(path=song, name="a.mp3")], PredictRequest())
        job.result()
        url = f"/library/{service.batches.put(job)}/tags"
        for language, heading in (("en", "These settings cannot be used."), ("zh", "无法使用这些设置。")):
            refused = client.post(url, json={}, headers={"accept-language": language})
            assert (refused.status_code, heading in refused.text) == (400, True)
        assert "没有要写入的流派。" in refused.text
        assert "accept is" in client.post(url, json={"accept": "7"}).text
        assert client.post("/library/unknown/tags", json={}).status_code == 404

    def test_there_is_room_for_the_copies_or_none_is_kept(self, tiny_models: Path, song: Path, tmp_path: Path) -> None:
        settings = Settings(models=tiny_models, model="tiny", device="cpu", batch_workers=1, max_temporary_mb=1)
        service = PredictionService(settings, upload_dir=tmp_path / "uploads")
        batch = batch_id(service, *(Upload(path=song, name=f"{number}.mp3") for number in range(6)))
        for place in range(6):
            service.batches.get(batch).batch.correct(place, "Jazz")  # type: ignore[union-attr]
        assert 6 * song.stat().st_size > 2**20
        url = f"/library/{batch}"
        with client_of(service) as client:
            client.post(f"{url}/tags", json={"write": True})
            assert "There is no room" in told(client, f"{url}/tags")
        assert not [*(tmp_path / "uploads").iterdir()]


class TestFinetune:
    def test_a_model_is_made_and_told_of_in_both_languages(self, tiny_models: Path, tmp_path: Path) -> None:
        shutil.copytree(tiny_models / "tiny", tmp_path / "models" / "tiny")
        settings = Settings(
            models=tmp_path / "models", model="tiny", device="cpu", batch_workers=1, finetune_max_models=9
        )
        service = PredictionService(settings, upload_dir=tmp_path / "uploads")
        names = ("starfall.mp3", "sky-vibe.ogg", "hacienda.ogg", "golden-fields.ogg")
        batch = batch_id(service, *(Upload(path=EXAMPLES / name, name=name) for name in names))
        url = f"/library/{batch}/finetune"
        with client_of(service) as client:
            assert client.get(url).text == ""
            assert "Corrected or confirmed: Jazz 1." in client.post(url, json={"name": "mine"}).text
            for place, genre in enumerate(("Jazz", "Jazz", "Rock", "Rock")):
                client.post(f"/library/{batch}/rows/{place}", json={"genre": genre})
            assert 'role="progressbar"' in client.post(url, json={"name": " mine "}).text
            assert "“mine” is there" in told(client, url)
            assert "模型“mine”已训练完成" in client.get(url, headers={"accept-language": "zh"}).text
            assert "There is a model" in client.post(url, json={"name": "mine"}).text
            assert client.delete(url).status_code == 204
            assert "“mine” is there" in client.get(url).text

    @pytest.mark.parametrize("language", ["en", "zh"])
    def test_the_page_says_how_to_allow_it(self, language: str) -> None:
        off = library_frame_html(language)
        assert "ACOUSTICSENSE_FINETUNE_MAX_MODELS" in off
        assert 'data-as-act="start"' not in off
        assert 'data-as-act="start"' in library_frame_html(language, may_finetune=True)
