"""Settings of every test."""

import pytest
import torch

# small tensors lose more to waiting for a second thread than they gain by it
torch.set_num_threads(1)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Shows what tests have counted (`record_property`): how many cases of a fuzzer came to which end."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{report.nodeid}: {name}: {value}")
