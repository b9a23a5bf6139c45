"""What `scripts.train` does with a composed config; imported when there is one, since that takes a second."""

__all__ = ["train_one"]

import sys
from dataclasses import replace
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from continual.reports.structure import outcome
from continual.reports.tables import text_table
from continual.run import save_summary
from scripts.attempts import one_of_many, set_threads
from scripts.command import train_command
from scripts.config.effects import chosen_keys, without_effect
from scripts.config.run import build_run, train_run
from scripts.drawing import draw_probes
from scripts.errors import answered


def train_one(config: DictConfig) -> None:
    """One run, alone or of a sweep: builds it, trains it or finds its record, and shows the result of a lonely one."""
    hydra: Any = HydraConfig.get()
    if hydra.mode == RunMode.MULTIRUN:
        one_of_many(config, int(hydra.job.num))
        return
    set_threads(config)
    with answered(sys.argv[1:]):  # here, since Hydra would add a line of its own
        ready = build_run(config)
        command = train_command(hydra.overrides.task, sweep=False)
        ready = replace(ready, info=replace(ready.info, command=command))
        for line in without_effect(ready.info.config, chosen_keys(hydra.overrides.task)):
            print(line)
        record = train_run(ready)
        became = outcome(record)
        parts = ["", text_table([record]), *([became, ""] if became else [""]), f"figure: {save_summary(record)}"]
        parts += [f"figure: {path}" for path in draw_probes(config, record)]
        print("\n".join(parts))
