"""Bodies of requests: how much of them may lie in memory, and what comes of those that end late or never."""

from __future__ import annotations

import asyncio

import pytest
from starlette.types import Message, Receive, Scope, Send

from acousticsense.api.middleware import BodyLimit, HearOut
from acousticsense.errors import AudioTooLargeError, OverloadError
from tests.conftest import run_alone

JSON, FORM = "application/json", "multipart/form-data; boundary=b"


def scope_of(path: str = "/", **headers: str) -> Scope:
    encoded = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "path": path, "headers": encoded}


async def unused(_: Message) -> None:
    raise AssertionError


class Chunks:
    """A client that sends so many chunks of 100 bytes, and then, where it sends no end, nothing more."""

    def __init__(self, n: int, *, ends: bool = True) -> None:
        self.n_left, self._ends = n, ends

    async def __call__(self) -> Message:
        if not self.n_left:
            await asyncio.Future()
        self.n_left -= 1
        return {"type": "http.request", "body": bytes(100), "more_body": bool(self.n_left) or not self._ends}


def test_bodies_in_memory_take_no_more_together_than_one_may() -> None:
    """Of 140 bytes allowed each takes 100: the second waits for the first. Forms lie on the disk."""
    refused: list[str] = []

    async def read(scope: Scope, receive: Receive, _: Send) -> None:
        await receive()
        if scope["path"] == "/api/first":
            await ask("/api/second", JSON)
            await ask("/api/third", FORM)

    limit = BodyLimit(read, max_file_bytes=100)

    async def ask(path: str, content_type: str) -> None:
        try:
            await limit(scope_of(path, content_type=content_type), Chunks(1), unused)
        except OverloadError as error:
            refused.append(f"{path}: {error.message}")

    run_alone(ask("/api/first", JSON))
    assert refused == ["/api/second: There is no memory for more requests at the moment."]
    run_alone(ask("/api/second", JSON))
    assert len(refused) == 1


def test_a_refused_body_takes_no_memory_while_its_sender_is_told() -> None:
    told: list[str] = []

    async def read(scope: Scope, receive: Receive, _: Send) -> None:
        await receive()
        if scope["path"] == "/api/large":
            with pytest.raises(AudioTooLargeError):
                await receive()
            await limit(scope_of("/api/other", content_type=JSON), Chunks(1), unused)
        told.append(scope["path"])

    limit = BodyLimit(read, max_file_bytes=100)
    run_alone(limit(scope_of("/api/large", content_type=JSON), Chunks(2), unused))
    assert told == ["/api/other", "/api/large"]


@pytest.mark.parametrize(
    ("headers", "n_read"),
    [
        ({"content_length": "300"}, 3),
        ({"transfer_encoding": "chunked"}, 3),
        ({}, 0),
        ({"content_length": "300", "expect": "100-continue"}, 0),
    ],
)
def test_an_answer_begins_when_its_request_is_over(headers: dict[str, str], n_read: int) -> None:
    """Unless there is no body, or the client asked whether it should send one."""
    assert answered(Chunks(3), **headers) == 3 - n_read


def test_an_endless_request_is_answered_after_so_many_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("acousticsense.api.middleware._DRAIN_BYTES", 150)
    assert answered(Chunks(1_000), content_length="100000") == 998


def test_a_request_that_does_not_end_is_answered_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("acousticsense.api.middleware._DRAIN_S", 0.05)
    assert answered(Chunks(1, ends=False), content_length="300") == 0


def test_a_server_that_stops_sends_the_answer_at_once() -> None:
    """It cancels what is not answered then."""
    sent: list[int] = []

    async def refuse(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 413})

    async def send(message: Message) -> None:
        sent.append(message["status"])

    async def stop() -> None:
        client = Chunks(1, ends=False)
        request = asyncio.create_task(HearOut(refuse)(scope_of(content_length="300"), client, send))
        while client.n_left:
            await asyncio.sleep(0.01)
        assert sent == []
        request.cancel()
        await request

    run_alone(stop())
    assert sent == [413]


def answered(client: Chunks, **headers: str) -> int:
    """Chunks that are left when a refusal begins."""
    left: list[int] = []

    async def refuse(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 413})

    async def send(message: Message) -> None:
        assert message["status"] == 413
        left.append(client.n_left)

    run_alone(HearOut(refuse)(scope_of(**headers), client, send))
    (n_left,) = left
    return n_left


def test_who_falls_silent_in_the_middle_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("acousticsense.api.middleware._SILENCE_S", 0.05)
    heard: list[str] = []

    async def read(_: Scope, receive: Receive, __: Send) -> None:
        while (message := await receive())["type"] == "http.request":
            heard.append(message["type"])
        heard.append(message["type"])

    run_alone(HearOut(read)(scope_of(content_length="300"), Chunks(2, ends=False), unused))
    assert heard == ["http.request", "http.request", "http.disconnect"]
