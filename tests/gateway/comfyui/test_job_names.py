"""Finding the files that workflows are saved in, over real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from comfytui.config.settings import Server
from comfytui.gateway.comfyui.client import ComfyUIClient
from comfytui.gateway.comfyui.job_names import SavedWorkflowIndex
from tests.support.comfyui import ScriptedComfyUI
from tests.support.comfyui_monitoring import until
from tests.support.scripted import Answer, ScriptedServer, error_reply, hang, hang_up, json_reply, reply

if TYPE_CHECKING:
    from tests.support.clock import FakeClock

LIST = "/userdata?dir=workflows&recurse=true&split=false&full_info=true"


@pytest.fixture
async def box() -> AsyncIterator[ScriptedComfyUI]:
    async with ScriptedComfyUI() as box:
        yield box


async def nothing_else() -> None:
    pass


@pytest.fixture
async def saved(box: ScriptedComfyUI, clock: FakeClock) -> AsyncIterator[SavedWorkflowIndex]:
    async with (
        aclosing(ComfyUIClient(Server(box.url, "gpu"))) as client,
        aclosing(SavedWorkflowIndex(client, clock, nothing_else)) as saved,
    ):
        yield saved


async def look(saved: SavedWorkflowIndex, *documents: str) -> None:
    saved.request(documents)
    await saved._looking.wait_idle()


async def test_files_are_found_by_what_is_in_them(box: ScriptedComfyUI, saved: SavedWorkflowIndex) -> None:
    box.files = {"a b.json": ({"id": "one"}, 1.0), "deep/c.json": ({"id": "two"}, 2.0), "d.json": ({}, 3.0)}
    await look(saved, "one")
    assert saved.paths == {"one": "a b.json", "two": "deep/c.json"}
    assert [target for _, target in box.requests] == [
        LIST,
        "/userdata/workflows%2Fd.json",
        "/userdata/workflows%2Fdeep%2Fc.json",
        "/userdata/workflows%2Fa%20b.json",
    ]


async def test_nothing_is_asked_where_nothing_is_unknown(box: ScriptedComfyUI, saved: SavedWorkflowIndex) -> None:
    await look(saved, "", "")
    assert box.requests == []
    box.files = {"a.json": ({"id": "one"}, 1.0)}
    await look(saved, "one")
    count = len(box.requests)
    await look(saved, "one", "")
    assert len(box.requests) == count


async def test_saved_workflows_are_looked_up_every_minute(
    box: ScriptedComfyUI, saved: SavedWorkflowIndex, clock: FakeClock
) -> None:
    box.files = {"a.json": ({"id": "one"}, 1.0), "b.json": ({"id": "two"}, 1.0)}
    await look(saved, "new")
    box.files["b.json"] = ({"id": "new"}, 2.0)
    box.requests.clear()
    await clock.advance(44)
    await look(saved, "new")
    assert box.requests == []
    await clock.advance(1)
    await look(saved, "new")
    assert saved.paths == {"one": "a.json", "new": "b.json"}
    assert box.paths == ["/userdata", "/userdata/workflows%2Fb.json"]


async def test_file_renamed_or_removed_is_noticed_though_its_document_is_known(
    box: ScriptedComfyUI, saved: SavedWorkflowIndex, clock: FakeClock
) -> None:
    box.files = {"a.json": ({"id": "one"}, 1.0), "b.json": ({"id": "two"}, 1.0)}
    await look(saved, "one")
    box.files = {"portrait.json": ({"id": "one"}, 1.0)}
    await clock.advance(45)
    await look(saved, "one")
    assert saved.paths == {"one": "portrait.json"}
    box.files = {"other.json": ({"id": "three"}, 1.0)}
    await clock.advance(45)
    await look(saved, "one")
    del box.files["other.json"]
    box.files["third.json"] = ({}, 0.0)
    await clock.advance(45)
    await look(saved, "one")
    assert saved.paths == {}


async def test_file_that_is_new_is_read_before_old_ones_of_which_there_are_many(
    box: ScriptedComfyUI, saved: SavedWorkflowIndex, clock: FakeClock
) -> None:
    box.files = {f"{number}.json": ({"id": f"id {number}"}, float(number)) for number in range(1, 80)}
    await look(saved, "new")
    box.files["renamed.json"] = ({"id": "new"}, 0.5)
    await clock.advance(45)
    await look(saved, "new")
    assert saved.paths["new"] == "renamed.json"


async def test_newest_file_of_a_document_names_it(box: ScriptedComfyUI, saved: SavedWorkflowIndex) -> None:
    box.files = {"old.json": ({"id": "one"}, 1.0), "new.json": ({"id": "one"}, 2.0), "oldest.json": ({"id": "one"}, 0)}
    await look(saved, "one")
    assert saved.paths == {"one": "new.json"}


async def test_twenty_are_read_at_a_time_the_newest_first(
    box: ScriptedComfyUI, saved: SavedWorkflowIndex, clock: FakeClock
) -> None:
    box.files = {f"{number}.json": ({"id": f"id {number}"}, float(number)) for number in range(50)}
    for oldest in (30, 10, 0):
        await look(saved, "never saved")
        assert set(saved.paths) == {f"id {number}" for number in range(oldest, 50)}
        await clock.advance(300)
    await look(saved, "never saved")
    assert len(box.paths) == 50 + 4


@asynccontextmanager
async def scripted(clock: FakeClock) -> AsyncIterator[tuple[ScriptedServer, SavedWorkflowIndex]]:
    """A server whose files answer as a test says, and what reads them."""
    async with (
        ScriptedServer() as server,
        aclosing(ComfyUIClient(Server(server.url, "gpu"), timeout=0.3)) as client,
        aclosing(SavedWorkflowIndex(client, clock, nothing_else)) as saved,
    ):
        yield server, saved


def listed(names: Iterable[str]) -> Answer:
    """The list of files of these names, the newest first."""
    return json_reply([{"path": f"{name}.json", "size": 1, "modified": -age} for age, name in enumerate(names)])


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(reply(b"{not json"), id="no JSON"),
        pytest.param(reply(b" " * 8_000_001), id="too large"),
        pytest.param(error_reply(500, ""), id="refused"),
        pytest.param(hang_up(), id="dropped"),
        pytest.param(hang(), id="hung"),
    ],
)
async def test_a_file_that_cannot_be_read_spoils_no_other(clock: FakeClock, spoil: Answer) -> None:
    async with scripted(clock) as (server, saved):
        server.on("/userdata", listed(["new", "bad", "old"]))
        server.on("/userdata/workflows%2Fbad.json", spoil)
        for name in ("old", "new"):
            server.on(f"/userdata/workflows%2F{name}.json", json_reply({"id": name}))
        await look(saved, "new")
        assert saved.paths == {"new": "new.json", "old": "old.json"}


async def test_files_without_an_answer_are_tried_again_after_the_others(clock: FakeClock) -> None:
    names = [f"{number:02}" for number in range(40)]
    async with scripted(clock) as (server, saved):
        server.on("/userdata", listed(names))
        for name in names:
            locked = [error_reply(401, "")] if name < "20" else []
            server.on(f"/userdata/workflows%2F{name}.json", *locked, json_reply({"id": name}))
        known = []
        for _ in range(3):
            await look(saved, "never saved")
            known.append(sorted(saved.paths))
            await clock.advance(300)
    assert known == [[], names[20:], names]


async def test_names_too_odd_or_too_long_spoil_no_other(box: ScriptedComfyUI, saved: SavedWorkflowIndex) -> None:
    odd = ("half \ud800.json", "x" * 70_000 + ".json", "x" * 996 + ".json")
    box.files = {"a.json": ({"id": "one"}, 1.0)} | {path: ({"id": path}, 2.0) for path in odd}
    await look(saved, "one")
    assert (saved.paths, len(box.requests)) == ({"one": "a.json"}, 2)


async def test_server_without_saved_workflows(box: ScriptedComfyUI, saved: SavedWorkflowIndex) -> None:
    await look(saved, "one")
    assert (saved.paths, len(box.requests)) == ({}, 1)


async def test_a_file_that_is_gone_spoils_no_other(box: ScriptedComfyUI, saved: SavedWorkflowIndex) -> None:
    box.files = {"gone.json": ({"id": "one"}, 2.0), "a.json": ({"id": "two"}, 1.0)}
    box.hang("/userdata/")
    saved.request(["two"])
    await until(lambda: "/userdata/workflows%2Fgone.json" in box.paths)
    del box.files["gone.json"]
    box.resume()
    await look(saved, "two")
    assert saved.paths == {"two": "a.json"}


async def test_known_names_stay_without_the_server(
    box: ScriptedComfyUI, saved: SavedWorkflowIndex, clock: FakeClock
) -> None:
    box.files = {"a.json": ({"id": "one"}, 1.0)}
    await look(saved, "one")
    await box.stop()
    await clock.advance(300)
    await look(saved, "two")
    assert saved.paths == {"one": "a.json"}


async def test_closing_stops_it(box: ScriptedComfyUI, saved: SavedWorkflowIndex) -> None:
    box.hang()
    saved.request(["one"])
    await until(lambda: len(box.requests) == 1)
    await saved.aclose()
    assert not saved._looking.is_running
