"""What a result was computed with: versions of packages, and which code of this project."""

__all__ = ["code_differences", "code_version", "differences", "hardware", "own_sources", "package_versions"]

import ast
import hashlib
import os
import platform
import subprocess
import sysconfig
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec, resolve_name
from pathlib import Path
from typing import Any

import torch

_PACKAGES = ("kan-continual", "torch", "numpy", "scipy", "numba", "hydra-core", "wandb")
_ROOT = Path(__file__).resolve().parents[2]
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


_OURS = (*_SOURCES, "scripts", "conf", "__main__")
_BY_VERSION = ("hydra", "numba", "numpy", "omegaconf", "scipy", "torch", "wandb")


def own_sources(names: Iterable[str]) -> dict[str, str]:
    """What of a run's code is neither this project's nor a package whose version is recorded: one's own curriculum.

    Args:
        names: dotted names of what the run is built from, `mine.Curriculum` say.

    Returns:
        The SHA-256 of each such module's file, by the module's name: of those that hold what is named, and of those
        that these import, as far as they aren't installed. Files that they read are not looked at.
    """
    found: dict[str, str] = {}
    parts = [name.split(".") for name in names]
    open_ends = [".".join(part[:count]) for part in parts for count in range(1, len(part) + 1)]
    named = {part[0] for part in parts}
    seen: set[str] = set()
    while open_ends:
        module = open_ends.pop()
        top = module.partition(".")[0]
        if module in seen or top in (*_OURS, *_BY_VERSION):
            continue
        seen.add(module)
        path = _own_file(module, named)
        if path is not None:
            content = path.read_bytes()
            found[module] = hashlib.sha256(content).hexdigest()[:12]
            if not _is_installed(path):
                open_ends += _imports(content, module if path.stem == "__init__" else module.rpartition(".")[0])
    return dict(sorted(found.items()))


def _own_file(module: str, named: set[str]) -> Path | None:
    """The file of a module that counts; of installed packages only those do that the run itself names."""
    path = _file_of(module)
    if path is None or _is_installed(path):
        return path if module.partition(".")[0] in named else None
    return None if path.is_relative_to(Path(sysconfig.get_path("stdlib")).resolve()) else path


def _is_installed(path: Path) -> bool:
    return bool({"site-packages", "dist-packages"} & set(path.parts))


def _file_of(module: str) -> Path | None:
    """Where a module lies, found without importing it; None for what is no file, or not there."""
    top, *rest = module.split(".")
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    path = Path(spec.origin) if spec.origin is not None and Path(spec.origin).is_file() else None
    places = [Path(place) for place in spec.submodule_search_locations or ()]
    for part in rest:
        files = [file for place in places for file in (place / part / "__init__.py", place / f"{part}.py")]
        path = next((file for file in files if file.is_file()), None)
        places = [place / part for place in places if (place / part).is_dir()]
    return None if path is None else path.resolve()


def _imports(source: bytes, package: str) -> list[str]:
    """The modules that a file may import; nothing of what is no Python."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return []
    modules: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            try:
                base = resolve_name("." * node.level + (node.module or ""), package or None)
            except ImportError:
                continue
            modules += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return [".".join(m.split(".")[:count]) for m in modules for count in range(1, len(m.split(".")) + 1)]


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
    return [*found, *code_differences(before.get("code", {}), now.get("code", {}))]


def code_differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs between two `code`, in words; what the first does not say is not held against it."""
    found = [] if before.get("sources") == now.get("sources") else ["other code of this project"]
    old, new = before.get("own"), now.get("own") or {}
    if old is not None:
        found += [f"other code in {name}" for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
    return found


def hardware(device: torch.device) -> str:
    """What computes on a device, in words: the graphics card, or the processor and how many cores."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    name = platform.processor() or platform.machine()
    table = Path("/proc/cpuinfo")
    if table.is_file():
        lines = (line for line in table.read_text(encoding="utf-8").splitlines() if line.startswith("model name"))
        name = next(lines, f": {name}").partition(":")[2].strip()
    return f"{name}, {os.cpu_count()} cores"
