"""The gateway without a socket: httpx asks the app in this very process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from httpx import ASGITransport

from comfytui.gateway.app import create_app

if TYPE_CHECKING:
    from pydantic import SecretStr

    from comfytui.gateway.fleet import Fleet

__all__ = ["GatewayTransport"]


class GatewayTransport(ASGITransport):
    """Carries a client's requests to the API over a fleet; closing it closes the fleet.

    Args:
        fleet: Who has the runners; it lives in the event loop that the requests come from.
        token: The one bearer token that is let in; never empty.
    """

    def __init__(self, fleet: Fleet, token: SecretStr) -> None:
        super().__init__(create_app(fleet, token), raise_app_exceptions=False)
        self._fleet = fleet

    async def aclose(self) -> None:
        """Let go of what the fleet holds open."""
        await self._fleet.aclose()
