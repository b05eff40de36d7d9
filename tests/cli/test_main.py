"""The command line, in process: output, exit codes and plain sentences."""

from __future__ import annotations

import gc
import getpass
import json
import logging
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from acousticsense.cli.main import main
from acousticsense.cli.options import quick_imports
from acousticsense.models.networks import build_network

ROOT = Path(__file__).resolve().parents[2]
SONG = str(ROOT / "examples" / "starfall.mp3")


@pytest.fixture(autouse=True)
def tiny_is_default(tiny_models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACOUSTICSENSE_MODELS", str(tiny_models))
    monkeypatch.setenv("ACOUSTICSENSE_MODEL", "tiny")


def test_predict_prints_a_line_a_file(music_mp3: Path, music_wav: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(music_mp3), str(music_wav), "--top-k", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[0] for line in lines] == [str(music_mp3), str(music_wav)]
    assert lines[0].count("%") == 3


def test_of_a_model_that_is_whole_nothing_is_said(music_mp3: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="acousticsense"):
        assert main(["predict", str(music_mp3)]) == 0
    assert caplog.messages == []


def test_a_broken_file_never_ends_the_run(music_mp3: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "broken.mp3").write_text("no audio")
    assert main(["predict", str(tmp_path / "broken.mp3"), str(tmp_path / "none.mp3"), str(music_mp3), "--json"]) == 1
    broken, missing, good = map(json.loads, capsys.readouterr().out.splitlines())
    assert broken["error"]["code"] == "audio_undecodable"
    assert missing["error"]["message"]
    assert good["probabilities"]


def test_predict_options(music_mp3: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(music_mp3), "--duration", "2", "--offset", "1", "--json"]) == 0
    clip = json.loads(capsys.readouterr().out)["clip"]
    assert (clip["offset_s"], clip["duration_s"]) == (pytest.approx(1, abs=0.01), pytest.approx(2, abs=0.01))
    assert main(["predict", str(music_mp3), "--duration", "all", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["clip"]["duration_s"] == pytest.approx(12, abs=0.1)


def test_predict_with_the_other_image(
    music_mp3: Path, cnn_models: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ACOUSTICSENSE_MODELS", str(cnn_models))
    arguments = ["predict", str(music_mp3), "--model", "mobilenetv3_large", "--json"]
    assert main(arguments) == main([*arguments, "--spectrogram", "cqt"]) == 0
    mel, cqt = map(json.loads, capsys.readouterr().out.splitlines())
    assert (mel["model"]["spectrogram"], cqt["model"]["spectrogram"]) == ("mel", "cqt")
    assert mel["probabilities"] != cqt["probabilities"]


def test_explain_says_where_and_writes_the_image_and_the_values(
    music_mp3: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = tmp_path / "heat.png"
    assert main(["explain", str(music_mp3), "--label", "Jazz", "--png", str(image)]) == 0
    assert re.search(r"Jazz [\d.]+%; what speaks most for it is at [\d.]+ s, around \d+ Hz", capsys.readouterr().out)
    assert image.read_bytes().startswith(b"\x89PNG")
    assert main(["explain", str(music_mp3), "--label", "Jazz", "--duration", "3", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["heatmap"]["label"] == "Jazz"
    assert answer["clip"]["duration_s"] == pytest.approx(3, abs=0.01)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["predict", "x.mp3", "--model", "huge"], "tiny"),
        (["predict", "x.mp3", "--device", "abacus"], "'abacus' cannot be used"),
        (["predict", "x.mp3", "--model", "hf:nonsense"], "hf:"),
        (["explain", "x.mp3", "--label", "Polka"], "This model knows: Blues"),
        (["explain", str(ROOT / "examples" / "starfall.mp3"), "--png", "/no/such/folder/x.png"], "cannot be written"),
    ],
)
def test_errors_are_one_sentence(arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith("acousticsense: ")
    assert sentence in error
    assert "Traceback" not in error


def test_a_server_without_a_model_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ACOUSTICSENSE_MODELS", str(tmp_path))
    monkeypatch.setenv("ACOUSTICSENSE_MODEL", "")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert main(["serve", "--host", "127.0.0.1", "--port", str(port)]) == 1
    assert "Copy the project's folder models/ there" in capsys.readouterr().err


def test_a_wrong_command_is_a_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["predict", "x.mp3", "--top-k", "0"])
    assert stop.value.code == 2
    assert "must be 1 or more" in capsys.readouterr().err


def test_models_and_verify(
    tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models"]) == 0
    assert "tiny: vit_tiny_patch16_224, mel, 16 labels" in capsys.readouterr().out
    assert main(["models", "verify"]) == 0
    broken = tmp_path / "models" / "tiny"
    broken.mkdir(parents=True)
    for file in (tiny_models / "tiny").iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    with (broken / "model.safetensors").open("r+b") as weights:
        weights.seek(-1, 2)
        weights.write(b"\xff")
    monkeypatch.setenv("ACOUSTICSENSE_MODELS", str(tmp_path / "models"))
    assert main(["models", "verify"]) == 1
    assert "tiny: " in capsys.readouterr().out


def test_import_checkpoint_then_predict(
    music_mp3: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ACOUSTICSENSE_MODELS", str(tmp_path))
    network = build_network("mobilenetv3_small_100", 3)
    torch.save({"state_dict": {f"module.{k}": v for k, v in network.state_dict().items()}}, tmp_path / "mine.pth")
    arguments = ["import-checkpoint", str(tmp_path / "mine.pth"), "--architecture", "mobilenetv3_small_100"]
    assert main([*arguments, "--labels", "A,B", "--name", "two"]) == 1
    assert "3" in capsys.readouterr().err
    assert main([*arguments, "--labels", "A,B,C", "--name", "three"]) == 0
    assert "matched" in capsys.readouterr().out
    assert main(["predict", "--model", "three", str(music_mp3), "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["probabilities"]) == {"A", "B", "C"}


def test_evaluate(music_mp3: Path, music_wav: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "clips.csv").write_text(f"path,genre\n{music_mp3},Jazz\n{music_wav},Rock\n", encoding="utf-8")
    assert main(["evaluate", str(tmp_path / "clips.csv"), "--json", "--out", str(tmp_path / "report")]) == 0
    assert json.loads(capsys.readouterr().out)["n"] == 2
    assert (tmp_path / "report" / "confusion.png").stat().st_size > 0


def test_evaluate_counts_no_file_twice(
    music_mp3: Path,
    music_wav: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    rows = [f"{music_mp3},Jazz", f"{music_wav},Rock", f"{music_wav},Rock", f"{music_mp3},Blues"]
    table = tmp_path / "clips.csv"
    table.write_text("\n".join(["path,genre", *rows]), encoding="utf-8")
    assert main(["evaluate", str(table), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["n"] == 1
    assert list(result["unreadable"]) == [str(music_mp3)]
    assert "is in another genre too" in result["unreadable"][str(music_mp3)]
    assert f"{music_mp3} is left out: the same file" in caplog.text
    table.write_text(f"path,genre\n{music_wav},Rock\n/gone.mp3,Jazz\n", encoding="utf-8")
    assert main(["evaluate", str(table), "--json"]) == 1
    assert "/gone.mp3" in json.loads(capsys.readouterr().out)["unreadable"]


def test_evaluate_asks_one_model_or_several(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(tmp_path), "--models", "tiny", "--model", "resnet50"]) == 1
    assert "--model names one (resnet50). Leave one of the two out." in capsys.readouterr().err


def test_labels_that_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "labels.txt").write_bytes(b"\xff\xfe\xff")
    (tmp_path / "mine.pth").write_bytes(b"")
    for labels in (str(tmp_path / "labels.txt"), "x" * 5000):
        arguments = [str(tmp_path / "mine.pth"), "--architecture", "resnet50", "--labels", labels, "--name", "n"]
        assert main(["import-checkpoint", *arguments]) == 1
        assert "Traceback" not in capsys.readouterr().err


def test_timeline_prints_a_line_a_segment_and_writes_files(
    music_mp3: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, labels = tmp_path / "windows.csv", tmp_path / "labels.txt"
    files = ["--csv", str(table), "--labels", str(labels)]
    assert main(["timeline", str(music_mp3), "--window", "4", "--hop", "2", *files]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert table.read_bytes().startswith(b"\xef\xbb\xbf")
    assert len(table.read_text(encoding="utf-8").splitlines()) == 7
    written = [line.split("\t") for line in labels.read_text(encoding="utf-8").splitlines()]
    assert len(printed) == len(written) > 0
    for line, (start, end, title) in zip(printed, written, strict=True):
        assert line.split()[:2] == [f"{float(start):.1f}", f"{float(end):.1f}"]
        assert line.split()[2] == title.split()[0]


def test_timeline_json(music_mp3: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["timeline", str(music_mp3), "--window", "4", "--offset", "2", "--duration", "8", "--json"]) == 0
    body = json.loads(capsys.readouterr().out)
    assert [window["start_s"] for window in body["windows"]] == [2, 6]
    assert body["segments"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["timeline", "{song}", "--labels", "{song}"],
        ["explain", "{song}", "--png", "{song}"],
        ["ensemble", "{song}", "--csv", "{song}"],
    ],
)
def test_no_list_or_image_takes_the_place_of_music(
    music_mp3: Path, tmp_path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    song = tmp_path / "song.mp3"
    song.write_bytes(music_mp3.read_bytes())
    assert main([argument.format(song=song) for argument in arguments]) == 1
    assert "is named like audio" in capsys.readouterr().err
    assert song.read_bytes() == music_mp3.read_bytes()


@pytest.mark.parametrize(
    "arguments",
    [
        ["timeline", "{song}", "--labels", "{song}"],
        ["explain", "{song}", "--png", "{song}"],
        ["ensemble", "{song}", "--csv", "{song}"],
        ["timeline", "{song}", "--csv", "{out}", "--labels", "{out}"],
    ],
)
def test_no_output_takes_the_place_of_another_or_of_the_song(
    music_mp3: Path, tmp_path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    song, out = tmp_path / "a song without a suffix", tmp_path / "out"
    song.write_bytes(music_mp3.read_bytes())
    assert main([argument.format(song=song, out=out) for argument in arguments]) == 1
    assert "has two uses in this command, and one content would overwrite the other" in capsys.readouterr().err
    assert song.read_bytes() == music_mp3.read_bytes()
    assert not out.exists()


def test_a_device_takes_two_outputs(music_mp3: Path) -> None:
    assert main(["timeline", str(music_mp3), "--csv", os.devnull, "--labels", os.devnull]) == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--window", "100"], "window_s is 100"),
        (["--hop", "0.0001"], "hop_s is 0.0001"),
        (["--csv", "/nowhere/at/all.csv"], "cannot be written"),
        (["--csv", "/tmp"], "is a folder"),
    ],
)
def test_timelines_that_cannot_be(
    music_mp3: Path, arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["timeline", str(music_mp3), *arguments]) == 1
    error = capsys.readouterr().err
    assert sentence in error
    assert "Traceback" not in error


#: The models that are shipped: the default one is ready in less time than any that needs timm.
SHIPPED = {"ACOUSTICSENSE_MODELS": str(ROOT / "models"), "ACOUSTICSENSE_MODEL": ""}


def run_to(stdout: Any, arguments: list[str], **environment: str) -> tuple[int, str]:
    """Runs the command in a process of its own; its exit code and what it says on the standard error."""
    done = subprocess.run(
        [sys.executable, "-m", "acousticsense", *arguments],
        env={**os.environ, **SHIPPED, "PYTHONUNBUFFERED": "", **environment},
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        cwd=ROOT,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("arguments", [["models"], ["--version"]])
def test_a_closed_pipe_ends_a_command_quietly(arguments: list[str]) -> None:
    """As in `acousticsense predict *.mp3 | head -1`, with the exit code that a shell gives other programs."""
    nobody_reads, stdout = os.pipe()
    os.close(nobody_reads)
    assert run_to(stdout, arguments) == (141, "")
    os.close(stdout)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
@pytest.mark.parametrize("arguments", [["models"], ["predict", SONG, "--json"], ["timeline", SONG, "--json"]])
def test_a_full_disk_is_one_line(arguments: list[str]) -> None:
    """Output that fits a buffer and output that does not: of that nothing is left to be flushed."""
    with Path("/dev/full").open("wb") as full:
        status, error = run_to(full, arguments)
    assert (status, error) == (1, "acousticsense: the output cannot be written (No space left on device).\n")


def test_another_fault_is_not_taken_for_the_output(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_options: object) -> int:
        raise OSError("of something else")

    monkeypatch.setattr("acousticsense.cli.models._run", fail)
    with pytest.raises(OSError, match="of something else"):
        main(["models"])


def test_closed_streams_are_no_fault(tmp_path: Path) -> None:
    table = tmp_path / "windows.csv"
    command = [sys.executable, "-m", "acousticsense", "timeline", SONG, "--csv", str(table)]
    done = subprocess.run(
        ["sh", "-c", '"$@" <&- >&- 2>&-', "sh", *command],
        env={**os.environ, **SHIPPED},
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0
    assert table.read_bytes().startswith(b"\xef\xbb\xbf")


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_any_name_can_be_printed_in_any_encoding(
    music_mp3: Path, tmp_path: Path, encoding: str, options: list[str]
) -> None:
    names = ["é中文😀.mp3", "other.mp3"]
    for name in names:
        (tmp_path / name).write_bytes(music_mp3.read_bytes())
    output = tmp_path / "output"
    with output.open("wb") as file:
        arguments = ["predict", *(str(tmp_path / name) for name in names), *options]
        assert run_to(file, arguments, PYTHONIOENCODING=encoding) == (0, "")
    lines = output.read_text(encoding=encoding).splitlines()
    assert len(lines) == 2
    assert r"\u4e2d\u6587\ud83d\ude00.mp3" in lines[0]
    if options:
        assert [Path(json.loads(line)["path"]).name for line in lines] == names


def test_a_user_id_without_a_name_gets_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch asks for it when it is imported: `docker run --user 12345` ended in a KeyError."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 4_000_000_000)
    assert main(["models"]) == 0
    assert getpass.getuser() == "user4000000000"
    monkeypatch.delenv("LOGNAME")


def test_the_garbage_collector_rests_while_modules_are_imported_and_then_works_on() -> None:
    def fail() -> None:
        with quick_imports():
            assert not gc.isenabled()
            raise ImportError

    assert gc.isenabled()
    with pytest.raises(ImportError):
        fail()
    assert gc.isenabled()
    gc.disable()
    try:
        with quick_imports():
            pass
        assert not gc.isenabled(), "somebody else wanted it so"
    finally:
        gc.enable()
