"""Where the token comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import SecretStr

__all__ = ["MISSING_TOKEN", "TOKEN_VARIABLE", "has_token", "token_from"]

TOKEN_VARIABLE = "COMFYCONTROL_API_TOKEN"
"""The environment variable that holds the token."""

MISSING_TOKEN = (
    f"No token: make one in ComfyControl's web app (account settings, API Tokens) and put it into {TOKEN_VARIABLE}; "
    "or look around with comfytui --demo."
)
"""What to say where there is no token (page api/authentication says where they are made)."""


def has_token(environ: Mapping[str, str]) -> bool:
    """Whether the environment holds a token, without touching it."""
    return bool(environ.get(TOKEN_VARIABLE, "").strip())


def token_from(environ: Mapping[str, str]) -> SecretStr:
    """The token of the environment; an empty one where there is none."""
    from pydantic import SecretStr

    return SecretStr(environ.get(TOKEN_VARIABLE, "").strip())
