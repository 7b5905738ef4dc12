"""The API itself, by one request, and what that tells of clocks and of the budget."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from comfytui.api.errors import (
    ComfyControlError,
    Forbidden,
    InvalidArgument,
    RateLimited,
    RequestError,
    ServerError,
    StatusError,
    TimedOut,
    Unauthorized,
    Unintelligible,
    Unreachable,
)
from comfytui.cli.checks.check import Check, fail, ok, warn
from comfytui.cli.exit_codes import ExitStatus
from comfytui.ratelimit.window import Use
from comfytui.render.times import duration

if TYPE_CHECKING:
    from comfytui.api.client import ComfyControlClient
    from comfytui.api.models import RunnerPage
    from comfytui.clock import Clock
    from comfytui.ratelimit.window import Allowance


_ELSEWHERE = "is this the address of a ComfyControl API? see --url and comfytui config print"
_ADDRESS = "correct the address: comfytui config print tells where it is from"
_REMEDIES: dict[type[ComfyControlError], str] = {
    Unauthorized: "make another token in ComfyControl's web app (account settings, API Tokens)",
    Forbidden: "the account's tier or permissions do not allow it: ask whoever owns it",
    Unreachable: "look at dns, proxy and tls above",
    TimedOut: "look at dns, proxy and tls above; is a firewall in between?",
    ServerError: "the API itself is in trouble: try again later",
}


class Asked(NamedTuple):
    """What one request came to, and how far the API's clock is ahead; None where it did not answer."""

    check: Check
    ahead: float | None = None


async def ask(client: ComfyControlClient, allowance: Allowance, clock: Clock, seconds: float, proxy: str = "") -> Asked:
    """Ask for one runner, within so many seconds, waiting for the allowance included.

    Args:
        client: Who asks.
        allowance: What the request is taken from.
        clock: Tells how long it took.
        seconds: How long it may take.
        proxy: The variable with the proxy that the request goes through, if any.
    """
    sent_on = clock.monotonic()
    outcome: RunnerPage | ComfyControlError

    def sent() -> None:
        nonlocal sent_on
        sent_on = clock.monotonic()

    try:
        async with asyncio.timeout(seconds):
            outcome = await client.list_runners(per_page=1, use=Use.WISH, on_sent=sent)
    except TimeoutError:
        if allowance.wait_for(Use.WISH) > 0:
            return Asked(_held_back(allowance.spending.cooling(clock.monotonic())))
        outcome = TimedOut("GET", "/v1/runner", f"no whole answer within {seconds:g} seconds")
    except ComfyControlError as error:
        outcome = error
    answered = not isinstance(outcome, InvalidArgument | Unreachable | TimedOut)
    took = (clock.monotonic() - sent_on) * 1000
    return Asked(verdict(outcome, took, proxy), client.ahead if answered else None)


def verdict(outcome: RunnerPage | ComfyControlError, ms: float, proxy: str = "") -> Check:
    """What an answer, or none, means.

    Args:
        outcome: The page, or what went wrong.
        ms: Milliseconds that it took.
        proxy: The variable with the proxy that was asked to pass the request on, if any.
    """
    if not isinstance(outcome, ComfyControlError):
        return ok("api", f"answered in {ms:.0f} ms and took the token; {_count(outcome.total)}")
    match outcome:
        case RateLimited():
            return warn("api", _words(outcome), "ask less often: everybody behind this address shares its limit")
        case InvalidArgument():
            found, _, remedy = str(outcome).partition(": ")
            return fail("api", f"not asked: {found}", remedy or _ADDRESS)
        case Unauthorized():
            return fail("api", _words(outcome), _REMEDIES[Unauthorized], ExitStatus.NO_TOKEN)
        case Unreachable() | TimedOut():
            return _nobody(outcome, proxy)
        case _:
            return fail("api", _words(outcome), _REMEDIES.get(type(outcome), _ELSEWHERE))


def clock_skew(ahead: float | None) -> Check:
    """Whether the clocks agree; None where the API did not answer."""
    match ahead:
        case None:
            return warn(
                "clock", "nothing to compare it with: the API did not answer", "it is looked at once api is well"
            )
        case 0.0:
            return ok("clock", "the API's and this machine's agree, as far as its answer tells")
        case _:
            way = "ahead of" if ahead > 0 else "behind"
            return warn("clock", f"the API's is {duration(abs(ahead))} {way} this machine's", "set it, best by NTP")


def _nobody(error: Unreachable | TimedOut, proxy: str) -> Check:
    """What no answer means: behind a proxy it is the proxy that gave none."""
    words, remedy = error.message, _REMEDIES[type(error)]
    if proxy and words.startswith("TLS"):
        remedy = "if the proxy shows a certificate of its own, name who vouches for it: ca_bundle, or SSL_CERT_FILE"
    elif proxy:
        words = f"by way of the proxy that {proxy} names: {words}"
        remedy = f"is it the right proxy, and running? else correct or unset {proxy}, or name the host in NO_PROXY"
    elif "nothing listens there" in words:
        remedy = "is it running, and is the port right?"
    return fail("api", words, remedy, ExitStatus.UNREACHABLE)


def _words(error: ComfyControlError) -> str:
    match error:
        case StatusError():
            # Where the answer had no words of its own, these begin with its status.
            return f"answered {error.status}: {error.message.removeprefix(f'{error.status}: ')}"
        case Unintelligible():
            return f"answered something else than the API does: {error.message}"
        case RequestError():
            return error.message
        case _:
            return str(error)


def _count(total: int | None) -> str:
    """How many runners there are; the API may not say."""
    return f"{'an unknown number of' if total is None else total} runner{'' if total == 1 else 's'}"


def _held_back(cooling: float) -> Check:
    if cooling > 0:
        return warn("api", f"not asked: it wants to be left alone for another {duration(cooling)}", "wait that long")
    return warn("api", "not asked: the request budget did not allow it in time", "end other dashboards of this API")
