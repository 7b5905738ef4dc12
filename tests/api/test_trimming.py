from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comfytui.api import trimming
from comfytui.api.trimming import CUT, MAX_DEPTH, MAX_ENTRIES, MAX_KEPT, MAX_STRING, MAX_VALUES, trim_json

SIZE = 4_000_000
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet='a"\\[]{},:é', max_size=6),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(alphabet='a"[', max_size=3), inner),
    max_leaves=20,
)


def filled(before: bytes, part: bytes, after: bytes) -> bytes:
    return before + part * ((SIZE - len(before) - len(after)) // len(part)) + after


HUGE = {
    "runners": filled(b'{"runners": [{"id": 1}', b',{"id":1}', b'], "total": 9}'),
    "empty objects": filled(b"[{}", b",{}", b"]"),
    "lists": filled(b"[[", b"],[", b"]]"),
    "tags": filled(b'[{"tags": ["a"', b',"a"', b"]}]"),
    "numbers": filled(b"[1", b",1", b"]"),
    "digits": filled(b"[1", b"1", b"]"),
    "name": filled(b'["', b"a", b'"]'),
    "escapes": filled(b'["', b'\\"', b'"]'),
    "depth": b"[" * (SIZE // 2) + b"]" * (SIZE // 2),
    "fields": b'{"a": 1' + b"".join(b', "a%d": 1' % number for number in range(SIZE // 16)) + b"}",
    "many in many": b"[" + b",".join([b"[" + b",".join([b"1"] * 900) + b"]"] * 900) + b"]",
}


@pytest.mark.parametrize("body", HUGE.values(), ids=HUGE)
def test_huge_body_becomes_small_json_in_little_time(body: bytes) -> None:
    start = time.process_time()
    trimmed = trim_json(body)
    assert time.process_time() - start < 5
    assert len(trimmed) <= 2 * MAX_VALUES + 3 * MAX_STRING
    assert CUT in json.dumps(json.loads(trimmed), ensure_ascii=False)


def test_content_behind_a_cut_list_is_kept() -> None:
    page = json.loads(trim_json(HUGE["runners"]))
    assert page["total"] == 9
    assert page["runners"] == [{"id": 1}] * MAX_ENTRIES + [CUT]


def test_long_text_keeps_its_beginning_and_no_half_of_an_escape() -> None:
    (text,) = json.loads(trim_json(b'["' + b"a\\u00e9\\n" * 20_000 + b'"]'))
    assert len(text) == MAX_STRING + 1
    assert text.rstrip(CUT) == ("aé\n" * 20_000)[:MAX_STRING]


def test_nesting_ends_with_a_mark() -> None:
    value = json.loads(trim_json(b"[" * 40 + b"]" * 40))
    for _ in range(MAX_DEPTH - 1):
        (value,) = value
    assert value == [CUT]


def test_kept_bytes_are_bounded() -> None:
    body = json.dumps([["x" * 1_000] * 900] * 20).encode()
    assert len(trim_json(body)) < MAX_KEPT + 10_000


@pytest.mark.parametrize("body", [b"", b"]]]", b'"' * 99, b'["a', b"[{,", b"\xff\x00", b'["\\'])
def test_trimming_keeps_invalid_json_invalid(body: bytes) -> None:
    assert trim_json(body) == body


@given(JSON)
def test_small_json_stays_as_it_is(value: object) -> None:
    body = json.dumps(value, ensure_ascii=False).encode()
    assert trim_json(body) == body


@settings(deadline=None)
@given(JSON, st.integers(1, 4), st.integers(1, 4))
def test_trimmed_json_is_json(value: object, entries: int, depth: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trimming, "MAX_ENTRIES", entries)
        patch.setattr(trimming, "MAX_DEPTH", depth)
        json.loads(trim_json(json.dumps(value).encode()))
