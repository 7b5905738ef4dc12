from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

import pytest

from comfytui.gateway.app import create_app
from comfytui.gateway.demo.fleet import DemoFleet
from tests.contract.gateways import TOKEN, DocumentedFleet, Gateway, in_process, on_a_socket
from tests.support.clock import FakeClock

if TYPE_CHECKING:
    import httpx

    from comfytui.api.client import ComfyControlClient


@pytest.fixture(scope="module", params=[on_a_socket, in_process])
def gateway(request: pytest.FixtureRequest) -> Iterator[Gateway]:
    """The simulated fleet of 120 runners."""
    with request.param(create_app(DemoFleet(FakeClock(), runners=120, seed=0), TOKEN)) as gateway:
        yield gateway


@pytest.fixture(scope="module", params=[on_a_socket, in_process])
def documented_gateway(request: pytest.FixtureRequest) -> Iterator[Gateway]:
    """The documentation's examples."""
    with request.param(create_app(DocumentedFleet(), TOKEN)) as gateway:
        yield gateway


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[ComfyControlClient]:
    async with contextlib.aclosing(gateway.client()) as client:
        yield client


@pytest.fixture
async def http(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    async with gateway.http() as http:
        yield http
