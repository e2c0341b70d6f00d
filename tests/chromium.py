"""A real browser for tests that look at pages."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["chromium"]

_REQUIRED: Final = "VIBESWEEP_BROWSER_REQUIRED"
"""Set where a browser belongs to the checks, so that none of them passes by being skipped."""


@contextmanager
def chromium(*arguments: str, **capabilities: Any) -> Iterator[Any]:
    """A headless Chromium; skips the test where there is none, and fails it where one is required.

    Args:
        arguments: more of its command line.
        capabilities: of the session, `_` standing for `:`.
    """
    webdriver = pytest.importorskip("selenium.webdriver", reason="pip install 'vibesweep[dev]'")
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or driver is None:
        missing = "needs chromium and chromedriver: apt-get install chromium chromium-driver"
        pytest.fail(missing) if _REQUIRED in os.environ else pytest.skip(missing)
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", *arguments):
        options.add_argument(argument)
    for name, value in capabilities.items():
        options.set_capability(name.replace("_", ":"), value)
    window = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        yield window
    finally:
        window.quit()
