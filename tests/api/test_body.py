from __future__ import annotations

import gzip
import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from comfytui.api.body import (
    MAX_BODY,
    MAX_MESSAGE,
    clean_message,
    decode,
    decode_json,
    decompress,
    error_message,
    redact_token,
)

TOKEN = SecretStr("cfc_token0123456789")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(JSON)
def test_json_is_read_as_it_was_written(value: object) -> None:
    assert decode_json(json.dumps(value).encode()) == value


@pytest.mark.parametrize("size", [1, 300_000])
@pytest.mark.parametrize("coding", ["utf-8-sig", "utf-16", "utf-16-be"])
def test_json_with_byte_order_mark_is_read_whatever_its_size(size: int, coding: str) -> None:
    mark = "\ufeff" if coding == "utf-16-be" else ""
    value = [{"id": "1", "name": "é"}] * 30 + [" " * 9] * (size // 12)
    assert decode(f"{mark}{json.dumps(value)}".encode(coding), "", lambda read: read) == [
        *value[:1000],
        *["…"] * (len(value) > 1000),
    ]


@given(st.binary())
def test_any_bytes_are_json_or_words(data: bytes) -> None:
    try:
        decode_json(data)
    except ValueError as error:
        words = str(error)
    else:
        words = "JSON"
    assert words


@pytest.mark.parametrize(
    ("sent", "value"),
    [
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        (b'"\xff"', "\ufffd"),
        (b'"\\ud800"', "\ud800"),
        (b"[NaN, Infinity, -Infinity]", ["NaN", "Infinity", "-Infinity"]),
        (b'{"total": 1' + b"0" * 4300 + b', "id": "r"}', {"total": "1" + "0" * 4300, "id": "r"}),
        (b"-" + b"9" * 4300, -int("9" * 4300)),
    ],
)
def test_lenient_json_is_read(sent: bytes, value: object) -> None:
    assert decode_json(sent) == value


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (b"", "an empty answer"),
        (b" \r\n", "an empty answer"),
        (b"<!doctype html><p>Sign in", "HTML instead of JSON, perhaps from a proxy or a login page"),
        (b"\n <html>", "HTML instead of JSON, perhaps from a proxy or a login page"),
        (b'{"runners": [{"id": "5', "the answer ended early"),
        (b'{"runners": [', "the answer ended early"),
        (b'{"runners": 1', "the answer ended early"),
        (b"[" * 100_000, "JSON that is nested too deeply"),
        (b"error code: 1015", "the answer is not JSON"),
        ('{"a": 1}'.encode("utf-32"), "the answer is not JSON"),
    ],
)
def test_non_json_bodies_are_described(sent: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=f"^{words}$"):
        decode_json(sent)


@pytest.mark.parametrize("coding", ["", "identity"])
def test_a_plain_body_is_taken_as_it_is(coding: str) -> None:
    assert decompress(b"{}", coding) == b"{}"


def test_gzip_is_unpacked() -> None:
    assert decompress(gzip.compress(b"{}"), "gzip") == b"{}"


@pytest.mark.parametrize(
    ("raw", "coding", "words"),
    [
        (gzip.compress(b"{}" * 1000)[:-12], "gzip", "ended early"),
        (b"{}", "gzip", "damaged"),
        (gzip.compress(b" " * (MAX_BODY + 1)), "gzip", "more than 8 MB"),
        (zlib.compress(b"{}"), "deflate", "not asked for"),
        (gzip.compress(gzip.compress(b"{}")), "gzip, gzip", "not asked for"),
    ],
    ids=["cut", "no gzip", "a bomb", "deflate", "twice"],
)
def test_undecompressable_bodies_are_refused(raw: bytes, coding: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        decompress(raw, coding)


def test_the_largest_body_is_unpacked() -> None:
    assert len(decompress(gzip.compress(b" " * MAX_BODY), "gzip")) == MAX_BODY


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"status": 401, "message": "Invalid token"}, "Invalid token"),
        ({"message": None}, ""),
        ({"message": ["no"]}, ""),
        ({"error": "no"}, ""),
        (["message"], ""),
        (None, ""),
    ],
)
def test_the_message_of_an_error_body(value: object, message: str) -> None:
    assert error_message(value) == message


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("  name cannot\r\n\tbe   empty ", "name cannot be empty"),
        ("\x1b[2Jgone\u202e", "␛[2Jgone"),
        ("bad token cfc_token0123456789!", "bad token ••••••••!"),
        ("bad token cfc_\u200btoken0123456789!", "bad token ••••••••!"),
        ("bad path /v1/runner/cfc_token0123456789?", "bad path /v1/runner/••••••••?"),
    ],
)
def test_a_message_is_one_clean_line_without_the_token(sent: str, shown: str) -> None:
    assert clean_message(sent, TOKEN) == shown


def test_a_long_message_is_cut_with_an_ellipsis() -> None:
    assert clean_message("a" * MAX_MESSAGE, TOKEN) == "a" * MAX_MESSAGE
    cut = clean_message("a" * (MAX_MESSAGE + 1), TOKEN)
    assert cut == "a" * (MAX_MESSAGE - 1) + "…"


def test_a_cut_leaves_no_part_of_the_token() -> None:
    cut = clean_message("a" * (MAX_MESSAGE - 6) + TOKEN.get_secret_value(), TOKEN)
    assert "cfc" not in cut


def test_a_token_is_found_as_a_url_holds_it() -> None:
    assert (
        redact_token("/v1/runner/cfc_a%2Fb%2B%3D cfc_a/b+=", SecretStr("cfc_a/b+=")) == "/v1/runner/•••••••• ••••••••"
    )


@pytest.mark.parametrize("coding", ["gzip", "x-gzip"])
def test_gzip_members_are_joined(coding: str) -> None:
    packed = gzip.compress(b'{"runners": ') + gzip.compress(b"") + gzip.compress(b"[]}") + bytes(8)
    assert decompress(packed, coding) == b'{"runners": []}'


def test_gzip_second_member_cut_off_is_an_early_end() -> None:
    with pytest.raises(ValueError, match="ended early"):
        decompress(gzip.compress(b"[1, ") + gzip.compress(b"2]")[:-4], "gzip")


def test_gzip_members_share_one_limit() -> None:
    half = gzip.compress(bytes(MAX_BODY // 2 + 1))
    with pytest.raises(ValueError, match="more than"):
        decompress(half + half, "gzip")


def test_gzip_members_without_end_are_refused() -> None:
    with pytest.raises(ValueError, match="more than"):
        decompress(gzip.compress(b"") * 1000, "gzip")
