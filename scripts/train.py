"""Trains one configuration, or all of an experiment's: `python -m scripts.train --help`."""

import logging
import os
import signal
import sys
from typing import Any

import hydra
from omegaconf import DictConfig

from continual.training.stopping import PARENT
from scripts.command import check_flags, check_packages, completed
from scripts.errors import explain, speak_anywhere
from scripts.help import show_help
from scripts.sweeps import one_of_many, set_threads


@hydra.main(version_base="1.3", config_path="pkg://conf", config_name="train")
def run(config: DictConfig) -> None:
    """One run: builds it, trains it or finds its record, and shows the result."""
    # what is slow to import waits until --help has been answered and the config composed
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from continual.reports.structure import outcome
    from continual.reports.tables import text_table
    from continual.run import execute, save_summary
    from scripts.config import build_run
    from scripts.effects import chosen_keys, without_effect

    hydra_config: Any = HydraConfig.get()
    if hydra_config.mode == RunMode.MULTIRUN:
        one_of_many(config, int(hydra_config.job.num))
        return
    set_threads(config)
    try:
        ready = build_run(config)
        for line in without_effect(ready.info.config, chosen_keys(hydra_config.overrides.task)):
            print(line)
        record = execute(ready)
        became = outcome(record)
        parts = ["", text_table([record]), *([became, ""] if became else [""]), f"figure: {save_summary(record)}"]
        print("\n".join(parts))
    except Exception as error:  # here, since Hydra would add a line of its own
        message = explain(error, sys.argv[1:])
        if message is None:
            raise
        sys.exit(f"error: {message}")


def main() -> None:
    """Runs Hydra, and turns a user's mistake into one line."""
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # Hydra then leaves its errors to the lines below
    os.environ[PARENT] = str(os.getpid())  # workers of a parallel sweep end with this process
    speak_anywhere()
    try:
        check_packages()
        check_flags(sys.argv[1:])
        sys.argv[1:] = completed(sys.argv[1:])
        if {"-h", "--help"} & set(sys.argv[1:]):
            print(show_help([argument for argument in sys.argv[1:] if not argument.startswith("-")]))
            return
        run()
    except KeyboardInterrupt as error:
        print("interrupted; the same command goes on where this one stopped", file=sys.stderr)
        sys.exit(128 + getattr(error, "number", signal.SIGINT))
    except Exception as error:
        message = explain(error, sys.argv[1:])
        if message is None:
            raise
        logging.shutdown()
        sys.exit(f"error: {message}")


if __name__ == "__main__":
    main()
