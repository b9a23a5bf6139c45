"""Settings of every test."""

from pathlib import Path

import pytest
import torch

# small tensors lose more to waiting for a second thread than they gain by it
torch.set_num_threads(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`pytest --short`: the first case of each test only, to see that a Python or a dependency works at all."""
    parser.addoption("--short", action="store_true", help="run each test with the first of its cases only")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves one case of each test where the short form is asked for."""
    if config.getoption("short"):
        first = {item.nodeid.partition("[")[0]: item for item in reversed(items)}
        config.hook.pytest_deselected(items=[item for item in items if item not in first.values()])
        items[:] = reversed(first.values())


def pytest_configure(config: pytest.Config) -> None:
    """Lets no deprecation end a test that one of the other packages causes in another; ours do, as all warnings do."""
    packages = [path.parent.name for path in Path(__file__).parents[1].glob("*/__init__.py")]
    ours = "|".join([*packages, "tests", "conftest", "__main__"])
    for category in ("DeprecationWarning", "PendingDeprecationWarning", "FutureWarning"):
        config.addinivalue_line("filterwarnings", rf"ignore::{category}:(?!({ours})(\.|$))")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Begins every test with the same random numbers, alone and in any company."""
    torch.manual_seed(0)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Shows what tests have counted (`record_property`): how many cases of a fuzzer came to which end."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{report.nodeid}: {name}: {value}")
