from __future__ import annotations

import pytest

from comfytui.api import response_cache as module
from comfytui.api.models import Runner
from comfytui.api.response_cache import ParsedResponseCache

ADDRESS = b"/v1/runner/r1"
RAW = b'{"id": "r1"}'


@pytest.fixture
def reader() -> ParsedResponseCache[Runner]:
    return ParsedResponseCache(Runner.model_validate)


def test_the_same_body_of_the_same_address_is_what_it_was(reader: ParsedResponseCache[Runner]) -> None:
    assert reader.get(ADDRESS, RAW, "") is None
    runner = reader.parse({"id": "r1"})
    reader.keep(ADDRESS, RAW, "", runner)
    assert reader.get(ADDRESS, bytearray(RAW), "") is runner


@pytest.mark.parametrize(
    ("address", "raw", "coding"),
    [(b"/v1/runner/r2", RAW, ""), (ADDRESS, RAW + b" ", ""), (ADDRESS, RAW, "gzip")],
    ids=["another address", "another body", "compressed in another way"],
)
def test_any_other_is_not(reader: ParsedResponseCache[Runner], address: bytes, raw: bytes, coding: str) -> None:
    reader.keep(ADDRESS, RAW, "", reader.parse({"id": "r1"}))
    assert reader.get(address, raw, coding) is None


def test_only_the_newest_of_an_address_is_remembered(reader: ParsedResponseCache[Runner]) -> None:
    reader.keep(ADDRESS, RAW, "", reader.parse({"id": "r1"}))
    reader.keep(ADDRESS, b"another", "", reader.parse({"id": "r1", "name": "another"}))
    assert reader.get(ADDRESS, RAW, "") is None


def test_cache_is_small_and_skips_large_bodies(reader: ParsedResponseCache[Runner]) -> None:
    for number in range(module._MOST + 1):
        reader.keep(b"%d" % number, RAW, "", reader.parse({"id": "r1"}))
    assert reader.get(b"0", RAW, "") is None
    assert reader.get(b"1", RAW, "") is not None
    large = b" " * (module._LARGEST + 1)
    reader.keep(ADDRESS, large, "", reader.parse({"id": "r1"}))
    assert reader.get(ADDRESS, large, "") is None


def test_unreadable_body_is_described_and_not_cached(reader: ParsedResponseCache[Runner]) -> None:
    with pytest.raises(ValueError, match=r"^expected an object with an id$"):
        reader.parse([])
    assert reader.get(ADDRESS, b"[]", "") is None


def test_no_body_is_kept(reader: ParsedResponseCache[Runner]) -> None:
    reader.keep(ADDRESS, b"a secret", "", reader.parse({"id": "r1", "headers": {"Authorization": "a secret"}}))
    assert "a secret" not in repr(vars(reader))
