from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Awaitable

import httpx
import pytest
from pydantic import SecretStr

from comfytui.api.credentials import RENEW_EVERY, Renewal
from comfytui.api.errors import UnauthorizedError
from comfytui.api.request_log import RequestLog
from comfytui.api.session import Session
from comfytui.ratelimit.local import LocalRateLimiter
from tests.support.clock import FakeClock, settle
from tests.support.reading import as_sent

PAGE = "/v1/runner"
STATS = "/v1/runner/a/stats"


class Api:
    """An API that takes some tokens, and the source of those tokens.

    Attributes:
        taken: The tokens that it takes.
        strays: Requests that it refuses although the token is right.
        refused_paths: Paths that it always answers with 401.
        offered: The token that the source has; None if it has none.
        sent: Token and path of each request.
        looked: When the source was asked.
    """

    def __init__(self, *, renewable: bool = True) -> None:
        self.clock = FakeClock()
        self.log = RequestLog(self.clock)
        self.taken = {"cfc_one"}
        self.strays = 0
        self.refused_paths: set[str] = set()
        self.offered: str | None = "cfc_one"
        self.sent: list[tuple[str, str]] = []
        self.looked: list[float] = []
        self.renewal = Renewal(self._find, self.clock) if renewable else None
        self.session = Session(
            "https://api.test",
            SecretStr("cfc_one"),
            httpx.MockTransport(self._answer),
            rate_limiter=LocalRateLimiter(self.clock),
            log=self.log,
            clock=self.clock,
            renewal=self.renewal,
        )

    @property
    def tokens(self) -> list[str]:
        return [token for token, _ in self.sent]

    async def ask(self, path: str = PAGE) -> object:
        return await self.session.get(path, as_sent())

    def _answer(self, request: httpx.Request) -> httpx.Response:
        token = request.headers["authorization"].removeprefix("Bearer ")
        self.sent.append((token, request.url.path))
        if self.strays:
            self.strays -= 1
            return httpx.Response(401, json={"message": "Invalid token"})
        if token not in self.taken or request.url.path in self.refused_paths:
            return httpx.Response(401, json={"message": f"{token} and cfc_one are not taken"})
        return httpx.Response(200, content=json.dumps({"ok": token}))

    async def _find(self) -> SecretStr | None:
        self.looked.append(self.clock.monotonic())
        return None if self.offered is None else SecretStr(self.offered)


async def landed(awaited: Awaitable[object], clock: FakeClock, seconds: float = 0.0) -> object:
    """The result of something after so many seconds; it must be done by then."""
    task = asyncio.ensure_future(awaited)
    await settle()
    await clock.advance(seconds)
    assert task.done()
    return task.result()


async def test_refused_token_is_replaced_by_the_one_its_source_has_now() -> None:
    api = Api()
    assert await api.ask() == {"ok": "cfc_one"}
    api.taken, api.offered = {"cfc_two"}, "cfc_two"
    assert await api.ask() == {"ok": "cfc_two"}
    assert await api.ask() == {"ok": "cfc_two"}
    assert api.tokens == ["cfc_one", "cfc_one", "cfc_two", "cfc_two"]
    assert len(api.looked) == 1


async def test_token_refused_from_the_start_is_renewed_but_not_tried_twice() -> None:
    api = Api()
    api.taken = {"cfc_two"}
    with pytest.raises(UnauthorizedError):
        await api.ask()
    assert api.tokens == ["cfc_one"]
    api = Api()
    api.taken, api.offered = {"cfc_two"}, "cfc_two"
    assert await api.ask() == {"ok": "cfc_two"}


async def test_single_refusal_between_good_answers_is_tried_again_once() -> None:
    for renewable in (True, False):
        api = Api(renewable=renewable)
        await api.ask()
        api.strays = 1
        assert await api.ask() == {"ok": "cfc_one"}
        api.strays = 1
        assert await landed(api.ask(), api.clock, RENEW_EVERY) == {"ok": "cfc_one"}
        assert len(api.sent) == 5


async def test_stray_refusal_does_not_wait_for_the_source() -> None:
    api = Api()
    await api.ask()
    for _ in range(3):
        api.strays = 1
        assert await landed(api.ask(), api.clock) == {"ok": "cfc_one"}
    assert len(api.looked) == 1


async def test_two_refusals_in_a_row_stand() -> None:
    api = Api()
    await api.ask()
    api.taken = set()
    with pytest.raises(UnauthorizedError):
        await api.ask()
    assert len(api.sent) == 3


async def test_rotating_tokens_have_the_source_asked_at_most_every_ten_seconds() -> None:
    api = Api()
    await api.ask()
    for round_number in range(6):
        api.taken = {f"cfc_{round_number}"}
        api.offered = f"cfc_{round_number}"
        assert await landed(api.ask(), api.clock, RENEW_EVERY) == {"ok": f"cfc_{round_number}"}
    apart = [later - earlier for earlier, later in itertools.pairwise(api.looked)]
    assert len(api.looked) == 6
    assert min(apart) >= RENEW_EVERY


async def test_many_requests_refused_at_once_renew_the_token_once() -> None:
    api = Api()
    await api.ask()
    api.taken, api.offered = {"cfc_two"}, "cfc_two"
    paths = [f"/v1/runner/{place}/history" for place in range(6)]
    assert await asyncio.gather(*map(api.ask, paths)) == [{"ok": "cfc_two"}] * 6
    assert len(api.looked) == 1
    assert len(api.sent) == 13


async def test_many_requests_refused_for_good_are_not_all_tried_again() -> None:
    api = Api()
    await api.ask()
    api.taken = set()
    paths = [f"/v1/runner/{place}/history" for place in range(6)]
    outcomes = await asyncio.gather(*map(api.ask, paths), return_exceptions=True)
    assert all(isinstance(outcome, UnauthorizedError) for outcome in outcomes)
    assert len(api.looked) == 1
    assert len(api.sent) == 8


async def test_resource_that_is_always_refused_costs_no_second_request_each_time() -> None:
    api = Api()
    api.refused_paths = {STATS, STATS.replace("/a/", "/b/")}
    for path in (STATS, STATS.replace("/a/", "/b/"), STATS):
        await api.ask()
        with pytest.raises(UnauthorizedError):
            await api.ask(path)
        await api.clock.advance(60)
    assert [path for _, path in api.sent if path.endswith("stats")].count(STATS) == 3
    assert len(api.looked) == 1
    api.taken, api.offered = {"cfc_two"}, "cfc_two"
    assert await api.ask() == {"ok": "cfc_two"}


@pytest.mark.parametrize("offered", [None, "cfc_one", "cfc_bad"])
async def test_source_without_a_better_token_leaves_the_refusal(offered: str | None) -> None:
    api = Api()
    api.taken, api.offered = {"cfc_two"}, offered
    with pytest.raises(UnauthorizedError):
        await landed(api.ask(), api.clock, 2 * RENEW_EVERY)
    assert api.tokens == (["cfc_one", "cfc_bad"] if offered == "cfc_bad" else ["cfc_one"])
    assert len(api.looked) == 1


async def test_no_token_ever_sent_is_shown() -> None:
    api = Api()
    await api.ask()
    api.taken, api.offered = {"cfc_none"}, "cfc_two"
    with pytest.raises(UnauthorizedError) as caught:
        await api.ask("/v1/runner/cfc_one")
    shown = str(caught.value) + repr(api.log.entries)
    assert "cfc_" not in shown.replace("cfc_none", "")
    assert caught.value.__context__ is None


async def test_renewal_offers_what_the_user_replaced_the_token_with_again() -> None:
    clock, offered = FakeClock(), SecretStr("cfc_one")

    async def find() -> SecretStr | None:
        return offered

    renewal = Renewal(find, clock)
    assert await renewal.newer_than(offered) is None
    renewal.replace(offered)
    found = asyncio.ensure_future(renewal.newer_than(SecretStr("cfc_typed")))
    await clock.advance(RENEW_EVERY - 1)
    assert not found.done()
    await clock.advance(1)
    assert found.result() == offered == renewal.newest
