"""Loading a user's callable by its import path: renderers and custom scorers."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from common.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["load_callable"]


def load_callable(path: str) -> Callable[..., Any]:
    """The callable that `module:name` names.

    Raises:
        UserError: the module cannot be imported, has no such name, or the name is not callable.
    """
    module_name, _, name = path.partition(":")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # a plug-in's module may raise anything
        kind = "" if isinstance(error, ImportError) else f"{type(error).__name__}: "
        raise UserError(
            f"{path!r} must be module:callable of an importable module, got {kind}{error}; "
            "install the module or put its folder on PYTHONPATH"
        ) from error
    target = getattr(module, name, None)
    if not callable(target):
        found = "no such name" if target is None else f"a {type(target).__name__}"
        raise UserError(f"{path!r} must name a callable, got {found} in {module.__name__}; check the name")
    return target  # type: ignore[no-any-return]  # checked above to be callable
