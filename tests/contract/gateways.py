"""The gateway as a client meets it, over a real socket or in-process, and a fleet of the documentation's examples."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import uvicorn
from pydantic import SecretStr

from comfytui.api.client import ComfyControlClient
from comfytui.api.models import Runner, RunnerPage, RunnerStats, Workflow, parse_history, parse_stats
from comfytui.api.session import Session
from comfytui.clock import SystemClock
from comfytui.gateway.app import StreamingASGITransport
from comfytui.gateway.events import EventHub
from comfytui.gateway.fleet import RunnerNotFoundError
from comfytui.ratelimit.local import LocalRateLimiter

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from comfytui.api.statuses import RunnerStatus

TOKEN = SecretStr("cfc_contract")

FIXTURES = Path(__file__).parent.parent / "fixtures"


def documented(name: str) -> object:
    """The example body of one of the API's pages, decoded."""
    body: object = json.loads((FIXTURES / f"{name}.json").read_text())
    return body


@dataclass(frozen=True, slots=True)
class Gateway:
    """Where a gateway can be asked; `app` is None where the network leads to it."""

    url: str
    app: Starlette | None

    def session(self, token: SecretStr = TOKEN) -> Session:
        # The limit is not the gateway's, and waiting is not what is tested.
        rate_limiter = LocalRateLimiter(SystemClock(), limit=10_000)
        return Session(self.url, token, transport=self._transport(), rate_limiter=rate_limiter)

    def client(self, token: SecretStr = TOKEN) -> ComfyControlClient:
        return ComfyControlClient(self.session(token))

    def http(self, authorization: str | None = f"Bearer {TOKEN.get_secret_value()}") -> httpx.AsyncClient:
        """Plain httpx, for what the client refuses to ask."""
        headers = {} if authorization is None else {"Authorization": authorization}
        return httpx.AsyncClient(base_url=self.url, headers=headers, transport=self._transport(), trust_env=False)

    def _transport(self) -> httpx.AsyncBaseTransport | None:
        return None if self.app is None else StreamingASGITransport(self.app)


@contextlib.contextmanager
def in_process(app: Starlette) -> Iterator[Gateway]:
    """The app itself, without a network."""
    yield Gateway("http://gateway", app)


@contextlib.contextmanager
def on_a_socket(app: Starlette) -> Iterator[Gateway]:
    """The app behind a port of this machine, on a thread of its own."""
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", ws="none", log_level="warning"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # asyncio does not do this for a listener it is handed, and then each answer waits 40 ms for the client's ACK.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield Gateway(f"http://127.0.0.1:{listener.getsockname()[1]}", None)
        finally:
            server.should_exit = True
            thread.join()


class DocumentedFleet:
    """What the API's pages show, and nothing else."""

    def __init__(self) -> None:
        self.events = EventHub(SystemClock())

    async def list_runners(self, page: int, per_page: int, status: RunnerStatus | None) -> RunnerPage:
        return RunnerPage.parse(documented("list-runners"))

    async def get_runner(self, runner_id: str) -> Runner:
        runner = Runner.model_validate(documented("get-runner"))
        if runner_id != runner.id:
            raise RunnerNotFoundError(runner_id)
        return runner

    async def get_history(self, runner_id: str) -> tuple[Workflow, ...]:
        await self.get_runner(runner_id)
        return parse_history(documented("get-runner-history"))

    async def get_stats(self, runner_id: str) -> RunnerStats:
        await self.get_runner(runner_id)
        return parse_stats(documented("get-runner-stats"))

    async def aclose(self) -> None:
        self.events.close()
