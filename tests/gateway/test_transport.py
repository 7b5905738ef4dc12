"""The gateway without a socket: the same answers, and the fleet ends with the client."""

from __future__ import annotations

import httpx
from pydantic import SecretStr

from comfytui.gateway.simulated import SimulatedFleet
from comfytui.gateway.transport import GatewayTransport
from tests.support.clock import FakeClock

TOKEN = SecretStr("cfc_only_for_tests")
HEADERS = {"Authorization": f"Bearer {TOKEN.get_secret_value()}"}


class _Fleet(SimulatedFleet):
    closed = 0

    async def aclose(self) -> None:
        self.closed += 1


async def test_it_answers_and_closes_the_fleet() -> None:
    fleet = _Fleet(FakeClock(), 3)
    async with httpx.AsyncClient(base_url="http://fleet", transport=GatewayTransport(fleet, TOKEN)) as client:
        assert (await client.get("/v1/runner", headers=HEADERS)).json()["total"] == 3
        assert (await client.get("/v1/runner")).status_code == 401
        assert fleet.closed == 0
    assert fleet.closed == 1


async def test_a_fault_of_the_fleet_is_an_answer() -> None:
    class _Faulty(_Fleet):
        async def get_history(self, runner_id: str) -> tuple[()]:
            raise ZeroDivisionError

    fleet = _Faulty(FakeClock(), 1)
    async with httpx.AsyncClient(base_url="http://fleet", transport=GatewayTransport(fleet, TOKEN)) as client:
        path = "/v1/runner/550e8400-e29b-41d4-a716-446655440000/history"
        assert (await client.get(path, headers=HEADERS)).status_code == 500
