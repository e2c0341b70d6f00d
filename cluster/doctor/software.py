"""Python, the required packages, and pairs of packages that install but do not work together."""

from __future__ import annotations

import sys
from importlib import metadata
from typing import TYPE_CHECKING, Final, NamedTuple

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from cluster.doctor.finding import Finding, failed, passed

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Software", "check_packages", "check_pairs", "check_python", "look_at_software"]

_INSTALL: Final = "pip install --constraint constraints.txt --editable ."
_TOO_OLD_FOR_PYARROW_26: Final = Version("2")


class Software(NamedTuple):
    """What is installed, and what Vibesweep asks for."""

    python: str
    """Version, such as `3.11.9`."""
    requires_python: str
    """Which versions Vibesweep takes, such as `>=3.11`."""
    requires: tuple[str, ...]
    """Vibesweep's requirements, without those of extras; empty where it is not installed."""
    installed: Mapping[str, str]
    """Canonical name of each distribution to its version."""
    torchvision_requires: tuple[str, ...] = ()
    """The requirements of the installed torchvision, which name the one torch that it is compiled for."""


def look_at_software() -> Software:
    """What this interpreter finds; nothing of it is imported."""
    installed: dict[str, str] = {
        canonicalize_name(found.name): found.version
        for found in metadata.distributions()
        if found.name is not None  # a distribution whose removal was interrupted
    }
    own = _of_distribution("vibesweep")
    return Software(
        python=".".join(str(part) for part in sys.version_info[:3]),
        requires_python=own.requires_python,
        requires=own.requires,
        installed=installed,
        torchvision_requires=_of_distribution("torchvision").requires,
    )


def check_python(software: Software) -> Finding:
    """Whether Vibesweep takes this Python."""
    if Version(software.python) in SpecifierSet(software.requires_python):
        return passed("python", software.python)
    return failed(
        "python",
        f"{software.python}, and {software.requires_python} is required",
        "install a newer Python, and make the environment anew with it",
    )


def check_packages(software: Software) -> Finding:
    """Whether every required package is there, in a version that is taken."""
    if not software.requires:
        return failed("packages", "vibesweep is not installed here, only its source is", _INSTALL)
    unmet = [
        f"{need.name}{need.specifier} (got {_version(need, software) or 'none'})"
        for need in map(Requirement, software.requires)
        if not _is_met(need, software)
    ]
    if unmet:
        return failed("packages", f"required and not here: {', '.join(unmet)}", _INSTALL)
    return passed("packages", f"all {len(software.requires)} required ones")


def check_pairs(software: Software) -> Finding:
    """Whether packages are together that pip installs together and that do not work together."""
    versions = {name: Version(version) for name, version in software.installed.items() if name in _IN_PAIRS}
    numpy, pyarrow = versions.get("numpy"), versions.get("pyarrow")
    if numpy and pyarrow and numpy < _TOO_OLD_FOR_PYARROW_26 and pyarrow >= Version("26"):
        return failed(
            "pairs",
            f"pyarrow {pyarrow} does not import with numpy {numpy}",
            "pip install 'numpy>=2' (an extra that needs numpy 1 goes into an environment of its own)",
        )
    torch, torchvision = versions.get("torch"), versions.get("torchvision")
    if torch and torchvision:
        compiled_for = [
            need for need in map(Requirement, software.torchvision_requires) if need.name == "torch"
        ]
        another = next((need for need in compiled_for if torch not in need.specifier), None)
        if another is not None:
            return failed(
                "pairs",
                f"torchvision {torchvision} is compiled for torch{another.specifier}, got {torch}",
                f"pip install 'torch{another.specifier}', or the torchvision of torch {torch.public}",
            )
        if torch.local != torchvision.local:
            # PyPI's builds have no label; those of PyTorch's own index have one, such as +cpu.
            return failed(
                "pairs",
                f"torch {torch} and torchvision {torchvision} are builds of different indexes",
                "install both from the same index",
            )
    return passed("pairs", "none that do not work together")


_IN_PAIRS: Final = frozenset({"numpy", "pyarrow", "torch", "torchvision"})


class _Asked(NamedTuple):
    """What a distribution asks for; nothing where it is not installed."""

    requires_python: str
    requires: tuple[str, ...]


def _of_distribution(name: str) -> _Asked:
    try:
        found = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return _Asked("", ())
    needs = (need for need in found.requires or () if _is_for_everyone(Requirement(need)))
    return _Asked(found.metadata["Requires-Python"] or "", tuple(needs))


def _is_for_everyone(need: Requirement) -> bool:
    return need.marker is None or need.marker.evaluate({"extra": ""})


def _version(need: Requirement, software: Software) -> str | None:
    return software.installed.get(canonicalize_name(need.name))


def _is_met(need: Requirement, software: Software) -> bool:
    version = _version(need, software)
    return version is not None and need.specifier.contains(version, prereleases=True)
