"""Ray that does not start is told in a line."""

from __future__ import annotations

from typing import Any

import pytest
import ray

from cluster.session import ray_session
from common.errors import ClusterError


@pytest.mark.parametrize(
    ("address", "place"), [(None, "this machine"), ("10.0.0.7:6379", "RAY_ADDRESS 10.0.0.7:6379")]
)
def test_a_ray_that_does_not_start_is_an_error_of_the_cluster(
    address: str | None, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def init(**_: Any) -> None:
        raise Exception("The current node timed out\nduring startup.")

    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    if address is not None:
        monkeypatch.setenv("RAY_ADDRESS", address)
    reason = (
        f"Ray must start on or be reached at {place}, got: The current node timed out during startup.; see"
    )
    with pytest.raises(ClusterError, match=reason), ray_session():
        pass
