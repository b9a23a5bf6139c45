"""The suite on every Python, and with every release of other packages, that pyproject.toml allows."""

import re
import sys
import warnings
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


@pytest.mark.parametrize("category", [DeprecationWarning, PendingDeprecationWarning, FutureWarning])
@pytest.mark.parametrize("module", ["matplotlib.mathtext", "pyparsing", "kanvas", "test", "confuse.kan", "sys"])
def test_deprecations_inside_other_packages_end_no_test(category: type[Warning], module: str) -> None:
    warnings.warn_explicit("old", category, f"{module}.py", 1, module=module)


@pytest.mark.parametrize("category", [DeprecationWarning, PendingDeprecationWarning, FutureWarning])
@pytest.mark.parametrize(
    "module", ["kan", "continual.figures.parts.axes", "scripts.train", "tests.kan.test_network", "__main__"]
)
def test_our_deprecations_are_errors(category: type[Warning], module: str) -> None:
    with pytest.raises(category, match="old"):
        warnings.warn_explicit("old", category, f"{module}.py", 1, module=module)


@pytest.mark.parametrize("category", [RuntimeWarning, UserWarning, ResourceWarning])
@pytest.mark.parametrize("module", ["kan.layer", "torch.nn", "numpy"])
def test_other_warnings_are_errors_wherever_they_come_from(category: type[Warning], module: str) -> None:
    with pytest.raises(category, match="odd"):
        warnings.warn_explicit("odd", category, f"{module}.py", 1, module=module)


def pins(python: str) -> dict[str, str]:
    """The releases that constraints/oldest.txt names for a Python."""
    found = {}
    for line in (ROOT / "constraints" / "oldest.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            requirement = Requirement(line)
            if applies(requirement, python):
                assert canonicalize_name(requirement.name) not in found, f"two releases of {requirement.name}"
                found[canonicalize_name(requirement.name)] = str(requirement.specifier).removeprefix("==")
    return found


def applies(requirement: Requirement, python: str) -> bool:
    """Whether a requirement is one on Linux with this Python."""
    machine = {"sys_platform": "linux", "platform_machine": "x86_64"}
    version = {"python_version": python, "python_full_version": f"{python}.9"}
    return requirement.marker is None or requirement.marker.evaluate(machine | version)


@pytest.mark.parametrize("python", ["3.10", "3.11", "3.12", "3.13"])
def test_the_oldest_dependencies_are_the_bounds(python: str) -> None:
    pinned = pins(python)
    bounds: dict[str, Version] = {}
    for line in [*PROJECT["dependencies"], *EXTRAS["test"], *EXTRAS["parallel"]]:
        requirement = Requirement(line)
        if applies(requirement, python):
            (bound,) = [item.version for item in requirement.specifier if item.operator in (">=", "==")]
            name = canonicalize_name(requirement.name)
            bounds[name] = max(bounds.get(name, Version("0")), Version(bound))
    assert {name: Version(pinned[name]) for name in bounds} == bounds, "run: make constraints"


def test_linters_are_pinned_in_one_place() -> None:
    linters = [line for line in EXTRAS["test"] if re.match(r"mypy|ruff|types-", line)]
    assert len(linters) >= 4
    assert all(re.match(r"[\w-]+==[\d.]+$", line) for line in linters)
    repositories = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    hooks = [hook for repository in repositories for hook in repository["hooks"]]
    assert {hook["entry"].split()[0] for hook in hooks} == {"ruff", "mypy"}
    assert all(hook["language"] == "system" for hook in hooks), "hooks run what the test extra has installed"


def test_the_pythons_are_the_same_everywhere() -> None:
    named = ["3.10", "3.11", "3.12", "3.13"]
    assert PROJECT["requires-python"] == f">={named[0]},<3.14"
    job = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text())["jobs"]["test"]
    assert job["strategy"]["matrix"]["python"] == named
    assert " ".join(named) in (ROOT / ".ci" / "all").read_text()


def test_the_readme_asks_for_the_torch_that_is_allowed() -> None:
    (torch,) = [line for line in PROJECT["dependencies"] if re.match(r"torch\b", line)]
    assert f"pip install --index-url <address> '{torch}'`" in (ROOT / "README.md").read_text()
