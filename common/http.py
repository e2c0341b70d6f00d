"""One question to a server, with a short patience."""

from __future__ import annotations

from http.client import HTTPException
from typing import TYPE_CHECKING, NamedTuple
from urllib.error import HTTPError
from urllib.request import Request, urlopen

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Answer", "ask"]


class Answer(NamedTuple):
    """What came back."""

    status: int | None
    """HTTP's; None where there was no answer."""
    body: bytes = b""
    problem: str = ""
    """Why there was no answer."""


def ask(
    url: str, *, timeout_s: float, method: str = "GET", headers: Mapping[str, str] | None = None
) -> Answer:
    """Send one request.

    Args:
        url: http or https.
        timeout_s: seconds for each step of it; finding the address of a name may take longer.
        method: GET or HEAD.
        headers: of the request.
    """
    try:
        with urlopen(Request(url, method=method, headers=dict(headers or {})), timeout=timeout_s) as found:
            return Answer(found.status, found.read())
    except HTTPError as error:
        return Answer(error.code, problem=error.reason)
    except (OSError, HTTPException, ValueError) as error:  # unreachable; no HTTP; no URL
        return Answer(None, problem=str(getattr(error, "reason", error)) or type(error).__name__)
