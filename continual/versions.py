"""What a result was computed with: versions of packages, and which code of this project."""

__all__ = ["code_version", "differences", "package_versions"]

import hashlib
import platform
import subprocess
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_PACKAGES = ("kan-continual", "torch", "numpy", "scipy", "numba", "hydra-core", "wandb")
_ROOT = Path(__file__).resolve().parent.parent
_SOURCES = ("continual", "kan", "mlp_baselines", "tasks")
"""What can change a result; scripts and configs only choose among it."""


@cache
def package_versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


@cache
def code_version() -> dict[str, Any]:
    """This project's code: `sources`, a hash of what can change a result; in a git checkout `commit` and `dirty`."""
    sha = hashlib.sha256()
    for room in _SOURCES:
        for path in sorted((_ROOT / room).rglob("*.py")):
            sha.update(path.relative_to(_ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    found: dict[str, Any] = {"sources": sha.hexdigest()[:12], "commit": None, "dirty": None}
    if (_ROOT / ".git").exists():
        try:
            found["commit"] = _git("rev-parse", "HEAD").strip()
            found["dirty"] = bool(_git("status", "--porcelain", "--untracked-files=no").strip())
        except (OSError, subprocess.SubprocessError):
            pass
    return found


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(_ROOT), "--no-optional-locks", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs between two sessions' `versions` and `code`, in words."""
    old, new = before.get("versions", {}), now.get("versions", {})
    found = [
        f"{package} {old.get(package, 'unknown')} (now {new.get(package, 'none')})"
        for package in dict.fromkeys([*old, *new])
        if old.get(package) != new.get(package)
    ]
    if before.get("code", {}).get("sources") != now.get("code", {}).get("sources"):
        found.append("other code of this project")
    return found
