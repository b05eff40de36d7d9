"""Objects in a store: found, read in parts, analysed like files, and lists put beside them; over real HTTP."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from acousticsense.errors import LibraryError
from acousticsense.inference.classifier import GenreClassifier
from acousticsense.library import storage
from acousticsense.library.decode import DecodedFile, FailedFile, decode_file
from acousticsense.library.export import write_csv
from acousticsense.library.tags import plan_tag
from acousticsense.library.walk import Walk
from tests.library.conftest import EXAMPLES
from tests.library.object_store import ObjectStore


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStore]:
    """A bucket with music, served on a port of its own."""
    server = ObjectStore()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    settings = {
        "AWS_ENDPOINT_URL": server.url,
        "AWS_ACCESS_KEY_ID": "anyone",
        "AWS_SECRET_ACCESS_KEY": "anything",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    storage.forget_stores()
    server.objects = {
        "music/b/starfall.mp3": (EXAMPLES / "starfall.mp3").read_bytes(),
        "music/a 雷鬼/sky vibe.ogg": (EXAMPLES / "sky-vibe.ogg").read_bytes(),
        "music/a 雷鬼/broken.mp3": b"no audio at all",
        "music/a 雷鬼/.hidden.mp3": b"",
        "music/.trash/old.mp3": b"",
        "music/cover.jpg": b"\xff\xd8",
    }
    yield server
    server.shutdown()
    server.server_close()
    thread.join()
    storage.forget_stores()


@pytest.mark.usefixtures("store")
def test_what_a_url_stands_for() -> None:
    walk = Walk(["s3://music"])
    assert [found.path for found in walk] == [
        "s3://music/a 雷鬼/broken.mp3",
        "s3://music/a 雷鬼/sky vibe.ogg",
        "s3://music/b/starfall.mp3",
    ]
    assert walk.ignored == 1
    assert [found.path for found in Walk(["s3://music/*/s*.mp3"])] == ["s3://music/b/starfall.mp3"]
    assert [found.path for found in Walk(["s3://music/cover.jpg"])] == ["s3://music/cover.jpg"]
    (missing,) = Walk(["s3://music/nothing"])
    assert missing.error is not None
    assert missing.error.passing
    assert "nothing at s3://music/nothing" in missing.error.message
    (found,) = Walk(["s3://music/b/starfall.mp3"])
    assert found.stamp is not None
    assert found.stamp.size == (EXAMPLES / "starfall.mp3").stat().st_size
    (listed,) = Walk(["s3://music/b"])
    assert listed == found


@pytest.mark.usefixtures("store")
def test_an_object_is_what_the_file_is(classifier: GenreClassifier) -> None:
    recipe = classifier.recipe()
    for name, key in (("starfall.mp3", "b/starfall.mp3"), ("sky-vibe.ogg", "a 雷鬼/sky vibe.ogg")):
        there, here = decode_file(f"s3://music/{key}", recipe), decode_file(str(EXAMPLES / name), recipe)
        assert isinstance(there, DecodedFile)
        assert isinstance(here, DecodedFile)
        assert (there.images_sha256, there.clip, there.health) == (here.images_sha256, here.clip, here.health)


def test_only_the_excerpt_is_fetched(store: ObjectStore, classifier: GenreClassifier) -> None:
    content = (EXAMPLES / "starfall.mp3").read_bytes()
    store.objects["music/long.mp3"] = 64 * content
    assert isinstance(decode_file("s3://music/long.mp3", classifier.recipe()), DecodedFile)
    assert 0 < store.read_bytes < len(store.objects["music/long.mp3"]) / 3


def test_what_the_store_refuses_is_no_damage(store: ObjectStore, classifier: GenreClassifier) -> None:
    store.failing.add("music/b/starfall.mp3")
    outcome = decode_file("s3://music/b/starfall.mp3", classifier.recipe())
    assert isinstance(outcome, FailedFile)
    assert (outcome.error.code, outcome.error.passing) == ("library_error", True)
    outcome = decode_file("s3://music/a 雷鬼/broken.mp3", classifier.recipe())
    assert isinstance(outcome, FailedFile)
    assert (outcome.error.code, outcome.error.passing) == ("audio_undecodable", False)


def test_the_command_reads_and_writes_objects(store: ObjectStore, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "acousticsense", "tag", "s3://music", "--ledger", str(tmp_path / "ledger.sqlite")]
    lists = ["--csv", "s3://music/lists/rows.csv", "--jsonl", f"file://{tmp_path}/rows.jsonl"]
    first = subprocess.run([*command, *lists], capture_output=True, text=True, check=True)
    assert "2 done, 0 skipped (had a row), 1 failed" in first.stderr
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["path"] for row in rows] == [found.path for found in Walk(["s3://music"])]
    assert [row["error"] is None for row in rows] == [False, True, True]
    assert store.objects["music/lists/rows.csv"].startswith(b"\xef\xbb\xbfpath,genre,")
    store.objects["music/b/starfall.mp3"] += bytes(1)  # another object by now
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "1 done, 2 skipped" in again.stderr


def test_tags_are_for_local_files() -> None:
    plan = plan_tag("s3://music/b/starfall.mp3", "Jazz")
    assert (plan.action, plan.reason) == ("refuse", "only local files get tags")


def test_memory_and_file_urls(tmp_path: Path, classifier: GenreClassifier) -> None:
    storage.upload(EXAMPLES / "starfall.mp3", "memory://music/one.mp3")
    assert [found.path for found in Walk(["memory://music"])] == ["memory://music/one.mp3"]
    assert isinstance(decode_file("memory://music/one.mp3", classifier.recipe()), DecodedFile)
    write_csv("memory://music/rows.csv", [])
    with storage.opened("memory://music/rows.csv") as file:
        assert not isinstance(file, str)
        assert file.read().startswith(b"\xef\xbb\xbfpath")
    (tmp_path / "list.txt").write_text(f"memory://music/one.mp3\nfile://{EXAMPLES}/starfall.mp3\n")
    paths = [found.path for found in Walk([f"@{tmp_path}/list.txt"])]
    assert paths == ["memory://music/one.mp3", str(EXAMPLES / "starfall.mp3")]


def test_other_addresses_are_not_fetched() -> None:
    (found,) = Walk(["http://127.0.0.1:1/music.mp3"])
    assert not storage.is_remote(found.path)


def test_a_store_that_cannot_be_spoken_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    storage.forget_stores()
    with pytest.raises(LibraryError, match="needs the package pyarrow"):
        storage.check_store("gs://music")
