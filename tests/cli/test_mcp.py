"""`acousticsense mcp` as an agent uses it: a process that is spoken to over its standard input and output."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.types import TextContent

from acousticsense import __version__
from acousticsense.cli.main import main
from tests.conftest import run_alone
from tests.library.conftest import EXAMPLES

SONG = str(EXAMPLES / "starfall.mp3")


async def talk(options: list[str], use: Callable[[ClientSession], Awaitable[Any]]) -> Any:
    """What `use` makes of a session with a new server, which has the default model."""
    arguments = ["-m", "acousticsense", "mcp", *options]
    server = StdioServerParameters(command=sys.executable, args=arguments, env={**os.environ})
    async with stdio_client(server) as streams, ClientSession(*streams) as session:
        assert (await session.initialize()).serverInfo.version == __version__
        return await use(session)


def test_an_agent_gets_the_answers_of_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    async def use(session: ClientSession) -> tuple[Any, ...]:
        tools = {tool.name for tool in (await session.list_tools()).tools}
        predicted = await session.call_tool("predict", {"path": SONG, "duration_s": 5, "offset_s": 2})
        timeline = await session.call_tool("timeline", {"path": SONG})
        short = {"path": SONG, "window_s": 4, "min_segment_s": 5}
        merged = await session.call_tool("timeline", short)
        nowhere = await session.call_tool("predict", {"path": "/nothing/here.mp3"})
        negative = await session.call_tool("timeline", {**short, "min_segment_s": -1})
        return tools, predicted, timeline, merged, nowhere, negative

    tools, predicted, timeline, merged, nowhere, negative = run_alone(talk([], use))
    assert tools == {"predict", "timeline"}
    assert main(["predict", SONG, "--duration", "5", "--offset", "2", "--json"]) == 0
    expected = json.loads(capsys.readouterr().out)
    assert _value(predicted)["probabilities"] == pytest.approx(expected["probabilities"], abs=1e-6)
    assert main(["timeline", SONG, "--json"]) == 0
    expected = json.loads(capsys.readouterr().out)
    assert _value(timeline)["segments"] == expected["segments"]
    assert _value(merged)["min_segment_s"] == 5
    assert nowhere.isError
    assert "There is no file '/nothing/here.mp3'" in nowhere.content[0].text
    assert negative.isError
    assert "Give 0 to 3600 seconds" in negative.content[0].text


def test_similar_is_there_where_a_library_is_named(tmp_path: Path) -> None:
    ledger = str(tmp_path / "l.sqlite")
    assert main(["similar", "--in", str(EXAMPLES), "--ledger", ledger, "--workers", "1"]) == 0

    async def use(session: ClientSession) -> Any:
        return await session.call_tool("similar", {"path": SONG, "top_k": 1})

    found = _value(run_alone(talk(["--library", ledger], use)))
    assert [Path(song["path"]).name for song in found["similar"]] == ["starfall.mp3"]


def _value(result: Any) -> Any:
    assert not result.isError, result.content
    content = result.content[0]
    assert isinstance(content, TextContent)
    return json.loads(content.text)
