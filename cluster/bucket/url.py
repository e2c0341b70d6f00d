"""URLs of buckets: told from paths, joined, shown, and refused where they carry a secret."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from common.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["below", "checked_url", "is_url", "shown"]

_SCHEMES: Final = ("s3", "gs", "gcs", "file")
_SECRET: Final = ("key", "secret", "token", "password", "credential", "signature")


def is_url(place: Path | str) -> bool:
    """Whether a place is a URL, and no path."""
    return "://" in str(place)


def checked_url(url: str) -> str:
    """A URL that a sweep may be kept at, without a slash at the end of its path.

    It is stored, printed and sent to every node, so it must have no secret in it.

    Raises:
        UserError: another scheme, no bucket, or a secret.
    """
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES:
        raise UserError(
            f"storage must be a folder or a URL of {', '.join(f'{scheme}://' for scheme in _SCHEMES)}, got "
            f"{shown(url)!r}; give one of these"
        )
    names = [name.lower() for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
    secret = [name for name in names if any(word in name for word in _SECRET)]
    # gs://anonymous@bucket is how a public bucket is asked for.
    if secret or ("@" in parts.netloc and not parts.netloc.startswith("anonymous@")):
        raise UserError(
            f"storage must be a URL without credentials, got some in {shown(url)!r}; every node prints and "
            "stores it: set them in the environment (AWS_ACCESS_KEY_ID, GOOGLE_APPLICATION_CREDENTIALS), "
            "or give the nodes a role"
        )
    if parts.scheme == "file" and (parts.netloc or not parts.path.startswith("/")):
        raise UserError(
            f"a file:// URL must name an absolute path, got {shown(url)!r}; write file:///a/folder"
        )
    if parts.scheme != "file" and not parts.netloc:
        raise UserError(f"storage must name a bucket, got {shown(url)!r}; write {parts.scheme}://bucket/runs")
    return urlunsplit(parts._replace(path=parts.path.rstrip("/")))


def below(url: str, name: str) -> str:
    """The URL of something inside another; what stands behind `?` stays there.

    >>> below("s3://bucket/runs/?region=eu-west-1", "quickstart")
    's3://bucket/runs/quickstart?region=eu-west-1'
    """
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{name}"))


def shown(url: str) -> str:
    """A URL without what might be a secret.

    >>> shown("s3://me:hush@bucket/runs?secret_key=hush")
    's3://bucket/runs'
    """
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))
