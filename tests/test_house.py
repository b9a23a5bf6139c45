"""The house itself: how many modules a room holds, where imports stand, and that examples in docstrings are right."""

import ast
import doctest
import importlib
import warnings
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[1]
PACKAGES = ("kan", "mlp_baselines", "tasks", "continual", "scripts")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))

LATE = {
    "numba",
    "wandb",
    "trackio",
    "optuna",
    "sklearn",
    "torch.utils.tensorboard.SummaryWriter",
    "pyarrow",
    "resource",
    "kan.engines.local.kernels",
    "kan.engines.cuda.kernels",
}
"""What is optional, broken here and there, or slow to import and not always needed: may be imported in a function."""

ENTRANCES = ("scripts/train.py", "scripts/plot.py", "scripts/report.py", "scripts/errors.py", "scripts/*/__main__.py")
"""What answers `--help` and most mistakes before torch is there: may import late what needs it."""

FOREIGN = "scripts/*/*_worker.py"
"""What another project's Python runs, with that project's packages."""

LINES = 250


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "__pycache__" and path.name[0] != ".")


@pytest.mark.parametrize(("package", "most"), [("kan", 15), ("continual", 15), ("tasks", 12)])
def test_a_package_is_seen_at_a_glance(package: str, most: int) -> None:
    assert len(entries(ROOT / package)) <= most, entries(ROOT / package)


def test_no_room_is_full() -> None:
    rooms = {path.parent for path in MODULES} - {ROOT / "continual" / "figures"}
    full = {name_of(room): len(list(room.glob("[!_]*.py"))) for room in rooms}
    assert {room: count for room, count in full.items() if count > 12} == {}


def test_every_package_says_what_it_is_about() -> None:
    for path in MODULES:
        said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        assert said, path
        assert len(said.splitlines()[0]) > 20, path


def test_long_files_say_why_they_are_one() -> None:
    silent = []
    for path in MODULES:
        text = path.read_text(encoding="utf-8")
        if path.parts[len(ROOT.parts)] in ("kan", "continual") and len(text.splitlines()) > LINES:
            said = ast.get_docstring(ast.parse(text)) or ""
            if "In one file:" not in said:
                silent.append(f"{path.relative_to(ROOT)} has {len(text.splitlines())} lines")
    assert silent == []


def late_imports(path: Path) -> list[str]:
    """What a module imports inside its functions."""
    found = []
    for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            for node in ast.walk(function):
                if isinstance(node, ast.Import):
                    found += [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom):
                    found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def test_nothing_is_imported_inside_a_function_but_what_is_optional() -> None:
    for path in MODULES:
        if any(path.relative_to(ROOT).match(pattern) for pattern in (*ENTRANCES, FOREIGN)):
            continue
        late = [name for name in late_imports(path) if name not in LATE and name.partition(".")[0] not in LATE]
        assert late == [], path


def test_entrances_import_late_only_what_needs_torch() -> None:
    light = {"os", "sys", "json", "yaml", "omegaconf", "numpy", "pathlib", "importlib"}
    for pattern in ENTRANCES:
        for path in ROOT.glob(pattern):
            assert not light & {name.partition(".")[0] for name in late_imports(path)}, path


@pytest.mark.parametrize("path", [path for path in MODULES if ">>>" in path.read_text(encoding="utf-8")], ids=name_of)
def test_examples_in_docstrings(path: Path) -> None:
    module = importlib.import_module(name_of(path))
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = doctest.testmod(module, extraglobs={"torch": torch})
    assert result.attempted > 0
    assert result.failed == 0
