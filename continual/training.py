"""The training loop: M members through T tasks, with any optimizer, resumable bit for bit."""

__all__ = ["MakeOptimizer", "Observer", "Settings", "check_members", "make_optimizer", "train"]

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn
from torch.optim import Optimizer

from continual.adaptation import Adaptation, Moment
from continual.checkpoint import Checkpoint
from continual.evaluation import Evaluator
from continual.history import History
from continual.models import StackedModel, parameter_counts, some_of, trainable
from continual.stepping import Penalty, TrainingStep
from continual.stopping import Stopped
from continual.strategies import Strategy
from tasks import Curriculum

log = logging.getLogger(__name__)

MakeOptimizer = Callable[[Iterable[nn.Parameter]], Optimizer]


class Observer(Protocol):
    """Whoever wants to know how training goes; trackers and progress lines do."""

    def evaluation(self, step: int, task: int, loss: NDArray[np.float64], rmse: NDArray[np.float64]) -> None:
        """All tasks were evaluated: loss (M,), rmse (M, T)."""

    def task_done(self, index: int, rmse: NDArray[np.float64]) -> None:
        """`index` tasks have been learned so far, 0 to T: rmse (M, T)."""


@dataclass(frozen=True)
class Settings:
    """How long and on what to train.

    Args:
        steps: optimizer steps a task; one step of L-BFGS is up to `max_iter` inner iterations.
        batch_size: samples of a step, drawn anew for each step without replacement, for each member of its own; None
            for all of them.
        evaluate_every: steps between evaluations of all tasks; also evaluated before training and after each task.
        checkpoint_seconds: least time between checkpoints within a task; there is always one after each task, and where
            training is asked to stop.
        penalty_steps: steps of each task whose loss has the penalty, if there is one; None for all.

    Raises:
        ValueError: a number below 1.
    """

    steps: int
    batch_size: int | None = None
    evaluate_every: int = 100
    checkpoint_seconds: float = 30.0
    penalty_steps: int | None = None

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "evaluate_every", "penalty_steps"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")


def make_optimizer(make: MakeOptimizer, model: StackedModel) -> Optimizer:
    """The optimizer over the trainable parameters.

    Raises:
        ValueError: nothing to train, or a learning rate that is not positive.
    """
    parameters = trainable(model)
    if not parameters:
        raise ValueError("nothing to train: every parameter of the model is frozen")
    optimizer = make(parameters)
    for group in optimizer.param_groups:
        if not 0.0 < float(group.get("lr", 1.0)) < float("inf"):
            raise ValueError(f"the learning rate must be positive and finite, got lr={group['lr']}")
    return optimizer


def check_members(make: MakeOptimizer) -> None:
    """Tries an optimizer that is not of this suite on a stack and on its members alone.

    Raises:
        ValueError: it mixes members, as norms over whole parameters do, or takes no such gradients.
    """
    generator = Generator().manual_seed(0)
    start, *gradients = torch.randn(4, 2, 4, 3, dtype=torch.float64, generator=generator)

    def stepped(members: slice) -> Tensor:
        parameter = nn.Parameter(start[members].clone())
        optimizer = make([parameter])
        for gradient in gradients:
            parameter.grad = gradient[members].clone()
            optimizer.step()
        return parameter.detach()

    kind = type(make([nn.Parameter(start.clone())]))
    if kind.__module__.partition(".")[0] == __name__.partition(".")[0]:
        return
    try:
        together, alone = stepped(slice(None)), torch.cat([stepped(slice(0, 1)), stepped(slice(1, 2))])
    except (TypeError, RuntimeError) as error:
        raise ValueError(f"{kind.__name__} can't train a stack of members: {str(error).splitlines()[0]}") from error
    if not torch.allclose(together, alone, rtol=1e-9, atol=1e-12):
        raise ValueError(f"{kind.__name__} mixes members: what one seed computes would depend on the others")


def _batch(inputs: Tensor, targets: Tensor, size: int | None, generators: Sequence[Generator]) -> tuple[Tensor, Tensor]:
    """The samples of one step: all, or `size` of them drawn without replacement, each member's by its generator."""
    count = inputs.shape[1]
    if size is None or size >= count:
        return inputs, targets
    chosen = torch.stack([torch.randperm(count, generator=g)[:size] for g in generators]).to(inputs.device)
    members = torch.arange(inputs.shape[0], device=inputs.device).unsqueeze(1)
    return inputs[members, chosen], targets[members, chosen]


def train(
    model: StackedModel,
    curriculum: Curriculum,
    make: MakeOptimizer,
    strategy: Strategy,
    settings: Settings,
    *,
    generators: Sequence[Generator],
    adaptations: Sequence[Adaptation] = (),
    penalty: Penalty | None = None,
    observers: Sequence[Observer] = (),
    tick: Callable[[int, int, Tensor], None] | None = None,
    checkpoint: Checkpoint | None = None,
    stop: Callable[[], int | None] | None = None,
) -> History:
    """Trains the stack through all tasks in order and evaluates it along the way.

    Losses are mean squared errors of each member on its own data, and its penalty. Their sum is differentiated, and the
    sum of terms that share no parameter has each term's own gradient: members never mix. A member whose loss stops
    being finite is marked as not alive, its RMSE is NaN from then on, and the others go on.

    Args:
        model: M members; trained in place.
        curriculum: T tasks for M members, in the model's dtype and on its device.
        make: builds the optimizer; Adam, SGD and `continual.lbfgs.LBFGS` all step through one closure, which returns
            the losses (M,).
        strategy: which data each task trains on, and whether the optimizer begins anew with it.
        settings: steps, batches, evaluations.
        generators: one a member, for drawing batches.
        adaptations: what may change the model before a step, in this order; see `continual.adaptation`.
        penalty: added to the loss; the optimizer begins anew where it comes or goes.
        observers: told of every evaluation, also of those before a resumption.
        tick: called after each step with the task, the step within it, and the losses (M,).
        checkpoint: what to write while running, and to go on from if it is there.
        stop: asked after each step for the signal that came, if any, see `continual.stopping`.

    Returns:
        The history of evaluations.

    Raises:
        ValueError: model and curriculum do not fit together, an adaptation that can't work, or see `make_optimizer`.
        Stopped: a signal came; the checkpoint holds the last step.
    """
    if (model.members, model.in_features, model.out_features) != (
        curriculum.members,
        curriculum.in_features,
        curriculum.out_features,
    ):
        raise ValueError("model and curriculum must have the same members, input and output features")
    for adaptation in adaptations:
        adaptation.check(model, settings.steps, len(curriculum))
    loop = _Loop(
        model, curriculum, make, strategy, settings, generators, adaptations, penalty, observers, tick, checkpoint, stop
    )
    loop.run()
    return loop.history


class _Loop:
    """State of a training run; everything that a checkpoint must hold."""

    def __init__(
        self,
        model: StackedModel,
        curriculum: Curriculum,
        make: MakeOptimizer,
        strategy: Strategy,
        settings: Settings,
        generators: Sequence[Generator],
        adaptations: Sequence[Adaptation],
        penalty: Penalty | None,
        observers: Sequence[Observer],
        tick: Callable[[int, int, Tensor], None] | None,
        checkpoint: Checkpoint | None,
        stop: Callable[[], int | None] | None,
    ) -> None:
        self.model, self.curriculum, self.make = model, curriculum, make
        self.strategy, self.settings, self.generators = strategy, settings, generators
        self.adaptations, self.penalty = adaptations, penalty
        self.observers, self.tick, self.checkpoint, self.stop = observers, tick, checkpoint, stop
        self.evaluator = Evaluator(curriculum)
        self.history = History(alive=np.ones(model.members, dtype=bool))
        self.task = 0  # in training, or to begin next
        self.step = 0  # done within it
        self.heard: set[Adaptation] = set()  # those that have said what they do in this task
        self.penalized = self.wants_penalty()
        self.begin_optimizer()
        self.saved = time.monotonic()

    def run(self) -> None:
        state = self.checkpoint.load() if self.checkpoint is not None else None
        if state is not None:
            self.load(state)
        else:
            nothing = np.full(self.model.members, np.nan)
            self.evaluate(-1, nothing)
            self.end_row(0)
        while self.task < len(self.curriculum):
            self.learn()
            self.task, self.step = self.task + 1, 0
            self.heard.clear()
            self.save()
            signalled = self.stop() if self.stop is not None else None
            if signalled is not None and self.task < len(self.curriculum):
                self.leave(signalled)
        if self.adaptations and not self.history.events:
            log.warning("no adaptation found anything to do")

    def begin_optimizer(self) -> None:
        self.optimizer = make_optimizer(self.make, self.model)
        self.begin_steps()

    def begin_steps(self) -> None:
        self.take_step = TrainingStep(self.model, self.optimizer, self.penalty if self.penalized else None)

    def wants_penalty(self) -> bool:
        """Whether the next step's loss has the penalty."""
        until = self.settings.penalty_steps
        return self.penalty is not None and (until is None or self.step < until)

    def prepare(self, inputs: Tensor) -> None:
        """What comes before a step: adaptations, and a new optimizer where the old one has lost its meaning."""
        anew = self.step == 0 and self.task > 0 and self.strategy.reset_optimizer
        total = self.task * self.settings.steps + self.step
        changes = []
        for adaptation in self.adaptations:
            change = adaptation(Moment(self.model, self.task + 1, self.step, total, inputs))
            if change is not None:
                # the console hears of each kind once a task; log.txt has them all
                level = logging.DEBUG if adaptation in self.heard else logging.INFO
                self.heard.add(adaptation)
                log.log(level, "task %d, step %d: %s", self.task + 1, self.step, change.text)
                self.history.events.append((total, change.text))
                if change.portrait is not None:
                    self.history.portraits.append(dict(change.portrait))
                changes.append(change)
        wanted = self.wants_penalty()
        anew = anew or wanted != self.penalized or any(change.reset_optimizer for change in changes)
        self.penalized = wanted
        if anew:
            self.begin_optimizer()
        elif changes:
            self.begin_steps()

    def learn(self) -> None:
        """Trains on the current task to its end."""
        data = self.strategy.training_data(self.curriculum.tasks, self.task)
        finite = torch.from_numpy(self.history.alive).to(data[0].device)
        while self.step < self.settings.steps:
            began = time.perf_counter()
            self.prepare(data[0])
            losses = self.take_step(*_batch(*data, self.settings.batch_size, self.generators))
            finite = finite & losses.isfinite()
            self.step += 1
            self.history.train_seconds += time.perf_counter() - began
            if self.tick is not None:
                self.tick(self.task, self.step, losses)
            ends = self.step == self.settings.steps
            if ends or self.step % self.settings.evaluate_every == 0:
                self.history.alive = finite.cpu().numpy()
                self.evaluate(self.task, losses.double().cpu().numpy())
            signalled = self.stop() if self.stop is not None else None
            # the end of a task is saved when its row is there
            due = signalled is not None or time.monotonic() - self.saved > self.settings.checkpoint_seconds
            if due and not ends:
                self.history.alive = finite.cpu().numpy()
                self.save()
                if signalled is not None:
                    self.leave(signalled)
        self.history.boundaries.append((self.task + 1) * self.settings.steps)
        self.end_row(self.task + 1)

    def evaluate(self, task: int, loss: NDArray[np.float64]) -> None:
        rmse, median = self.evaluator(self.model)
        # a prediction can overflow before the next loss does
        self.history.alive = self.history.alive & np.isfinite(rmse).all(axis=1)
        rmse, median = (np.where(self.history.alive[:, None], errors, np.nan) for errors in (rmse, median))
        done = task * self.settings.steps + self.step if task >= 0 else 0
        self.history.step.append(done)
        self.history.task.append(task)
        self.history.loss.append(loss)
        self.history.rmse.append(rmse)
        self.history.median.append(median)
        self.history.seconds.append(self.history.train_seconds)
        self.history.parameters.append(parameter_counts(self.model)["trainable"])
        grid_size = getattr(self.model, "grid_size", None)
        if grid_size is not None:
            self.history.grid_sizes.append(grid_size)
        outside = getattr(self.model, "outside", None)
        if outside is not None:
            inputs = some_of(self.curriculum.tasks[max(task, 0)].train_inputs)
            self.history.outside.append(outside(inputs).cpu().numpy())
        for observer in self.observers:
            observer.evaluation(done, task, loss, rmse)

    def end_row(self, index: int) -> None:
        """Takes the last evaluation as row `index` of R."""
        row = self.history.rmse[-1]
        self.history.rows.append(row)
        if self.curriculum.view is not None:
            predictions = self.evaluator.predict(self.model, self.curriculum.view.inputs)
            self.history.predictions.append(predictions.cpu().numpy())
        for observer in self.observers:
            observer.task_done(index, row)

    def save(self) -> None:
        if self.checkpoint is None:
            return
        state = {
            "task": self.task,
            "step": self.step,
            "penalized": self.penalized,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generators": [generator.get_state() for generator in self.generators],
            "history": self.history.state(),
        }
        self.checkpoint.save(state)
        self.saved = time.monotonic()

    def leave(self, signalled: int) -> None:
        """Ends the session after a signal."""
        log.info("stopped in task %d after step %d", self.task + 1, self.step)
        raise Stopped(signalled)

    def load(self, state: Mapping[str, Any]) -> None:
        """Goes on from the state of a checkpoint, and tells the observers what they missed."""
        self.task, self.step = state["task"], state["step"]
        self.penalized = state["penalized"]
        fit_to = getattr(self.model, "fit_to", None)
        if fit_to is not None:  # it may have grown or been pruned since it was built
            fit_to(state["model"])
            self.begin_optimizer()
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        for generator, saved in zip(self.generators, state["generators"], strict=True):
            generator.set_state(saved)
        self.history = history = History.from_state(state["history"])
        boundaries = [0, *history.boundaries]
        told = 0
        for done, task, loss, rmse in zip(history.step, history.task, history.loss, history.rmse, strict=True):
            for observer in self.observers:
                observer.evaluation(done, task, loss, rmse)
                if told < len(history.rows) and done == boundaries[told]:
                    observer.task_done(told, history.rows[told])
            told += told < len(history.rows) and done == boundaries[told]
