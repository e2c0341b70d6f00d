"""The command line: parse, build a config, call one function."""

from importlib.metadata import version

__all__ = ["__version__"]

__version__ = version("vibesweep")
