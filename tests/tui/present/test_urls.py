from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfytui.tui.present.urls import MASK, masked

SECRET = "sEkReT"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("", ""),
        ("https://my-comfy.example.com", "https://my-comfy.example.com"),
        ("http://192.168.1.100:8188/path/", "http://192.168.1.100:8188/path/"),
        ("https://host/@somebody/a@b", "https://host/@somebody/a@b"),
        ("https://user:pass@host:1/x", f"https://{MASK}@host:1/x"),
        ("https://user@host", f"https://{MASK}@host"),
        ("https://a@b:c@host", f"https://{MASK}@host"),
        ("//user:pass@host", f"//{MASK}@host"),
        ("user:pass@host:8188", f"{MASK}@host:8188"),
        ("https://proxy/http://user:pass@host", f"https://proxy/http://{MASK}@host"),
        ("https://host/?key=abc&b=&c", f"https://host/?key={MASK}&b={MASK}&c"),
        ("https://host/?a=b=c;d=e", f"https://host/?a={MASK};d={MASK}"),
        ("https://host/#token=abc", f"https://host/#token={MASK}"),
        ("https://host/a=b", "https://host/a=b"),
        ("no url at all", "no url at all"),
        ("[link=x]y[/link]", "[link=x]y[/link]"),
    ],
)
def test_secrets_of_a_url_are_masked_and_nothing_else(url: str, shown: str) -> None:
    assert masked(url) == shown


@given(
    scheme=st.sampled_from(["", "http:", "https:", "ws:"]),
    user=st.from_regex(r"[a-z:@;&=+$,%.-]{0,6}", fullmatch=True),
    path=st.from_regex(r"(/[a-z@:]{1,4}){0,3}", fullmatch=True),
    names=st.lists(st.from_regex(r"[a-z\[\]@/?]{0,4}", fullmatch=True), min_size=1, max_size=4),
    mark=st.sampled_from("?#"),
)
def test_no_password_and_no_value_survives(scheme: str, user: str, path: str, names: list[str], mark: str) -> None:
    query = "&".join(f"{name}={SECRET}" for name in names)
    url = masked(f"{scheme}//{user}{SECRET}@host{path}{mark}{query}")
    assert SECRET not in url
    assert f"{MASK}@host{path}" in url
