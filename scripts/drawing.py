"""What is drawn from records: what an experiment ends with, one page over all, any two settings of any runs."""

__all__ = ["draw", "draw_overview", "draw_plot", "draw_probes"]

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from continual.figures import probe_figures, save, sweep
from continual.figures.films import Film, save_film
from continual.figures.parts.style import palettes
from continual.records.listing import read_list
from continual.records.record import Record, is_done
from continual.records.store import StoredRun, find_runs, flat
from continual.reports.page import PageRun, write_overview, write_page
from continual.reports.structure import write_structures
from continual.reports.tables import text_table, write_tables
from continual.trackers.tracker import Clocked
from scripts.command import train_command
from scripts.runs.chosen import check_known, chosen_runs
from scripts.runs.commands import command_of
from scripts.workers import Workers


def draw(config: DictConfig, folder: Path, workers: Workers | None = None) -> None:
    """Writes films, figures, tables and page of the experiment's last sweep, and prints the table.

    Args:
        config: the experiment's config, of which the nodes `report` and `tracker` are used.
        folder: results/<experiment>.
        workers: processes that each draw some of the figures and films.
    """
    runs = _runs(folder)
    records = [run.record for run in runs if run.record is not None]
    for run in runs:
        if run.record is None:
            print(run.problem if is_done(run.folder) else _unfinished(run))
    if not records:
        sys.exit(f"{folder} holds no finished run yet")
    report = OmegaConf.to_container(config.report, resolve=True)
    assert isinstance(report, dict)
    wanted = {name: node for kind in ("films", "figures") for name, node in report[kind].items() if node is not None}
    named = {str(node["_target_"]).rpartition(".")[2] for node in wanted.values()}
    for name, picture in probe_figures(records).items():
        if name not in report["figures"] and picture.__name__ not in named:
            wanted[name] = {"_target_": f"{picture.__module__}.{picture.__name__}"}
    begun = None if workers is None else workers.begin(_draw_one, [(folder, *each) for each in wanted.items()])
    tables = write_tables(records, folder)
    structure = write_structures(records, folder)
    more = {
        name: instantiate({**node, "_partial_": True})(records, folder)
        for name, node in report["tables"].items()
        if node is not None
    }
    drawn = [_draw(records, folder, *each) for each in wanted.items()] if begun is None else [f.result() for f in begun]
    figures = {name: paths for name, paths in zip(wanted, drawn, strict=True) if paths}
    title = report["title"] or f"{folder.name}: {len(records)} runs"
    command = train_command(OmegaConf.select(config, "hydra.overrides.task") or [], sweep=True)
    page = write_page(
        folder,
        records,
        title,
        figures,
        report["captions"],
        command,
        more,
        runs=_page_runs(runs),
        palettes=palettes(record.family for record in records),
    )
    pictures = {name: paths[0] for name, paths in figures.items()}
    still = {name: path for name, path in pictures.items() if path.suffix == ".png"}
    Clocked(instantiate(config.tracker)).report(folder.name, folder, still, tables[0])
    print(f"\n{text_table(records)}\n")
    for paths in more.values():
        print(next(path for path in paths if path.suffix == ".md").read_text(encoding="utf-8"))
    others = [*([structure] if structure else []), *(path for paths in more.values() for path in paths)]
    for path in [*pictures.values(), tables[0], *others, page]:
        print(path)


def draw_probes(config: DictConfig, record: Record) -> list[Path]:
    """Draws what a run's probes say into the run's own folder, and returns the pictures and films."""
    films = OmegaConf.to_container(config.report.films, resolve=True)
    assert isinstance(films, dict)
    filmed = [_draw([record], record.folder, str(name), node)[:1] for name, node in films.items() if node is not None]
    drawn = [save(picture([record]), record.folder, name)[0] for name, picture in probe_figures([record]).items()]
    return [*drawn, *(path for paths in filmed for path in paths)]


def _runs(folder: Path) -> list[StoredRun]:
    return [StoredRun(folder / entry.folder, entry) for entry in read_list(folder)]


def _draw(records: Sequence[Record], folder: Path, name: str, node: dict[str, Any]) -> list[Path]:
    """Writes one of an experiment's figures or films, as its config names it; nothing where nothing was filmed."""
    drawn = instantiate({**node, "_partial_": True})(records)
    if drawn is None:
        return []
    return save_film(drawn, folder, name) if isinstance(drawn, Film) else save(drawn, folder, name)


def _draw_one(folder: Path, name: str, node: dict[str, Any]) -> list[Path]:
    """The same by a process that has yet to read the records."""
    return _draw([run.record for run in _runs(folder) if run.record is not None], folder, name, node)


def _unfinished(run: StoredRun) -> str:
    """A line on a run without a record, with the command that makes it."""
    said = f"{run.state}: {run.name}{f' ({run.problem})' if run.problem else ''}"
    command = command_of(run) if run.entry is not None and run.entry.overrides else None
    return f"{said}; only that: {command}" if command else said


def _page_runs(runs: Sequence[StoredRun]) -> list[PageRun]:
    return [PageRun.of(run, command_of(run)) for run in runs]


def draw_overview(folder: Path) -> Path:
    """Writes one page over all runs below a folder, finished or not, of however many experiments.

    Args:
        folder: results.

    Returns:
        The page.

    Raises:
        ValueError: no run is there.
        FileNotFoundError: the folder is not there.
    """
    runs = list(find_runs([folder]))
    if not runs:
        raise ValueError(f"{folder} holds no run")
    families = [run.record.family for run in runs if run.record is not None]
    return write_overview(folder, _page_runs(runs), palettes(families))


def draw_plot(settings: Sequence[tuple[str, str]], places: Sequence[Path]) -> list[Path]:
    """Heat maps and lines of metrics over one or two settings of finished runs.

    Args:
        settings: x, and y, value, where, output if they are given; where any number of times.
        places: folders of results.

    Returns:
        The picture's files.

    Raises:
        ValueError: no x, a setting that no run has, or no run to draw.
        FileNotFoundError: a folder that is not there.
    """
    chosen = dict(settings)
    if not chosen.get("x"):
        raise ValueError("x=KEY is missing: the setting along the first axis")
    runs = chosen_runs(places, [value for key, value in settings if key == "where"], ["done"])
    found = [(run, run.record) for run in runs if run.record is not None]
    if not found:
        raise ValueError(f"no finished run is in {' or '.join(map(str, places))}")
    keys = [chosen[key] for key in ("x", "y") if chosen.get(key)]
    for key in keys:
        check_known(runs, key)
    configs = [flat(run.config) for run, _ in found]
    differ = [key for key in configs[0] if len({str(config.get(key)) for config in configs}) > 1]
    varied = [key for key in differ if key != "name" and "_target_" not in key]
    records = []
    for (run, record), config in zip(found, configs, strict=True):
        axes = {key: config.get(key) for key in varied if not any(key == k or key.endswith(f".{k}") for k in keys)}
        axes |= {key: run.value(key) for key in keys}
        axes |= {} if len(keys) == 2 else {"model": run.folder.name.rpartition("-")[0]}
        records.append(replace(record, axes=axes))
    metrics = (chosen.get("value") or "forgetting,learned_rmse,final_rmse").split(",")
    figure = sweep(records, (keys[0], keys[1] if len(keys) == 2 else "model"), metrics)
    folder = places[0] if not (places[0] / "record.json").is_file() else places[0].parent
    name = chosen.get("output") or "-".join(["plot", *(key.replace(".", "_") for key in keys)])
    return save(figure, folder, name)
