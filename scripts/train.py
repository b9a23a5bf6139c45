"""Trains one configuration, or all of an experiment's: `python -m scripts.train --help`."""

import logging
import os
import signal
import sys
from typing import Any

import hydra
from omegaconf import DictConfig

from continual.stopping import PARENT, Stopped, is_orphan
from scripts.errors import explain


@hydra.main(version_base="1.3", config_path="pkg://conf", config_name="train")
def run(config: DictConfig) -> None:
    """One run: builds it, trains it or finds its record, and shows the result."""
    # what is slow to import waits until --help has been answered and the config composed
    import torch
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from continual.records import add_to_sweep
    from continual.run import execute, save_summary
    from continual.tables import text_table
    from scripts.config import build_run, experiment_folder
    from scripts.schema import ConfigError

    torch.set_num_threads(int(config.threads) if isinstance(config.threads, int) else 1)
    hydra_config: Any = HydraConfig.get()
    sweeping = hydra_config.mode == RunMode.MULTIRUN
    try:
        ready = build_run(config)
    except ConfigError as error:
        if sweeping:  # the sweeper collects what fails and goes on
            raise
        sys.exit(f"error: {error}")
    folder = ready.info.folder
    if sweeping:
        add_to_sweep(experiment_folder(config), int(hydra_config.job.num), folder)
        try:
            execute(ready)
        except Stopped as error:
            if is_orphan():  # nobody is there to end this worker
                os._exit(128 + error.number)
            raise
    else:
        record = execute(ready)
        print(f"\n{text_table([record])}\n\nfigure: {save_summary(record)}")


def main() -> None:
    """Runs Hydra, and turns a user's mistake into one line."""
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # Hydra then leaves its errors to the lines below
    os.environ[PARENT] = str(os.getpid())  # workers of a parallel sweep end with this process
    try:
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
