from __future__ import annotations

import re
import signal
from pathlib import Path

from comfytui.config.credentials import TOKEN_VARIABLE
from tests.support.installed import FIRST, TOKEN, client_environ, dashboard, served


def test_a_server_that_goes_and_comes_back() -> None:
    given = {TOKEN_VARIABLE: TOKEN}
    with served("--port", "0", environ=given) as server:
        with dashboard("--interval", "1", environ=client_environ(server.url), size=(140, 40)) as terminal:
            host = server.url.removeprefix("http://")
            terminal.wait_for(FIRST, host, "● live", "Recent workflows  ", "✔ yes")
            assert server.stop() == 0
            terminal.wait_for("stale since", "the API cannot be reached", "retry in", FIRST, "Development Runner")
            with served("--port", server.port, environ=given) as again:
                terminal.wait_for("● live", FIRST)
                terminal.wait_gone("stale", "cannot be reached")
                assert again.url == server.url
                assert TOKEN.encode() not in Path(f"/proc/{terminal.pid}/cmdline").read_bytes()
                assert TOKEN.encode() not in Path(f"/proc/{again.terminal.pid}/cmdline").read_bytes()
                assert TOKEN.encode() not in again.terminal.raw
            terminal.press("q")
            assert terminal.wait_exit() == 0
            assert TOKEN.encode() not in terminal.raw
        assert TOKEN.encode() not in server.terminal.raw


def test_a_made_token_lets_in_and_another_does_not() -> None:
    with served("--port", "0") as server:
        made = re.findall(r"the token is (cfc_\S+)", server.terminal.screen)[0]
        with dashboard(environ=client_environ(server.url, made)) as terminal:
            terminal.wait_for(FIRST, "● live")
            terminal.press("q")
            assert terminal.wait_exit() == 0
            assert made.encode() not in terminal.raw
        with dashboard(environ=client_environ(server.url, TOKEN)) as terminal:
            terminal.wait_for("Invalid token", "paste a token")
            terminal.press("ctrl+c")
            assert terminal.wait_exit() == 0
            assert TOKEN.encode() not in terminal.raw
        server.terminal.signal(signal.SIGINT)
        assert server.terminal.wait_exit() == 0
        assert b"Traceback" not in server.terminal.raw


def test_user_info_of_an_address_is_not_shown() -> None:
    with dashboard("--url", "http://somebody:sekret@127.0.0.1:9", environ=client_environ("")) as terminal:
        terminal.wait_for("127.0.0.1:9", "not hold a user name")
        terminal.press("q")
        assert terminal.wait_exit() == 0
        assert b"sekret" not in terminal.raw
        assert b"somebody" not in terminal.raw
