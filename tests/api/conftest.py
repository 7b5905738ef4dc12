"""Fixtures of the tests of the API's client."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.scripted import ScriptedServer


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    """A scripted server that answers nothing but 404 yet."""
    async with ScriptedServer() as server:
        yield server
