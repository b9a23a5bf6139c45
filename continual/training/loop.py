"""The training loop: M members through T tasks, with any optimizer, resumable bit for bit.

In one file: the loop is one state, all of which a checkpoint has to hold.
"""

__all__ = ["train"]

import logging
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from continual.extension import Moment, Session, Training
from continual.models import parameter_counts, some_of, trainable
from continual.optimizers.making import make_optimizer
from continual.stopping import LimitReachedError, Stopped
from continual.training.evaluation import Evaluator
from continual.training.history import History
from continual.training.hooks import Hooks
from continual.training.stepping import TrainingStep, step_hooks

log = logging.getLogger(__name__)

_CALL = 0.05
"""Seconds of one call that takes several steps, after which signals, limits and the console are looked after."""

_LITTLE = 1.0
"""Seconds of work for which the end of a task is not worth a checkpoint, which may take a tenth of them."""


def _batch(inputs: Tensor, targets: Tensor, size: int | None, generators: Sequence[Generator]) -> tuple[Tensor, Tensor]:
    """The samples of one step: all, or `size` of them drawn without replacement, each member's by its generator."""
    count = inputs.shape[1]
    if size is None or size >= count:
        return inputs, targets
    chosen = torch.stack([torch.randperm(count, generator=g)[:size] for g in generators]).to(inputs.device)
    members = torch.arange(inputs.shape[0], device=inputs.device).unsqueeze(1)
    return inputs[members, chosen], targets[members, chosen]


def train(training: Training) -> History:
    """Trains the stack through all tasks in order and evaluates it along the way.

    Losses are the curriculum's of each member on its own data, its penalty, and the terms of extensions. Their sum
    is differentiated, and the sum of terms that share no parameter has each term's own gradient: members never mix. A
    member whose loss stops being finite is marked as not alive, its RMSE is NaN from then on, and the others go on.

    Args:
        training: everything that it needs; see `continual.extension` for what can take part in it.

    Returns:
        The history of evaluations.

    Raises:
        ValueError: an extension that can't work, or see `make_optimizer`.
        Stopped: a signal came; the checkpoint holds the last step.
        LimitReachedError: a limit is exceeded; the same.
    """
    training.check()
    loop = _Loop(training)
    loop.run()
    return loop.history


class _Loop:
    """State of a training run; everything that a checkpoint must hold."""

    def __init__(self, training: Training) -> None:
        self.training = training
        self.model, self.curriculum, self.settings = training.model, training.curriculum, training.settings
        self.checkpoint = training.checkpoint
        self.hooks = Hooks(training)
        self.evaluator = Evaluator(training.curriculum, split=training.settings.evaluate_on)
        self.stream = training.curriculum.stream
        self.history = History(alive=np.ones(training.model.members, dtype=bool))
        self.task = 0  # in training, or to begin next
        self.step = 0  # done within it
        self.pace = math.inf  # seconds of a step
        self.heard: set[Any] = set()  # those that have said what they do in this task
        self.penalized = self.wants_penalty()
        self.begin_optimizer()
        loss, draws = self.curriculum.loss, training.generators
        stream = self.stream is not None
        self.hooks.begin(Session(self.model, loss, self.settings, draws, lambda: self.optimizer, stream))
        self.saved = time.monotonic()

    def run(self) -> None:
        state = self.checkpoint.load() if self.checkpoint is not None else None
        if state is not None:
            self.load(state)
            if self.task < len(self.curriculum) and (exceeded := self.exceeded()) is not None:
                raise exceeded
        else:
            nothing = np.full(self.model.members, np.nan)
            self.evaluate(-1, nothing)
            self.end_row(0)
        while self.task < len(self.curriculum):
            self.learn()
            self.task, self.step = self.task + 1, 0
            self.heard.clear()
            end = self.end() if self.task < len(self.curriculum) else None
            if end is not None or time.monotonic() - self.saved > min(_LITTLE, self.settings.checkpoint_seconds):
                self.save()
            if end is not None:
                self.leave(end)
        if self.training.adaptations and not self.history.events:
            log.warning("no adaptation found anything to do")

    def begin_optimizer(self) -> None:
        self.optimizer = make_optimizer(self.training.make, self.model)
        self.begin_steps()

    def begin_steps(self) -> None:
        self.take_step = TrainingStep(
            self.model,
            self.optimizer,
            self.training.penalty if self.penalized else None,
            **step_hooks(self.training),
        )

    def wants_penalty(self) -> bool:
        """Whether the next step's loss has the penalty."""
        until = self.settings.penalty_steps
        return self.training.penalty is not None and (until is None or self.place[1] < until)

    @property
    def total(self) -> int:
        """Steps done over all tasks."""
        return self.task * self.settings.steps + self.step

    @property
    def place(self) -> tuple[int, int]:
        """The task from 0 and the steps done within it, as extensions see them: a stream is one task."""
        return (self.task, self.step) if self.stream is None else (0, self.total)

    def moment(self, inputs: Tensor, targets: Tensor) -> Moment:
        task, step = self.place
        return Moment(self.model, task + 1, step, self.total, inputs, targets)

    def streamed(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """The samples of the next step of a stream, in the dtype and on the device of a tensor."""
        assert self.stream is not None
        last = len(self.curriculum) * self.settings.steps - 1
        inputs, targets = self.stream(self.total / max(last, 1), self.training.generators)
        return inputs.to(like), targets.to(like)

    def prepare(self, inputs: Tensor, targets: Tensor) -> None:
        """What comes before a step: changes of the model, and a new optimizer where the old one lost its meaning."""
        task, step = self.place
        anew = step == 0 and task > 0 and self.training.reset_optimizer
        changes = self.hooks.changes(self.moment(inputs, targets)) if self.hooks.change_models else []
        for asked, change in changes:
            # the console hears of each kind once a task; log.txt has them all
            level = logging.DEBUG if asked in self.heard else logging.INFO
            self.heard.add(asked)
            log.log(level, "task %d, step %d: %s", self.task + 1, self.step, change.text)
            self.history.events.append((self.total, change.text))
            if change.portrait is not None:
                self.history.portraits.append(dict(change.portrait))
        wanted = self.wants_penalty()
        anew = anew or wanted != self.penalized or any(change.reset_optimizer for _, change in changes)
        anew = anew or ((self.hooks.change_models or self.step == 0) and self.is_stale())
        self.penalized = wanted
        if anew:
            self.begin_optimizer()
        elif changes or (step == 0 and task > 0):  # what extensions add to a step may be other than in the last task
            self.begin_steps()

    def is_stale(self) -> bool:
        """Whether the optimizer's parameters are not those of the model any more, or not all that are trained."""
        own = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        trained = trainable(self.model)
        return len(own) != len(trained) or any(a is not b for a, b in zip(own, trained, strict=True))

    def learn(self) -> None:
        """Trains on the current task to its end."""
        last = self.stream is None or self.task == len(self.curriculum) - 1
        if self.place[1] == 0:
            task = self.curriculum.tasks[self.task]
            self.hooks.before_task(self.moment(task.train_inputs, task.train_targets))
        data = self.hooks.task_data(self.curriculum.tasks, self.task)
        finite = torch.from_numpy(self.history.alive).to(data[0].device)
        while self.step < self.settings.steps:
            began = time.perf_counter()
            if self.stream is not None:
                data = self.streamed(data[0])
            self.prepare(*data)
            rows = self.several(*data)
            if rows is None:
                batch = _batch(*data, self.settings.batch_size, self.training.generators)
                rows = self.take_step(*self.hooks.step_data(batch, own=batch[0] is data[0])).unsqueeze(0)
            finite = finite & rows.isfinite().all(0)
            seconds = time.perf_counter() - began
            self.history.train_seconds += seconds
            self.pace = seconds / len(rows)
            for losses in rows:
                self.step += 1
                self.hooks.after_step(*self.place, losses)
            ends = self.step == self.settings.steps
            if ends and last:
                self.hooks.after_task(self.moment(*data))
            if ends or self.step % self.settings.evaluate_every == 0:
                self.history.alive = finite.cpu().numpy()
                self.evaluate(self.task, losses.double().cpu().numpy())
            if ends:  # which is saved when its row is there
                continue
            end = self.end()
            if end is not None or time.monotonic() - self.saved > self.settings.checkpoint_seconds:
                self.history.alive = finite.cpu().numpy()
                self.save()
                if end is not None:
                    self.leave(end)
        self.history.boundaries.append((self.task + 1) * self.settings.steps)
        self.end_row(self.task + 1)

    def several(self, inputs: Tensor, targets: Tensor) -> Tensor | None:
        """The losses of some steps in one call, (steps, M), where nothing and nobody has to look in between."""
        size, done, every = self.settings.batch_size, self.step, self.settings.evaluate_every
        if self.stream is not None or self.hooks.intervene or (size is not None and size < inputs.shape[1]):
            return None
        until = min(self.settings.steps - done, every - done % every, int(_CALL / self.pace))
        return self.take_step.several(inputs, targets, until) if until > 1 else None

    def evaluate(self, task: int, loss: NDArray[np.float64]) -> None:
        rmse, median, accuracy = self.evaluator(self.model, self.hooks.predictors(len(self.curriculum)))
        # a prediction can overflow before the next loss does
        self.history.alive = self.history.alive & np.isfinite(rmse).all(axis=1)
        rmse, median = (np.where(self.history.alive[:, None], errors, np.nan) for errors in (rmse, median))
        done = self.total if task >= 0 else 0
        self.history.step.append(done)
        self.history.task.append(task)
        self.history.loss.append(loss)
        self.history.rmse.append(rmse)
        self.history.median.append(median)
        if accuracy is not None:
            accuracy = np.where(self.history.alive[:, None], accuracy, np.nan)
            self.history.accuracy.append(accuracy)
        self.history.seconds.append(self.history.train_seconds)
        self.history.parameters.append(parameter_counts(self.model)["trainable"])
        grid_size = getattr(self.model, "grid_size", None)
        if grid_size is not None:
            self.history.grid_sizes.append(grid_size)
        outside = getattr(self.model, "outside", None)
        if outside is not None:
            inputs = some_of(self.curriculum.tasks[max(task, 0)].train_inputs)
            self.history.outside.append(outside(inputs).cpu().numpy())
        self.hooks.evaluation(done, task, loss, rmse, accuracy)

    def end_row(self, index: int) -> None:
        """Takes the last evaluation as row `index` of R."""
        row = self.history.rmse[-1]
        self.history.rows.append(row)
        self.history.accuracy_rows += self.history.accuracy[-1:]
        if self.curriculum.view is not None:
            predictions = self.evaluator.predict(self.model, self.curriculum.view.inputs)
            self.history.predictions.append(predictions.cpu().numpy())
        self.hooks.task_done(index, row)

    def save(self) -> None:
        if self.checkpoint is None:
            return
        state = {
            "task": self.task,
            "step": self.step,
            "penalized": self.penalized,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generators": [generator.get_state() for generator in self.training.generators],
            "extensions": self.hooks.states(),
            "trained": [parameter.requires_grad for parameter in self.model.parameters()],
            "history": self.history.state(),
        }
        self.checkpoint.save(state)
        self.saved = time.monotonic()

    def end(self) -> Stopped | LimitReachedError | None:
        """Why the session is to end here, if it is."""
        signalled = self.training.stop() if self.training.stop is not None else None
        return self.exceeded() if signalled is None else Stopped(signalled)

    def exceeded(self) -> LimitReachedError | None:
        """The limit that was exceeded by now, if one was."""
        which = self.training.exceeded() if self.training.exceeded is not None else None
        if which is None:
            return None
        where = f"task {self.task + 1} after step {self.step}"
        return LimitReachedError(f"{which} in {where}; with a higher limit it goes on from there")

    def leave(self, end: Stopped | LimitReachedError) -> None:
        """Ends the session, once all is saved."""
        log.info("stopped in task %d after step %d", self.task + 1, self.step)
        raise end

    def load(self, state: Mapping[str, Any]) -> None:
        """Goes on from the state of a checkpoint, and tells those that have no state of their own what they missed."""
        self.task, self.step = state["task"], state["step"]
        self.penalized = state["penalized"]
        fit_to = getattr(self.model, "fit_to", None)
        if fit_to is not None:  # it may have grown or been pruned since it was built
            fit_to(state["model"])
        self.model.load_state_dict(state["model"])
        trained = state.get("trained") or [parameter.requires_grad for parameter in self.model.parameters()]
        for parameter, wanted in zip(self.model.parameters(), trained, strict=True):
            parameter.requires_grad_(wanted)
        self.hooks.load_states(state.get("extensions") or [])
        self.begin_optimizer()
        self.optimizer.load_state_dict(state["optimizer"])
        for generator, saved in zip(self.training.generators, state["generators"], strict=True):
            generator.set_state(saved)
        self.history = history = History.from_state(state["history"])
        again = self.hooks.deaf()
        boundaries = [0, *history.boundaries]
        told = 0
        for e, (done, task, loss, rmse) in enumerate(
            zip(history.step, history.task, history.loss, history.rmse, strict=True)
        ):
            again.evaluation(done, task, loss, rmse, history.accuracy[e] if history.accuracy else None)
            if told < len(history.rows) and done == boundaries[told]:
                again.task_done(told, history.rows[told])
                told += 1
