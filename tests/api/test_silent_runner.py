"""Errors of a gateway whose runner gave no usable answer: the extension is read where it is whole, else ignored."""

from __future__ import annotations

import contextlib

import pytest

from comfytui.api.errors import ServerError, SilentRunnerError
from comfytui.api.statuses import RunnerState
from comfytui.gateway.serializers import serialize_error, serialize_unreachable
from tests.api.test_session import PATH, ask, session_to
from tests.support.scripted import ScriptedServer, json_reply


@pytest.mark.parametrize("state", RunnerState)
async def test_state_and_reason_are_read(state: RunnerState) -> None:
    body = serialize_error(503, "gpu: slow") | serialize_unreachable(state, "slow\x1b[2J")
    async with ScriptedServer() as server, contextlib.aclosing(session_to(server.url)) as session:
        server.on(PATH, json_reply(body, 503))
        with pytest.raises(SilentRunnerError) as caught:
            await ask(session)
    error = caught.value
    assert (error.state, error.message, error.status) == (state, "gpu: slow", 503)
    assert error.reason == "slow␛[2J"


@pytest.mark.parametrize(
    "runner", [None, 7, [], {}, {"state": "slow"}, {"state": 1, "reason": "x"}, {"state": "asleep", "reason": "x"}]
)
async def test_anything_else_is_an_error_as_without_it(runner: object) -> None:
    async with ScriptedServer() as server, contextlib.aclosing(session_to(server.url)) as session:
        server.on(PATH, json_reply({**serialize_error(503, "down"), "runner": runner}, 503))
        with pytest.raises(ServerError) as caught:
            await ask(session)
    assert type(caught.value) is ServerError
