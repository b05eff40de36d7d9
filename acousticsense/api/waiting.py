"""Waits for work as long as its client does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Final, TypeVar

from starlette.requests import ClientDisconnect, Request

#: How often a request looks whether its client is still there.
_LOOK_EVERY_S: Final = 0.1

T = TypeVar("T")


async def while_asked(request: Request, work: Awaitable[T]) -> T:
    """What `work` gives; it is cancelled when the client goes away.

    Raises:
        ClientDisconnect: the client went away.
    """
    answer = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait({answer}, timeout=_LOOK_EVERY_S))[0]:
            if await request.is_disconnected():
                raise ClientDisconnect
        return answer.result()
    finally:
        answer.cancel()
