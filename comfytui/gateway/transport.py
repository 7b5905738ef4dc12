"""The gateway without a socket: httpx asks the app in this very process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import httpx

from comfytui.api.events import EVENTS_PATH
from comfytui.gateway.app import create_app

if TYPE_CHECKING:
    from pydantic import SecretStr
    from starlette.types import ASGIApp, Message, Scope

    from comfytui.gateway.fleet import Fleet

__all__ = ["GatewayTransport", "StreamingASGITransport"]


class StreamingASGITransport(httpx.ASGITransport):
    """httpx's transport for an app, but event streams arrive as they are sent: it collects whole bodies itself.

    Args:
        app: Answers the requests.
    """

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(app, raise_app_exceptions=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return the response; of an event stream once its head is there."""
        if request.url.path != EVENTS_PATH:
            return await super().handle_async_request(request)
        body = _StreamedBody(self.app, _scope(request))
        async with AsyncExitStack() as stack:
            stack.push_async_callback(body.aclose)
            head = await body.head()
            stack.pop_all()
        return httpx.Response(head["status"], headers=head["headers"], stream=body)


class GatewayTransport(StreamingASGITransport):
    """Carries a client's requests to the API over a fleet; closing it closes the fleet.

    Args:
        fleet: Who has the runners; it lives in the event loop that the requests come from.
        token: The one bearer token that is let in; never empty.
    """

    def __init__(self, fleet: Fleet, token: SecretStr) -> None:
        super().__init__(create_app(fleet, token))
        self._fleet = fleet

    async def aclose(self) -> None:
        """Let go of what the fleet holds open."""
        await self._fleet.aclose()


class _StreamedBody(httpx.AsyncByteStream):
    """Body of a response that an app sends while it is read; the app waits for each part to be taken."""

    def __init__(self, app: ASGIApp, scope: Scope) -> None:
        self._sent: asyncio.Queue[Message] = asyncio.Queue(maxsize=1)
        self._is_read = False
        self._task = asyncio.create_task(self._run(app, scope))

    async def head(self) -> Message:
        """Return the message that starts the response; an error's if the app failed before."""
        return await self._next() or {"status": 500, "headers": []}

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while message := await self._next():
            if body := message.get("body", b""):
                yield body
            if not message.get("more_body", False):
                return

    async def aclose(self) -> None:
        """Tell the app that nobody reads any more, by cancelling it."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _next(self) -> Message | None:
        """Return what the app sends next; None if it ended instead."""
        taking = asyncio.ensure_future(self._sent.get())
        try:
            await asyncio.wait({taking, self._task}, return_when=asyncio.FIRST_COMPLETED)
            return taking.result() if taking.done() else None
        finally:
            taking.cancel()

    async def _run(self, app: ASGIApp, scope: Scope) -> None:
        await app(scope, self._receive, self._sent.put)

    async def _receive(self) -> Message:
        if not self._is_read:
            self._is_read = True
            return {"type": "http.request", "body": b"", "more_body": False}
        # Until the task is cancelled: whoever stops reading closes the body.
        await asyncio.Event().wait()
        return {"type": "http.disconnect"}


def _scope(request: httpx.Request) -> Scope:
    """Return the scope of a request without a body."""
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "scheme": request.url.scheme,
        "path": request.url.path,
        "raw_path": request.url.raw_path.split(b"?")[0],
        "query_string": request.url.query,
        "server": (request.url.host, request.url.port),
        "client": ("127.0.0.1", 123),
        "root_path": "",
    }
