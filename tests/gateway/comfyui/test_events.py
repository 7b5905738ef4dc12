from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from uuid import UUID

import pytest
from pydantic import SecretStr

from comfytui import __version__
from comfytui.config.settings import Server
from comfytui.gateway.comfyui.events import (
    DEBOUNCE_S,
    FLOOD_RETRY_S,
    MOST_MESSAGES,
    RETRY_SECONDS,
    EventListener,
    is_job_event,
    parse_remaining,
)
from tests.support.clock import FakeClock, settle
from tests.support.comfyui import AUTHORITY, ScriptedComfyUI
from tests.support.comfyui_jobs import RECORDINGS
from tests.support.comfyui_requests import answering_at_once
from tests.support.scripted import ScriptedServer, response

SECRET = "Basic aHVudGVyMg=="
HEADERS = {"Authorization": SecretStr(SECRET)}
PATIENCE = 5.0


class Clock(FakeClock):
    """A clock that tells when somebody sleeps."""

    def __init__(self) -> None:
        super().__init__()
        self.asleep = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.asleep.set()
        await super().sleep(seconds)


class Listener:
    """Signals at work, and how many changes they told of."""

    def __init__(self, url: str, headers: Mapping[str, SecretStr]) -> None:
        self.clock = Clock()
        self.changes = 0
        self._news = asyncio.Event()
        server = Server(url, "gpu", headers)
        self.signals = EventListener(server, self._count, self.clock, ca_bundle=AUTHORITY)

    def is_open(self) -> bool:
        return self.signals.is_open

    async def heard_of(self, changes: int) -> None:
        """Wait until it was told of so many changes, and check that they are no more."""
        async with asyncio.timeout(PATIENCE):
            while self.changes < changes:
                self._news.clear()
                await self._news.wait()
        assert self.changes == changes

    def _count(self) -> None:
        self.changes += 1
        self._news.set()


@contextlib.asynccontextmanager
async def listening(url: str, headers: Mapping[str, SecretStr] = HEADERS) -> AsyncIterator[Listener]:
    listener = Listener(url, headers)
    task = asyncio.create_task(listener.signals.run())
    try:
        yield listener
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not listener.is_open()


@pytest.fixture
async def box() -> AsyncIterator[ScriptedComfyUI]:
    async with ScriptedComfyUI() as box:
        yield box


@pytest.fixture
async def listener(box: ScriptedComfyUI) -> AsyncIterator[Listener]:
    """One that is connected and was told of the connection and of the first status."""
    async with listening(box.url) as listener:
        await listener.heard_of(2)
        yield listener


async def test_handshake_has_the_server_headers(box: ScriptedComfyUI, listener: Listener) -> None:
    ((method, target),) = box.requests
    path, _, client_id = target.partition("?clientId=")
    assert (method, path) == ("GET", "/ws")
    assert UUID(client_id).version == 4
    (headers,) = box.headers
    assert headers["authorization"] == SECRET
    assert headers["user-agent"] == f"comfytui/{__version__}"
    assert not {"origin", "cookie", "sec-websocket-extensions"}.intersection(headers)
    assert listener.is_open()


async def test_each_status_is_a_change_once_the_one_before_is_old_enough(
    box: ScriptedComfyUI, listener: Listener
) -> None:
    for changes in (3, 4):
        await listener.clock.advance(DEBOUNCE_S)
        await box.changed()
        await listener.heard_of(changes)


async def test_many_changes_are_one(box: ScriptedComfyUI, listener: Listener) -> None:
    for _ in range(100):
        await box.changed()
    # All of them were heard before the end, which is told too.
    await box.part()
    await listener.heard_of(3)


async def test_the_last_of_many_changes_is_told_when_it_is_time(listener: Listener) -> None:
    news = asyncio.Event()
    telling = asyncio.create_task(listener.signals._tell(news))
    told = []
    for is_news, seconds in ((True, 0), (True, DEBOUNCE_S - 0.1), (True, 0.1), (False, DEBOUNCE_S), (False, 10)):
        if is_news:
            news.set()
        await listener.clock.advance(seconds)
        await settle()
        told.append(listener.changes - 2)
    telling.cancel()
    assert told == [1, 1, 2, 2, 2]


@pytest.mark.parametrize("kind", ["status", "execution_start", "execution_success", "execution_interrupted"])
def test_start_and_end_of_a_job_are_changes(kind: str) -> None:
    assert is_job_event(json.dumps({"type": kind, "data": {"prompt_id": "a"}}))


@pytest.mark.parametrize(
    "message",
    [
        *('{"type": "progress"}', '{"type": "progress_state"}', '{"type": "executing"}', '{"type": "logs"}'),
        *('{"type": ""}', '{"type": null}', '{"type": 7}', '{"type": {}}'),
        *("", "no JSON", "[]", "null", '"status"', "[" * 60_000, b"\x00\x00\x00\x01preview", b'{"type": "status"}'),
        json.dumps({"type": "status", "data": "x" * 64_000}),
    ],
)
def test_nothing_else_is_one(message: str | bytes) -> None:
    assert not is_job_event(message)


async def test_whatever_it_is_told_it_listens_on(box: ScriptedComfyUI, listener: Listener) -> None:
    await listener.clock.advance(DEBOUNCE_S)
    for garbage in ("", "[" * 60_000, '{"type": "status", "data": "' + "x" * 4_000_000 + '"}', b"preview"):
        await box.say(garbage)
    await box.changed()
    await listener.heard_of(3)
    assert listener.is_open()


async def test_as_much_as_a_box_can_have_to_tell_is_heard(box: ScriptedComfyUI, listener: Listener) -> None:
    for _ in range(3):
        await listener.clock.advance(1)
        for _ in range(MOST_MESSAGES - 1):
            await box.say('{"type": "progress"}')
    await box.changed()
    await listener.heard_of(3)
    assert listener.is_open()


@pytest.mark.parametrize(("message", "times"), [('{"type": "status"}', MOST_MESSAGES + 1), (b"x" * 6_000_000, 3)])
async def test_a_flood_is_left_and_tried_again_much_later(
    box: ScriptedComfyUI, listener: Listener, message: str | bytes, times: int
) -> None:
    await listener.clock.advance(1)
    for _ in range(times):
        await box.say(message)
    async with asyncio.timeout(PATIENCE):
        while listener.is_open():
            await settle(1)
    await listener.clock.advance(FLOOD_RETRY_S - 1)
    assert box.paths == ["/ws"]
    await listener.clock.advance(2)
    async with asyncio.timeout(PATIENCE):
        while not listener.is_open():
            await settle(1)
    assert box.paths == ["/ws"] * 2


def test_a_recorded_hour_of_an_observer() -> None:
    lines = (RECORDINGS / "v0.33.0" / "ws-observer.jsonl").read_text().splitlines()
    messages = [json.loads(line).get("msg") for line in lines]
    told = [each for each in messages if each and each["type"] in ("status", "execution_interrupted")]
    assert [each for each in messages if is_job_event(json.dumps(each))] == told
    assert len(told) > 60


async def test_a_header_goes_out_once_however_it_is_written() -> None:
    heard: list[bytes] = []
    async with answering_at_once(response(status=404), heard) as address:
        headers = {"Authorization": SecretStr("Basic first"), "authorization": SecretStr(SECRET)}
        async with listening(f"http://{address}", headers) as listener:
            await listener.clock.asleep.wait()
    (request,) = heard
    assert request.lower().count(b"authorization:") == 1
    assert SECRET.encode() in request


async def test_a_host_of_the_configuration_is_the_only_one(box: ScriptedComfyUI) -> None:
    heard: list[bytes] = []
    headers = HEADERS | {"hOST": SecretStr("gpu.example.com")}
    async with (
        answering_at_once(response(status=404), heard) as address,
        listening(f"http://{address}", headers) as listener,
    ):
        await listener.clock.asleep.wait()
    (request,) = heard
    assert [line for line in request.lower().splitlines() if line.startswith(b"host:")] == [b"host: gpu.example.com"]


async def test_the_certificate_is_that_of_the_address_whatever_the_host_is_called() -> None:
    async with ScriptedComfyUI(tls=True) as box:
        async with listening(box.url, HEADERS | {"Host": SecretStr("gpu.example.com")}) as listener:
            await listener.heard_of(2)
        assert [headers["host"] for headers in box.headers] == ["gpu.example.com"]


async def test_a_break_is_a_change_and_the_next_attempt_comes_later(box: ScriptedComfyUI, listener: Listener) -> None:
    await box.restart()
    await listener.heard_of(3)
    assert not listener.is_open()
    await listener.clock.advance(RETRY_SECONDS - 1)
    assert len(box.requests) == 1
    await listener.clock.advance(1)
    await listener.heard_of(5)
    assert listener.is_open()
    (_, first), (_, second) = box.requests
    assert first != second


async def test_a_close_of_good_manners_is_one_too(box: ScriptedComfyUI, listener: Listener) -> None:
    await box.part()
    await listener.heard_of(3)
    assert not listener.is_open()


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://a..b:8188", "https://127.0.0.1:1"])
async def test_failed_connection_is_no_change(url: str) -> None:
    async with listening(url) as listener:
        await listener.clock.asleep.wait()
        assert listener.changes == 0


@pytest.mark.parametrize("status", [200, 401, 403, 404, 500])
async def test_refusing_server_is_retried_later(box: ScriptedComfyUI, status: int) -> None:
    box.wall = response(b"no", status)
    async with listening(box.url) as listener:
        await listener.clock.asleep.wait()
        assert listener.changes == 0
        box.wall = b""
        await listener.clock.advance(RETRY_SECONDS)
        await listener.heard_of(2)


async def test_headers_do_not_follow_a_redirect_to_another_server(box: ScriptedComfyUI) -> None:
    async with ScriptedServer() as other:
        box.wall = response(b"", 302, {"Location": f"{other.url.replace('http', 'ws')}/ws"})
        async with listening(box.url) as listener:
            await listener.clock.asleep.wait()
        assert other.connections == 0


async def test_listener_works_over_tls_and_below_a_prefix() -> None:
    async with ScriptedComfyUI(tls=True, prefix="/gpu") as box, listening(box.url) as listener:
        await listener.heard_of(2)
        assert box.paths == ["/gpu/ws"]


async def test_a_hung_server_does_not_keep_it_from_ending(box: ScriptedComfyUI) -> None:
    async with listening(box.url) as listener:
        await listener.heard_of(2)
        box.hang()
        ending = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - ending < 2.0


async def test_the_headers_are_in_no_log(box: ScriptedComfyUI, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    async with listening(box.url) as listener:
        await listener.heard_of(2)
        assert SECRET not in repr(vars(listener.signals))
    # What the server at the other end logs is not ours.
    assert not [each for each in caplog.records if each.name != "websockets.server" and SECRET in each.getMessage()]


@pytest.mark.parametrize(
    ("message", "remaining"),
    [
        ('{"type": "status", "data": {"status": {"exec_info": {"queue_remaining": 3}}, "sid": "x"}}', 3),
        ('{"type":"status","data":{"status":{"exec_info":{"queue_remaining":0}}}}', 0),
        ('{"type": "status", "data": {"status": {"exec_info": {"queue_remaining": -1}}}}', None),
        ('{"type": "other", "data": {"status": {"exec_info": {"queue_remaining": 3}}}}', None),
        ('{"type": "status", "data": ["exec_info"]}', None),
        ('"exec_info"', None),
        ('{"exec_info"', None),
        (b'{"type": "status", "exec_info"', None),
        ('{"exec_info": "' + "x" * 2_000 + '"}', None),
    ],
)
def test_status_messages_tell_how_many_jobs_remain(message: str | bytes, remaining: int | None) -> None:
    assert parse_remaining(message) == remaining
