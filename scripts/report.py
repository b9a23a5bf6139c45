"""Draws an experiment again from its records, or one page over all: `python -m scripts.report results/five_peaks`."""

__all__ = ["Report", "main"]

import os
import shlex
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from continual.stopping import PARENT, leave_to_workers
from scripts.errors import answered, explain, speak_anywhere

_USAGE = """usage: python -m scripts.report FOLDER

examples:
  python -m scripts.report results/five_peaks   figures, tables and page of the experiment's last sweep, drawn again
  python -m scripts.report results              one page over the runs of all experiments: results/index.html"""


class Report(Callback):
    """Hydra callback: checks a whole sweep before its first run, and reports on it after its last."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Checks every run of the sweep once, so that a mistake in the last is not found hours later."""
        from scripts.clusters import Worker, is_cluster, is_shared, share  # slow to import: composed before
        from scripts.sweeps import begin_sweep, is_local, sweep_of, train_here

        try:
            checked = begin_sweep(config)
        except Exception as error:  # Hydra would turn it into a warning and go on
            sys.exit(f"error: {explain(error, config.hydra.overrides.task) or traceback.format_exc()}")
        for line in checked.lines:
            print(line)
        if is_cluster(config):
            os.environ.pop(PARENT, None)  # jobs go on without this process
            leave_to_workers("left to the jobs of the cluster; the same command waits for them")
        elif not is_local(config):
            leave_to_workers("interrupted; the same command goes on where this one stopped")
        if not checked.runs or not (is_local(config) or is_shared(config)):
            return  # Hydra's launcher takes run by run
        try:
            if is_local(config):
                train_here(config, checked)
            else:
                jobs = checked.jobs if checked.left else 0
                share(config, Worker(sweep_of(config), checked.runs, jobs, time.time()))
        except Exception as error:
            sys.exit(f"error: {explain(error, ()) or traceback.format_exc()}")
        self.on_multirun_end(config, workers=checked.workers)
        sys.exit(0)

    def on_multirun_end(self, config: DictConfig, *, workers: Any = None, **kwargs: Any) -> None:
        """Waits for what other processes are at, then draws figures, table and page; status 1 if a run failed.

        Args:
            config: of the sweep.
            workers: its processes, if it has some, whom drawing is shared among and who are at their end then.
            kwargs: what else Hydra says.
        """
        from scripts.drawing import draw
        from scripts.sweeps import finish_sweep

        try:
            whole = finish_sweep(config)
            draw(config, _folder(config), workers)
            if not whole:
                sys.exit(1)
        except Exception as error:
            why = explain(error, ())
            if why is None:
                traceback.print_exc()
            again = f"python -m scripts.report {shlex.quote(str(_folder(config)))}"
            sys.exit(f"the runs are done, but the report failed{f' ({why})' if why else ''}; again: {again}")
        finally:
            if workers is not None:
                workers.close()


def _folder(config: DictConfig) -> Path:
    return Path(str(config.results)) / str(config.experiment_name)


def main() -> None:
    """Draws again from the records alone."""
    speak_anywhere()
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(_USAGE)
        return
    if len(sys.argv) != 2:
        sys.exit(_USAGE)
    folder = Path(sys.argv[1])
    if not (folder / "multirun.yaml").is_file():
        from scripts.drawing import draw_overview

        with answered((), also=(ValueError,)):
            print(draw_overview(folder))
        return
    try:
        config = OmegaConf.load(folder / "multirun.yaml")
        if not isinstance(config, DictConfig) or not {"report", "tracker", "hydra"} <= config.keys():
            raise ValueError("no config of a sweep")
    except (ValueError, OmegaConfBaseException, YAMLError) as error:
        sys.exit(
            f"error: {folder / 'multirun.yaml'} is damaged; run the experiment's command again ({type(error).__name__})"
        )
    from scripts.drawing import draw  # slow to import: only where there is something to draw

    with answered(()):
        draw(config, folder)


if __name__ == "__main__":
    main()
