"""Credentials of a job: named by the user, sealed on the way, opened in the job's processes.

Ray keeps a job's environment variables in the clear: `ray job list` prints them, and every node writes them
into `runtime_env_agent.log`. So a job gets one variable with all values, encrypted with a key that follows
from the cluster's token, which every node has and Ray shows nobody. Who has the token can open it, as they
can run anything on the cluster.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from typing import TYPE_CHECKING, Final

from cluster.ray_token import ray_token
from common.errors import ClusterError, UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, MutableMapping

__all__ = ["ALWAYS", "OPENER", "SEALED", "open_credentials", "sealed", "values_of"]

ALWAYS: Final = ("WANDB_API_KEY", "HF_TOKEN")
"""Variables that go with every job where the user has them: Weights & Biases, and the model hub."""

SEALED: Final = "VIBESWEEP_SEALED_CREDENTIALS"
"""The variable that carries them."""

OPENER: Final = "cluster.jobs.credentials.open_credentials"
"""What Ray calls in each worker process of the job before anything else."""


def values_of(named: Iterable[str], environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables to pass: those named, and those of `ALWAYS` that are set.

    Raises:
        UserError: one that is named is not set, or is no name; a value is never shown.
    """
    names = dict.fromkeys(named)
    for name in names:
        if "=" in name:
            raise UserError(
                f"--env-var must be a name, got {name.partition('=')[0]}=…; export "
                "the variable and give its name, so that the value stands in no command"
            )
        if not environment.get(name):
            raise UserError(f"--env-var {name} must be set in this shell, got nothing; export it first")
    return {name: environment[name] for name in (*names, *ALWAYS) if environment.get(name)}


def sealed(values: Mapping[str, str], token: str) -> dict[str, str]:
    """The environment variables of a job that carry these values; none where there are none."""
    from cryptography.fernet import Fernet  # noqa: PLC0415 - every command asks whether there is anything sealed

    if not values:
        return {}
    return {SEALED: Fernet(_key(token)).encrypt(json.dumps(dict(values)).encode()).decode()}


def open_credentials() -> None:
    """Set the sealed variables in this process; without any, nothing happens.

    Raises:
        ClusterError: this machine's token is not the one that they were sealed with.
    """
    _open(os.environ)


def _open(environment: MutableMapping[str, str]) -> None:
    text = environment.get(SEALED)
    if not text:
        return
    from cryptography.fernet import Fernet, InvalidToken  # noqa: PLC0415 - as above

    token = ray_token(environment, only_if_sent=False)
    if token is None:
        raise ClusterError(
            "the job's credentials cannot be opened: this node has no RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH or "
            "~/.ray/auth_token; give it the cluster's token"
        )
    try:
        opened = Fernet(_key(token)).decrypt(text.encode())
    except InvalidToken as error:
        raise ClusterError(
            "the job's credentials cannot be opened: this node's token is another one than that of the shell "
            "that submitted the job; submit it with the cluster's"
        ) from error
    environment.update(json.loads(opened))


def _key(token: str) -> bytes:
    """Fernet's key. The token has 256 random bits, so one hash is enough to make another key of it."""
    digest = hashlib.sha256(b"vibesweep credentials\0" + token.encode()).digest()
    return base64.urlsafe_b64encode(digest)
