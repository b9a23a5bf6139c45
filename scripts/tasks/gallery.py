"""Which curricula are drawn, built from the same settings as a run's."""

__all__ = ["GALLERY", "draw_curricula"]

from collections.abc import Sequence
from pathlib import Path

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser

from continual.figures import save
from continual.figures.parts.task_view import TaskView
from continual.figures.tasks import draw_tasks
from continual.run import tasks_seen
from scripts.config.composed import plain
from scripts.config.parts import build_curriculum
from scripts.groups import composed, options, overrides_of

_PEAKS = ("curriculum=gaussian_peaks", "curriculum.sharpness=50")

GALLERY: tuple[tuple[str, ...], ...] = (
    ("curriculum=gaussian_peaks",),
    (*_PEAKS, "curriculum.dimension=2"),
    (*_PEAKS, "curriculum.dimension=2", "curriculum.layout=line", "curriculum.target=additive"),
    (*_PEAKS, "curriculum.dimension=2", "curriculum.rotation=0.5", "curriculum.overlap=0.6"),
    (*_PEAKS, "curriculum.dimension=3"),
    (*_PEAKS, "curriculum.dimension=3", "curriculum.layout=random", "curriculum.target=additive"),
    (*_PEAKS, "curriculum.dimension=6", "curriculum.layout=line"),
    (*_PEAKS, "curriculum.dimension=2", "curriculum.layout=lattice", "curriculum.peaks=9"),
    ("curriculum=image_bands",),
    ("curriculum=drift",),
    ("curriculum=drift", "curriculum.moves=peak"),
    ("curriculum=toy_regions",),
    ("curriculum=toy_regions", "curriculum.axis=diagonal", "curriculum.overlap=1.5"),
    ("curriculum=toy_sequence",),
    ("curriculum=function",),
)
"""What is drawn where nothing is asked for; options of one's own follow."""


def draw_curricula(arguments: Sequence[str]) -> list[Path]:
    """Draws the tasks of curricula, a row each.

    Args:
        arguments: a command line as `python -m scripts.train -m` takes it; nothing for all curricula.

    Returns:
        The picture's files.

    Raises:
        ConfigError: settings that are wrong, in one line.
    """
    asked = overrides_of(arguments)
    common = [each for each in asked if each.startswith("results=")]
    chosen = [each for each in asked if each not in common]
    if chosen:
        parsed = OverridesParser.create().parse_overrides(chosen)
        jobs = [list(job) for batch in BasicSweeper.split_arguments(parsed, None) for job in batch]
        varied = [key for key in {each.partition("=")[0]: None for each in jobs[0]} if _differs(jobs, key)]
        said = [", ".join(each.partition(".")[2] or each for each in job if _key(each) in varied) for job in jobs]
    else:
        named = {job[0].partition("=")[2] for job in GALLERY}
        jobs = [list(job) for job in GALLERY]
        jobs += [[f"curriculum={option}"] for option in options("curriculum") if option not in named]
        evident = {"curriculum", "curriculum.dimension", "curriculum.sharpness"}
        said = [", ".join(each.partition(".")[2] for each in job if _key(each) not in evident) for job in jobs]
    views = []
    results = Path("results")
    for job in jobs:
        values = plain(composed([*common, *job]))
        results = Path(str(values["results"]))
        curriculum = build_curriculum({**values, "seeds": values["seeds"][:1]})
        names = [task.name for task in curriculum.tasks]
        views.append(TaskView.made_of(curriculum.name, names, tasks_seen(curriculum)))
    return save(draw_tasks(views, [each.replace("=", " = ") for each in said]), results / "tasks", "tasks")


def _key(override: str) -> str:
    return override.partition("=")[0]


def _differs(jobs: Sequence[Sequence[str]], key: str) -> bool:
    """Whether a setting has several values."""
    return len({each for job in jobs for each in job if _key(each) == key}) > 1
