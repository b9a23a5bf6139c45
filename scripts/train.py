"""Trains one configuration, or all of an experiment's: `python -m scripts.train --help`."""

import logging
import os
import signal
import sys

import hydra
from omegaconf import DictConfig

from continual.stopping import PARENT
from scripts.command import check_flags, check_packages, completed
from scripts.errors import explain, speak_anywhere
from scripts.groups import overrides_of
from scripts.help import show_help


@hydra.main(version_base="1.3", config_path="pkg://conf", config_name="train")
def run(config: DictConfig) -> None:
    """One run: builds it, trains it or finds its record, and shows the result."""
    from scripts.session import train_one  # slow to import: --help is answered and the config composed before

    train_one(config)


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
            print(show_help(overrides_of([a for a in sys.argv[1:] if a not in ("-h", "--help")])))
            return
        run()
    except SystemExit as error:
        if error.code:  # else a sweep is done, and Hydra need not take its runs
            raise
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
