"""The suite on every Python, and with every release of other packages, that pyproject.toml allows."""

import warnings

import pytest


@pytest.mark.parametrize("category", [DeprecationWarning, PendingDeprecationWarning, FutureWarning])
@pytest.mark.parametrize("module", ["matplotlib.mathtext", "pyparsing", "kanvas", "test", "confuse.kan", "sys"])
def test_deprecations_inside_other_packages_end_no_test(category: type[Warning], module: str) -> None:
    warnings.warn_explicit("old", category, f"{module}.py", 1, module=module)


@pytest.mark.parametrize("category", [DeprecationWarning, PendingDeprecationWarning, FutureWarning])
@pytest.mark.parametrize("module", ["kan", "continual.figures.axes", "scripts.train", "test_kan", "__main__"])
def test_our_deprecations_are_errors(category: type[Warning], module: str) -> None:
    with pytest.raises(category, match="old"):
        warnings.warn_explicit("old", category, f"{module}.py", 1, module=module)


@pytest.mark.parametrize("category", [RuntimeWarning, UserWarning, ResourceWarning])
@pytest.mark.parametrize("module", ["kan.layer", "torch.nn", "numpy"])
def test_other_warnings_are_errors_wherever_they_come_from(category: type[Warning], module: str) -> None:
    with pytest.raises(category, match="odd"):
        warnings.warn_explicit("odd", category, f"{module}.py", 1, module=module)
