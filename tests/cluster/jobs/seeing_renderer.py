"""The renderer of a test: it leaves digests of the secrets that it sees, and makes the usual sound."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import rewards.render

__all__ = ["render"]


def render(*arguments: Any, **options: Any) -> Any:
    """As `rewards.render.render`."""
    seen = {
        name: hashlib.sha256(os.environ[name].encode()).hexdigest()
        for name in ("WANDB_API_KEY", "HF_TOKEN", "MINE")
        if name in os.environ
    }
    Path(os.environ["SEEN_IN"]).write_text(json.dumps(seen))
    return rewards.render.render(*arguments, **options)
