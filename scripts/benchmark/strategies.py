"""What a strategy adds to a training step: a KAN with and without it, in turns."""

__all__ = ["strategies_table"]

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from hydra import compose, initialize_config_module
from hydra.utils import instantiate
from torch import Generator, Tensor

from continual.extension import Moment, Session, Settings, Training
from continual.optimizers.adam import Adam
from continual.training.stepping import TrainingStep, step_hooks
from scripts.benchmark.cases import Case, networks
from scripts.benchmark.timing import Job, paired, ratio, work_job
from scripts.config.composed import plain
from tasks import Curriculum, Task
from tasks.sampling import generators_from


def strategies_table(
    names: Sequence[str], cases: Sequence[Case], members: int, dtype: torch.dtype, device: torch.device
) -> str:
    """Times a step of Adam on the second task under each strategy, and prints what it costs.

    Args:
        names: options of the group `strategy`, with their defaults.
        cases: sizes.
        members: M.
        dtype: of parameters and data.
        device: where.
    """
    lines = [f"\na step of a KAN under a strategy, {members} members, 1 thread\n"]
    lines += ["| case | strategy | plain, ms | strategy ÷ plain |", "| --- | --- | --- | --- |"]
    torch.set_num_threads(1)
    for case in cases:
        jobs = dict(_jobs(["finetune", *names], case, members, dtype, device))
        times = paired(jobs, rounds=31)
        for name in names:
            base = 1e3 * float(torch.tensor(times["finetune"]).median())
            lines.append(f"| {case} | {name} | {base:.3g} | {ratio(times[name], times['finetune'])} |")
            print(lines[-1], flush=True)
    return "\n".join(lines) + "\n"


def _jobs(
    names: Sequence[str], case: Case, members: int, dtype: torch.dtype, device: torch.device
) -> Iterator[tuple[str, Job]]:
    seeds = list(range(members))
    draws = generators_from(seeds, "benchmark")
    first, second = (_task(case, draws, dtype, device) for _ in range(2))
    curriculum = Curriculum("benchmark", [first, second], (-1.0, 1.0))
    for name in names:
        with initialize_config_module("conf", version_base="1.3"):
            node = plain(compose("train", [f"strategy={name}"]))["strategy"]
        chosen = [instantiate(value) for value in node.values() if isinstance(value, dict)]
        model = networks(case, members, dtype, device)["KAN"]()
        training = Training(model, curriculum, Adam, chosen, Settings(1), draws)
        training.check()
        optimizer = Adam(model.parameters())
        session = Session(model, curriculum.loss, training.settings, draws, lambda kept=optimizer: kept)  # type: ignore[misc]
        moments = [
            Moment(model, t, 0, 0, task.train_inputs, task.train_targets) for t, task in ((1, first), (2, second))
        ]
        for hook, argument in (("begin", session), ("before_task", moments[0]), ("after_task", moments[0])):
            for each in training.hooks(hook):
                each(argument)
        for each in training.hooks("before_task"):
            each(moments[1])
        step = TrainingStep(model, optimizer, **step_hooks(training))
        work = functools.partial(_work, step, training.hooks("step_data"), training.hooks("after_step"), second)
        yield name, work_job(work, device)


def _same(optimizer: Adam) -> Adam:
    return optimizer


def _work(step: TrainingStep, data: Sequence[Any], after: Sequence[Any], task: Task) -> None:
    batch = task.train_inputs, task.train_targets
    for change in data:
        batch = change(*batch)
    losses = step(*batch)
    for look in after:
        look(1, 1, losses)


def _task(case: Case, draws: Sequence[Generator], dtype: torch.dtype, device: torch.device) -> Task:
    def drawn(features: int) -> Tensor:
        values = [2 * torch.rand(case.batch, features, generator=draw) - 1 for draw in draws]
        return torch.stack(values).to(device, dtype)

    x, y = drawn(case.layer_sizes[0]), drawn(case.layer_sizes[-1])
    return Task("random", x, y, x, y)
