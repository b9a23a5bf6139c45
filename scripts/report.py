"""Draws an experiment's figures and table from its records: `python -m scripts.report results/five_peaks`."""

__all__ = ["Report", "draw", "main"]

import os
import shlex
import sys
import traceback
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from continual.training.stopping import leave_to_workers
from scripts.command import train_command

_USAGE = "usage: python -m scripts.report results/EXPERIMENT"


def draw(config: DictConfig, folder: Path) -> None:
    """Writes figures, tables and page of the experiment's last sweep, and prints the table.

    Args:
        config: the experiment's config, of which the nodes `report` and `tracker` are used.
        folder: results/<experiment>.
    """
    from hydra.utils import instantiate

    from continual.figures import save
    from continual.records.listing import read_sweep
    from continual.records.states import failure, run_state
    from continual.reports.page import write_page
    from continual.reports.structure import write_structures
    from continual.reports.tables import text_table, write_tables
    from continual.trackers.tracker import Clocked

    records, missing, damaged = read_sweep(folder)
    for line in damaged:
        print(line)
    for entry in missing:
        state, why = run_state(folder / entry.folder), failure(folder / entry.folder)
        print(f"{state}: {entry.name or entry.folder}{f' ({why})' if why else ''}", end="")
        print(f"; only that: {train_command(entry.overrides, sweep=False)}" if entry.overrides else "")
    if not records:
        sys.exit(f"{folder} holds no finished run yet")
    report = OmegaConf.to_container(config.report, resolve=True)
    assert isinstance(report, dict)
    figures = {
        name: save(instantiate({**node, "_partial_": True})(records), folder, name)
        for name, node in report["figures"].items()
        if node is not None
    }
    tables = write_tables(records, folder)
    structure = write_structures(records, folder)
    more = {
        name: instantiate({**node, "_partial_": True})(records, folder)
        for name, node in report["tables"].items()
        if node is not None
    }
    title = report["title"] or f"{folder.name}: {len(records)} runs"
    command = train_command(OmegaConf.select(config, "hydra.overrides.task") or [], sweep=True)
    page = write_page(folder, records, title, figures, report["captions"], command, more)
    pictures = {name: paths[0] for name, paths in figures.items()}
    Clocked(instantiate(config.tracker)).report(folder.name, folder, pictures, tables[0])
    print(f"\n{text_table(records)}\n")
    for paths in more.values():
        print(next(path for path in paths if path.suffix == ".md").read_text(encoding="utf-8"))
    others = [*([structure] if structure else []), *(path for paths in more.values() for path in paths)]
    for path in [*pictures.values(), tables[0], *others, page]:
        print(path)


class Report(Callback):
    """Hydra callback: checks a whole sweep before its first run, and reports on it after its last."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Checks every run of the sweep once, so that a mistake in the last is not found hours later."""
        from continual.records.listing import begin_list
        from scripts.errors import explain
        from scripts.sweeps import SWEEP, check_sweep, sweep_of

        try:
            entries, lines = check_sweep(config)
            begin_list(_folder(config), sweep_of(config), entries)
            os.environ[SWEEP] = sweep_of(config)
        except Exception as error:  # Hydra would turn it into a warning and go on
            sys.exit(f"error: {explain(error, config.hydra.overrides.task) or traceback.format_exc()}")
        for line in lines:
            print(line)
        if not str(config.hydra.launcher._target_).endswith("BasicLauncher"):
            leave_to_workers("interrupted; the same command goes on where this one stopped")

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Waits for what other processes are at, then draws figures, table and page; status 1 if a run failed."""
        from continual.records.listing import begin_list, read_list
        from continual.records.states import run_state
        from scripts.errors import explain
        from scripts.sweeps import finish_sweep, sweep_of

        try:
            begin_list(_folder(config), sweep_of(config))  # another one may have begun there meanwhile
            finish_sweep(_folder(config))
            draw(config, _folder(config))
            if any(run_state(_folder(config) / entry.folder) != "done" for entry in read_list(_folder(config))):
                sys.exit(1)
        except Exception as error:
            why = explain(error, ())
            if why is None:
                traceback.print_exc()
            again = f"python -m scripts.report {shlex.quote(str(_folder(config)))}"
            sys.exit(f"the runs are done, but the report failed{f' ({why})' if why else ''}; again: {again}")


def _folder(config: DictConfig) -> Path:
    return Path(str(config.results)) / str(config.experiment_name)


def main() -> None:
    """Draws again from the records alone."""
    if len(sys.argv) != 2 or sys.argv[1] in ("-h", "--help"):
        sys.exit(_USAGE)
    folder = Path(sys.argv[1])
    if not (folder / "multirun.yaml").is_file():
        sys.exit(f"{folder} holds no experiment (no multirun.yaml); {_USAGE}")
    try:
        config = OmegaConf.load(folder / "multirun.yaml")
        if not isinstance(config, DictConfig) or not {"report", "tracker", "hydra"} <= config.keys():
            raise ValueError("no config of a sweep")
    except (ValueError, OmegaConfBaseException, YAMLError) as error:
        sys.exit(
            f"error: {folder / 'multirun.yaml'} is damaged; run the experiment's command again ({type(error).__name__})"
        )
    from scripts.errors import explain, speak_anywhere

    speak_anywhere()
    try:
        draw(config, folder)
    except Exception as error:
        message = explain(error, ())
        if message is None:
            raise
        sys.exit(f"error: {message}")


if __name__ == "__main__":
    main()
