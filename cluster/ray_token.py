"""The token of a Ray cluster, as Ray's own commands find it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ray_token"]


def ray_token(environment: Mapping[str, str] = os.environ, *, only_if_sent: bool = True) -> str | None:
    """The token in RAY_AUTH_TOKEN, else in the file of RAY_AUTH_TOKEN_PATH, else in ~/.ray/auth_token.

    Args:
        environment: where the variables are.
        only_if_sent: None unless RAY_AUTH_MODE is `token`, without which Ray's commands send none. A node
            may have been started with the mode as its default, and has the token all the same.
    """
    if only_if_sent and environment.get("RAY_AUTH_MODE") != "token":
        return None
    if token := environment.get("RAY_AUTH_TOKEN"):
        return token.strip()
    path = environment.get("RAY_AUTH_TOKEN_PATH") or "~/.ray/auth_token"
    try:
        return Path(path).expanduser().read_text(encoding="utf-8").strip()
    except OSError:
        return None
