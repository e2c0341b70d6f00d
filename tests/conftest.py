"""What holds for all tests."""

from __future__ import annotations

from hypothesis import settings

# No test is a matter of time: on a loaded machine an example may take any number of milliseconds.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
