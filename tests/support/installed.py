"""Installed program in a terminal or on a socket, and scripted gateways."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from comfytui.config.credentials import TOKEN_VARIABLE
from comfytui.config.settings import API_URL_VARIABLE
from tests.support.terminal import Terminal

if TYPE_CHECKING:
    from starlette.requests import Request

PROGRAM = str(Path(sys.executable).parent / "comfytui")
"""The console script that installing the package made."""

_PROGRESS = re.compile(r"(comfytui: waiting for (a token|an answer)|.*of 120 runners)\n")

TOKEN = "cfc_end2end_5f1c0ffee"

FIRST = "Production GPU Runner"
"""The newest runner of every simulated fleet."""


def dashboard(*args: str, environ: Mapping[str, str] | None = None, size: tuple[int, int] = (120, 40)) -> Terminal:
    """The dashboard on a terminal."""
    return Terminal([PROGRAM, *args], environ, size)


def client_environ(url: str, token: str = TOKEN) -> dict[str, str]:
    """What a dashboard is told about a server through its environment."""
    return {API_URL_VARIABLE: url, TOKEN_VARIABLE: token}


def without_progress(said: str) -> str:
    """Return standard error without the lines that only a slow machine is told."""
    return "".join(line for line in said.splitlines(keepends=True) if not _PROGRESS.fullmatch(line))


@dataclass(frozen=True, slots=True)
class Served:
    """A `comfytui serve` that accepts connections."""

    terminal: Terminal
    url: str

    @property
    def port(self) -> str:
        return self.url.rpartition(":")[2]

    def stop(self) -> int:
        """Ask it to end, as a service manager does; its exit status."""
        self.terminal.signal(signal.SIGTERM)
        return self.terminal.wait_exit()


@contextlib.contextmanager
def served(*args: str, environ: Mapping[str, str] | None = None) -> Iterator[Served]:
    """`comfytui serve --demo` with these arguments, on a terminal of its own."""
    with Terminal([PROGRAM, "serve", "--demo", *args], environ) as terminal:
        terminal.wait_for("Serving on http://")
        yield Served(terminal, re.findall(r"http://\S+", terminal.screen)[0])


def says(runners: Sequence[Mapping[str, object]], history: Sequence[object]) -> Starlette:
    """An app that answers with exactly this JSON, whoever asks: what no honest gateway would send."""

    async def page(_request: Request) -> Response:
        return _json({"runners": runners, "total": len(runners)})

    async def runner(request: Request) -> Response:
        wanted = request.path_params["id"]
        return _json(next(each for each in runners if each["id"] == wanted))

    async def workflows(_request: Request) -> Response:
        return _json(history)

    return Starlette(
        routes=[
            Route("/v1/runner", page),
            Route("/v1/runner/{id}", runner),
            Route("/v1/runner/{id}/history", workflows),
        ]
    )


def _json(value: object) -> Response:
    """In ASCII, so that half a character can be sent too."""
    return Response(json.dumps(value), media_type="application/json")
