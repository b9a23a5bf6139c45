"""One optimizer step on the loss of every member; on CUDA recorded once and replayed as a graph.

In one file: the order in which all that takes part in a step is called, plain, in one call of a kernel, or captured.
"""

__all__ = ["TrainingStep", "step_hooks"]

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from continual.extension import Penalty, Quadratic, Training, owner
from continual.extension.quadratic import flat, unflat
from continual.models import StackedModel, trainable
from continual.optimizers.adam import Adam
from continual.optimizers.lbfgs import LBFGS
from continual.optimizers.least_squares import LeastSquares
from continual.optimizers.levenberg_marquardt import LevenbergMarquardt
from continual.optimizers.staged import Staged
from continual.training.hooks import checked_term
from tasks.losses import Loss, MeanSquaredError

_EAGER_STEPS = 3  # before a capture, so that libraries have set themselves up and the optimizer has its state


class TrainingStep:
    r"""Steps a stack on \(L_m(f_m(x_m), y_m) + P_m\), for each member m.

    L is the loss (`tasks.losses`), P is the penalty and the terms of extensions.

    The gradient of L in the predictions f is handed to the backward pass in closed form: at the sizes of this field the
    nodes of a loss cost as much as a layer.

    On CUDA, steps of optimizers that never ask the host for a decision (Adam and its kin, SGD) are captured in a CUDA
    graph after a few ordinary ones and replayed from then on, as long as the shapes stay; the results are the same.
    `Staged` is never captured: a graph would go on with the stage that it recorded.

    `LevenbergMarquardt` gets the least-squares problem itself in place of a closure, and refuses penalties and other
    losses.

    Args:
        model: M members.
        optimizer: over the model's parameters; its `step` gets a closure that returns the losses (M,).
        penalty: computes the predictions and P; None for P = 0.
        loss: L; the mean squared error by default.
        terms: `loss_term` of extensions, added to P.
        looks: `loss_gradients` of extensions, called after each backward pass.
        quadratics: `quadratics` of extensions, added to P after that.
        gradients: `gradients` of extensions, called last.
        graphs: False keeps every step an ordinary one.

    Raises:
        ValueError: a penalty, terms, gradients or another loss with `LevenbergMarquardt`, or a model that it can't
            train; surgery on gradients with an optimizer that searches for a minimum.
    """

    def __init__(
        self,
        model: StackedModel,
        optimizer: Optimizer,
        penalty: Penalty | None = None,
        *,
        loss: Loss | None = None,
        terms: Sequence[Callable[[StackedModel, Tensor, Tensor], Tensor]] = (),
        looks: Sequence[Callable[[StackedModel], None]] = (),
        quadratics: Sequence[Callable[[], Sequence[Quadratic]]] = (),
        gradients: Sequence[Callable[[StackedModel], None]] = (),
        graphs: bool = True,
    ) -> None:
        self._model = model
        self._looks, self._quadratics = looks, quadratics
        self._loss = MeanSquaredError() if loss is None else loss
        self._penalty, self._terms, self._gradients = penalty, terms, gradients
        self._added = (*terms, *looks, *quadratics, *gradients)
        self._optimizer = optimizer
        self._device = optimizer.param_groups[0]["params"][0].device
        self._least_squares = isinstance(optimizer, LevenbergMarquardt)
        if self._least_squares:
            if not self._loss.least_squares:
                kind = f"{self._loss.title} of {'columns of their own' if self._loss.masked else 'classes'}"
                raise ValueError(
                    f"LevenbergMarquardt solves for the squares of all errors, and the tasks' loss is the {kind}: use "
                    "another optimizer"
                )
            if penalty is not None:
                raise ValueError("LevenbergMarquardt takes no penalty, which is no sum of squares: use penalty=none")
            if terms or looks or gradients:
                owners = {owner(each).partition(".")[0] for each in (*terms, *looks, *gradients)}
                raise ValueError(
                    f"LevenbergMarquardt solves for the squares of errors alone, and {' and '.join(sorted(owners))} "
                    "changes the loss or its gradients: use another optimizer"
                )
            (group,) = optimizer.param_groups
            LeastSquares.check(model, group["params"], group["roughness"])
        _check_surgery(optimizer, (*looks, *gradients))
        self._fit = self._fitting()
        self._graphs = graphs and self._recordable() and self._make_capturable()
        self._eager_steps = 0
        self._graph: Any = None
        self._inputs = self._targets = self._losses = torch.empty(0)

    def _fitting(self) -> Any:
        """What computes the loss and its gradients in one call, if the model offers that and nothing else is wanted."""
        plain = type(self._loss) is MeanSquaredError and not self._loss.masked and not self._least_squares
        wanted = plain and self._penalty is None and self._device.type == "cpu"
        offered = getattr(self._model, "fitting", None) if wanted else None
        return None if offered is None else offered()

    def several(self, inputs: Tensor, targets: Tensor, steps: int) -> Tensor | None:
        """Some steps on the same samples in one call, each with the bits of a step by itself.

        Args:
            inputs: (M, B, I).
            targets: (M, B, O).
            steps: how many.

        Returns:
            The losses before each step, (steps, M); None, and nothing is done, where steps have to be taken one by one.
        """
        if self._fit is None or type(self._optimizer) is not Adam or self._added:
            return None
        return self._optimizer.fitted(self._fit, inputs, targets, steps)

    def _recordable(self) -> bool:
        """Whether all that extensions add to a step may be captured."""
        owners = (getattr(each, "__self__", each) for each in self._added)
        return all(getattr(owner, "capturable", False) for owner in owners)

    def _make_capturable(self) -> bool:
        """Whether steps can be captured; asks the optimizer to keep its counters on the device."""
        if self._device.type != "cuda" or isinstance(self._optimizer, Staged):
            return False
        groups = self._optimizer.param_groups
        if all("capturable" in group for group in groups):
            for group in groups:
                group["capturable"] = True
            return True
        return isinstance(self._optimizer, torch.optim.SGD)

    def __call__(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """One step on inputs (M, B, I) and targets (M, B, O); returns the losses before it, (M,), without graph."""
        if not self._graphs:
            return self._step(inputs, targets)
        if self._eager_steps < _EAGER_STEPS:
            self._eager_steps += 1
            return self._beside(inputs, targets)
        if self._graph is None or self._inputs.shape != inputs.shape or self._targets.shape != targets.shape:
            self._capture(inputs, targets)
        self._inputs.copy_(inputs)
        self._targets.copy_(targets)
        self._graph.replay()
        return self._losses.clone()  # the next replay writes there again

    def _step(self, inputs: Tensor, targets: Tensor) -> Tensor:
        result: Any
        losses = self.several(inputs, targets, 1)
        if losses is not None:
            return losses[0]
        if self._least_squares:
            quadratics = [each for give in self._quadratics for each in give()]
            problem: Any = LeastSquares(self._model, inputs, targets, quadratics)
            result = self._optimizer.step(problem)
            return result

        def closure() -> Tensor:
            losses = None if self._terms else self._fitted(inputs, targets)
            if losses is None:
                losses = backward()
            for look in self._looks:
                look(self._model)
            losses = self._add_quadratics(losses)
            for change in self._gradients:
                change(self._model)
            return losses

        def backward() -> Tensor:
            for group in self._optimizer.param_groups:
                for parameter in group["params"]:
                    parameter.grad = None
            if self._penalty is None:
                predictions, penalty = self._model(inputs), None
            else:
                predictions, penalty = self._penalty(self._model, inputs)
            for term in self._terms:
                added = checked_term(term, self._model, inputs, predictions)
                penalty = added if penalty is None else penalty + added
            if self._terms and penalty is not None and not penalty.requires_grad:  # the bits of a plain step
                losses = self._fitted(inputs, targets)
                if losses is not None:
                    return losses + penalty
            losses, upstream = self._loss(predictions, targets)
            if penalty is not None and penalty.requires_grad:
                torch.autograd.backward([predictions, penalty], [upstream, torch.ones_like(penalty)])
            else:
                predictions.backward(upstream)
            return losses if penalty is None else losses + penalty.detach()

        # torch's annotation says float; what the closure returns is handed through as it is
        result = self._optimizer.step(closure)  # type: ignore[arg-type]
        return result

    def _fitted(self, inputs: Tensor, targets: Tensor) -> Tensor | None:
        """The losses of one call that sets the gradients too; None where it has to be autograd."""
        return None if self._fit is None else self._fit.gradients(inputs, targets)

    def _add_quadratics(self, losses: Tensor) -> Tensor:
        """Losses with the quadratic terms, whose gradients are added to those that are there."""
        quadratics = [each for give in self._quadratics for each in give()]
        if not quadratics:
            return losses
        parameters = trainable(self._model)
        x = flat(parameter.detach() for parameter in parameters)
        for quadratic in quadratics:
            value, gradient = quadratic.value_and_gradient(x)
            losses = losses + value
            for parameter, own in unflat(gradient, parameters):
                parameter.grad = own if parameter.grad is None else parameter.grad.add_(own)
        return losses

    def _beside(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """An ordinary step on a stream of its own, as what comes before a capture has to be."""
        stream = torch.cuda.Stream(self._device)
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            losses = self._step(inputs, targets)
        torch.cuda.current_stream().wait_stream(stream)
        return losses

    def _capture(self, inputs: Tensor, targets: Tensor) -> None:
        self._inputs, self._targets = inputs.clone(), targets.clone()
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._losses = self._step(self._inputs, self._targets)


def step_hooks(training: Training) -> dict[str, Any]:
    """What a training's tasks and extensions make of a step, as arguments of `TrainingStep`."""
    names = {"terms": "loss_term", "looks": "loss_gradients", "quadratics": "quadratics", "gradients": "gradients"}
    return {"loss": training.curriculum.loss, **{key: training.hooks(name) for key, name in names.items()}}


def _check_surgery(optimizer: Optimizer, gradients: Sequence[Callable[[StackedModel], None]]) -> None:
    """Refuses what makes of gradients no gradients, or needs one a step, under an optimizer that takes several."""
    stages = optimizer.stages if isinstance(optimizer, Staged) else (optimizer,)
    searching = [each for each in stages if isinstance(each, LBFGS | torch.optim.LBFGS)]
    for each in gradients:
        name, whose = owner(each).partition(".")[0], getattr(each, "__self__", each)
        if searching and getattr(whose, "surgery", False):
            raise ValueError(
                f"{name} changes gradients into what is none of the loss, along which "
                f"{type(searching[0]).__name__} can't search: use optimizer=adam or optimizer=sgd"
            )
        if searching and getattr(whose, "one_gradient", False):
            raise ValueError(
                f"{name} follows the gradient of each step, of which {type(searching[0]).__name__} takes several: use "
                "optimizer=adam or optimizer=sgd"
            )
