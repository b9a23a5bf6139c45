"""Settings of every test."""

from pathlib import Path

import pytest
import torch

# small tensors lose more to waiting for a second thread than they gain by it
torch.set_num_threads(1)


def pytest_configure(config: pytest.Config) -> None:
    """Lets no deprecation end a test that one of the other packages causes in another; ours do, as all warnings do."""
    tests = Path(__file__).parent
    packages = [path.parent.name for path in tests.parent.glob("*/__init__.py")]
    ours = [*packages, *(path.stem for path in tests.glob("*.py"))]
    for category in ("DeprecationWarning", "PendingDeprecationWarning", "FutureWarning"):
        config.addinivalue_line("filterwarnings", rf"ignore::{category}:(?!({'|'.join([*ours, '__main__'])})(\.|$))")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Shows what tests have counted (`record_property`): how many cases of a fuzzer came to which end."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{report.nodeid}: {name}: {value}")
