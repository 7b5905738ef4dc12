from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from comfytui.cli.checks.check import Check, Result
from comfytui.cli.checks.servers import look_at_servers
from comfytui.cli.exit_codes import ExitStatus
from comfytui.clock import SystemClock
from comfytui.config.settings import Server
from tests.support.comfyui import AUTHORITY, ScriptedComfyUI
from tests.support.scripted import response


async def look(*servers: Server, seconds: float = 5.0) -> list[Check]:
    return await look_at_servers(servers, AUTHORITY, SystemClock(), seconds)


async def look_at(url: str, seconds: float = 5.0) -> Check:
    (check,) = await look(Server(url, "gpu2"), seconds=seconds)
    assert check.name == "comfyui gpu2"
    return check


async def test_each_server_is_told_of_in_order() -> None:
    async with ScriptedComfyUI() as new, ScriptedComfyUI("0.3.64", tls=True) as old:
        checks = await look(Server(old.url, "old"), Server(new.url, "new"))
        assert old.paths == new.paths == ["/system_stats"]
    assert [each.name for each in checks] == ["comfyui old", "comfyui new"]
    assert [each.result for each in checks] == [Result.OK, Result.OK]
    assert checks[0].found.startswith("ComfyUI 0.3.64 answered in ")
    assert checks[1].found.startswith("ComfyUI 0.33.0 answered in ")


async def test_one_that_does_not_run() -> None:
    async with ScriptedComfyUI() as box:
        url = box.url
    check = await look_at(url)
    assert (check.result, check.status) == (Result.FAIL, ExitStatus.UNREACHABLE)
    assert "nothing listens there" in check.found


async def test_untrusted_certificate_names_the_settings_that_help() -> None:
    async with ScriptedComfyUI(tls=True) as box:
        (check,) = await look_at_servers([Server(box.url, "gpu2")], None, SystemClock(), 5.0)
    assert (check.result, check.status) == (Result.FAIL, ExitStatus.UNREACHABLE)
    assert "certificate is not trusted" in check.found
    assert "ca_bundle" in check.remedy
    assert "SSL_CERT_FILE" in check.remedy


@pytest.mark.parametrize(("minutes", "words"), [(5, "5m00 ahead"), (-5, "5m00 behind")])
async def test_one_whose_clock_is_off(minutes: int, words: str) -> None:
    async with ScriptedComfyUI() as box:
        box.date = lambda: datetime.now(UTC) + timedelta(minutes=minutes, seconds=0.5)
        check = await look_at(box.url)
    assert check.result is Result.WARN
    found = check.found.partition("its clock is ")[2]
    # Date has whole seconds.
    assert found in {words, words.replace("5m00", "5m01"), words.replace("5m00", "4m59")}


async def test_one_that_hangs() -> None:
    async with ScriptedComfyUI() as box:
        box.hang()
        check = await look_at(box.url, 0.2)
    assert (check.result, check.status) == (Result.FAIL, ExitStatus.UNREACHABLE)
    assert check.found == "accepts connections and does not answer"


async def test_one_with_a_password() -> None:
    async with ScriptedComfyUI() as box:
        box.authorization = "Basic c2VrcmV0"
        check = await look_at(box.url)
        assert (check.result, check.status) == (Result.FAIL, ExitStatus.NO_TOKEN)
        assert check.found == "asks for a password"
        (check,) = await look(Server(box.url, "gpu2", {"Authorization": SecretStr(box.authorization)}))
    assert check.result is Result.OK
    assert check.found.endswith(" and took the headers of the configuration")
    assert "c2VrcmV0" not in repr(check)


async def test_one_that_speaks_tls_alone() -> None:
    async with ScriptedComfyUI(tls=True) as box:
        check = await look_at(box.url.replace("https:", "http:"))
    assert (check.result, check.status) == (Result.FAIL, ExitStatus.FAILED)
    assert (check.found, check.remedy) == ("it speaks TLS only", "use https://")


async def test_what_keeps_one_from_being_asked_is_no_fault_of_its(monkeypatch: pytest.MonkeyPatch) -> None:
    (untrusted,) = await look_at_servers([Server("https://gpu2", "gpu2")], Path("/nowhere.pem"), SystemClock(), 5.0)
    assert (untrusted.result, untrusted.status) == (Result.FAIL, ExitStatus.FAILED)
    assert untrusted.remedy == "name a file of certificates there that can be read, or none"
    monkeypatch.setenv("HTTP_PROXY", "ftp://me:s3cret@h")
    check = await look_at("http://gpu2.example.com")
    assert check.remedy == "set it to http://HOST:PORT, or unset it"
    assert "s3cret" not in repr(check)


async def test_something_else() -> None:
    async with ScriptedComfyUI() as box:
        for wall in (response(b"<html>"), response(b"[]")):
            box.wall = wall
            check = await look_at(box.url)
            assert check.result is Result.FAIL
            assert check.found == "answers, but not as ComfyUI does"
        box.wall = response(b'{"system": {}}')
        assert (await look_at(box.url)).result is Result.WARN
