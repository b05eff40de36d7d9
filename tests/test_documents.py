"""README and docs: commands that programs understand, links that lead somewhere, two languages that say the same."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
from pathlib import Path

import pytest

from acousticsense.cli.main import _parser
from acousticsense.inference.classifier import GenreClassifier
from acousticsense.settings import Settings
from benchmarks import latency, roofline

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("models/*/README.md"), ROOT / "examples/README.md"]
)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(document: Path, language: str) -> list[str]:
    return [text for found, text in FENCE.findall(document.read_text(encoding="utf-8")) if found == language]


def commands(document: Path) -> list[list[str]]:
    """Words of each command that stands in a block, without `bash start.sh run` in front."""
    text = document.read_text(encoding="utf-8")
    indented = [line.strip() for line in FENCE.sub("", text).splitlines() if line.startswith("    ")]
    lines = indented + [line for block in blocks(document, "sh") for line in block.splitlines()]
    found = [line.removeprefix("bash start.sh run ") for line in lines]
    return [
        shlex.split(line, comments=True)
        for line in found
        if line.startswith(("acousticsense ", "bash ", "curl ", "python "))
    ]


COMMANDS = [(document.name, words) for document in DOCUMENTS for words in commands(document)]


def test_there_are_commands() -> None:
    assert len([words for _, words in COMMANDS if words[0] == "acousticsense"]) > 25


@pytest.mark.parametrize(
    "words",
    [pytest.param(words, id=f"{name}: {' '.join(words)}") for name, words in COMMANDS if words[0] == "acousticsense"],
)
def test_the_command_line_understands(words: list[str]) -> None:
    assert callable(_parser().parse_args(words[1:]).run)


def test_every_benchmark_is_explained_and_exists() -> None:
    text = (ROOT / "docs/measure.md").read_text(encoding="utf-8") + (ROOT / "docs/library.md").read_text(
        encoding="utf-8"
    )
    named = set(re.findall(r"python -m benchmarks\.(\w+)", text))
    assert all(importlib.util.find_spec(f"benchmarks.{name}") for name in named)
    runs = {
        file
        for file in (ROOT / "benchmarks").glob("*.py")
        if '__name__ == "__main__"' in file.read_text(encoding="utf-8")
    }
    assert {file.stem for file in runs} - named == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        place = document.parent / name if name else document
        assert place.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", place.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}, target


def test_both_readmes_have_the_same_commands_and_figures() -> None:
    english, chinese = ROOT / "README.md", ROOT / "README.zh-CN.md"
    assert commands(english) == commands(chinese)
    assert blocks(english, "python") == blocks(chinese, "python")
    figures = [
        set(re.findall(r"\d+(?:\.\d+)?", document.read_text(encoding="utf-8"))) for document in (english, chinese)
    ]
    assert figures[0] == figures[1]


@pytest.mark.parametrize("name", ["README.md", "docs/use.md"])
def test_python_snippets_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(ROOT / "examples" / "starfall.mp3", tmp_path / "song.mp3")
    monkeypatch.chdir(tmp_path)
    for snippet in blocks(ROOT / name, "python"):
        if "gradio_client" not in snippet:  # that one needs a server: tests/web has it
            exec(compile(snippet, name, "exec"), {})


@pytest.mark.parametrize("name", ["efficientat_mn04", "mobilenetv3_large"])
def test_networks_can_be_measured_whatever_they_are_fed(name: str) -> None:
    settings = Settings(backend="pytorch")
    classifier = GenreClassifier.load(name, device="cpu", settings=settings)
    times = latency.compare_networks(ROOT / "examples" / "starfall.mp3", classifier, settings)["network_ms"]
    assert set(times) == {"PyTorch eager", "pytorch-fp32"}
    (row,) = roofline.network_rows(name, settings, {"pytorch-fp32": 100.0}, 10.0)
    assert row["ms"] > 0
    assert row["gflop"] > 0
