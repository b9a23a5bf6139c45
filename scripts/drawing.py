"""What an experiment ends with: figures, tables and page of its last sweep, drawn from the records."""

__all__ = ["draw"]

import sys
from pathlib import Path

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from continual.figures import save
from continual.records.listing import read_sweep
from continual.records.states import failure, run_state
from continual.reports.page import write_page
from continual.reports.structure import write_structures
from continual.reports.tables import text_table, write_tables
from continual.trackers.tracker import Clocked
from scripts.command import train_command


def draw(config: DictConfig, folder: Path) -> None:
    """Writes figures, tables and page of the experiment's last sweep, and prints the table.

    Args:
        config: the experiment's config, of which the nodes `report` and `tracker` are used.
        folder: results/<experiment>.
    """
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
