"""Finding the files that workflows are saved in, over real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest

from comfytui.config.servers import Server
from comfytui.gateway.comfyui.client import BoxClient
from comfytui.gateway.comfyui.saved import SavedWorkflows
from tests.gateway.comfyui.watching import until
from tests.support.comfyui import ScriptedComfyUI

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
async def saved(box: ScriptedComfyUI, clock: FakeClock) -> AsyncIterator[SavedWorkflows]:
    async with (
        aclosing(BoxClient(Server(box.url, "gpu"))) as client,
        aclosing(SavedWorkflows(client, clock, nothing_else)) as saved,
    ):
        yield saved


async def look(saved: SavedWorkflows, *documents: str) -> None:
    saved.want(documents)
    await saved._looking.landed()


async def test_files_are_found_by_what_is_in_them(box: ScriptedComfyUI, saved: SavedWorkflows) -> None:
    box.files = {"a b.json": ({"id": "one"}, 1.0), "deep/c.json": ({"id": "two"}, 2.0), "d.json": ({}, 3.0)}
    await look(saved, "one")
    assert saved.paths == {"one": "a b.json", "two": "deep/c.json"}
    assert [target for _, target in box.requests] == [
        LIST,
        "/userdata/workflows%2Fd.json",
        "/userdata/workflows%2Fdeep%2Fc.json",
        "/userdata/workflows%2Fa%20b.json",
    ]


async def test_nothing_is_asked_where_nothing_is_unknown(box: ScriptedComfyUI, saved: SavedWorkflows) -> None:
    await look(saved, "", "")
    assert box.requests == []
    box.files = {"a.json": ({"id": "one"}, 1.0)}
    await look(saved, "one")
    count = len(box.requests)
    await look(saved, "one", "")
    assert len(box.requests) == count


async def test_it_looks_again_after_five_minutes_and_reads_what_changed(
    box: ScriptedComfyUI, saved: SavedWorkflows, clock: FakeClock
) -> None:
    box.files = {"a.json": ({"id": "one"}, 1.0), "b.json": ({"id": "two"}, 1.0)}
    await look(saved, "new")
    box.files["b.json"] = ({"id": "new"}, 2.0)
    box.requests.clear()
    await clock.advance(299)
    await look(saved, "new")
    assert box.requests == []
    await clock.advance(1)
    await look(saved, "new")
    assert saved.paths == {"one": "a.json", "new": "b.json"}
    assert box.paths == ["/userdata", "/userdata/workflows%2Fb.json"]


async def test_of_two_files_of_a_document_the_one_changed_last_names_it(
    box: ScriptedComfyUI, saved: SavedWorkflows
) -> None:
    box.files = {"old.json": ({"id": "one"}, 1.0), "new.json": ({"id": "one"}, 2.0), "oldest.json": ({"id": "one"}, 0)}
    await look(saved, "one")
    assert saved.paths == {"one": "new.json"}


async def test_the_twenty_newest_are_read(box: ScriptedComfyUI, saved: SavedWorkflows) -> None:
    box.files = {f"{number}.json": ({"id": f"id {number}"}, float(number)) for number in range(50)}
    await look(saved, "id 0")
    assert set(saved.paths) == {f"id {number}" for number in range(30, 50)}


async def test_where_nothing_is_saved(box: ScriptedComfyUI, saved: SavedWorkflows) -> None:
    await look(saved, "one")
    assert (saved.paths, len(box.requests)) == ({}, 1)


async def test_a_file_that_is_gone_spoils_no_other(box: ScriptedComfyUI, saved: SavedWorkflows) -> None:
    box.files = {"gone.json": ({"id": "one"}, 2.0), "a.json": ({"id": "two"}, 1.0)}
    box.hang("/userdata/")
    saved.want(["two"])
    await until(lambda: "/userdata/workflows%2Fgone.json" in box.paths)
    del box.files["gone.json"]
    box.resume()
    await look(saved, "two")
    assert saved.paths == {"two": "a.json"}


async def test_what_is_known_stays_where_the_box_is_gone(
    box: ScriptedComfyUI, saved: SavedWorkflows, clock: FakeClock
) -> None:
    box.files = {"a.json": ({"id": "one"}, 1.0)}
    await look(saved, "one")
    await box.stop()
    await clock.advance(300)
    await look(saved, "two")
    assert saved.paths == {"one": "a.json"}


async def test_closing_stops_it(box: ScriptedComfyUI, saved: SavedWorkflows) -> None:
    box.hang()
    saved.want(["one"])
    await until(lambda: len(box.requests) == 1)
    await saved.aclose()
    assert not saved._looking.is_under_way
