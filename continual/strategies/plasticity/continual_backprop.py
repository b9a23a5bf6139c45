"""Continual backpropagation: the hidden units that do least begin anew, a few at a time."""

__all__ = ["ContinualBackprop"]

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from continual.extension import Change, Moment, Session, Training
from continual.models import StackedModel
from continual.strategies.strategy import Strategy


class ContinualBackprop(Strategy):
    r"""Replaces hidden units of low utility by new ones, which act on nothing at first.

    .. math::
        u_i \leftarrow \eta \, u_i + (1 - \eta) \, \overline{|h_i|} \sum_k |w_{ik}|, \qquad
        \hat u_i = \frac{u_i}{1 - \eta^{a_i}}

    with \(h_i\) a unit's values on the samples of a step, before it, \(w_{ik}\) its outgoing weights, after it, and
    \(a_i\) the steps since it began. In every step each hidden layer of n units older than the maturity adds ρ n to an
    account; for each whole one in there, the unit of least \(\hat u\) gets incoming weights drawn like initial ones,
    bias 0, outgoing weights 0, no utility, age 0, and the optimizer forgets what it knew of them.

    Dohare et al., Maintaining Plasticity in Deep Continual Learning (2023), https://arxiv.org/abs/2306.13812. Their
    Adam counts the steps of each weight, and begins anew with new ones; here its count goes on. Their code is to add
    the mean of a unit that goes to the next bias, but has set it to 0 by then: nothing is added here. Neither
    Avalanche nor mammoth has the method.

    Args:
        rate: ρ, share of the mature units of a layer in a step, from 0 to 1; 0 is fine-tuning.
        maturity: steps in which a new unit is safe.
        decay: η, from 0 to 1.
        reset_optimizer: see `Strategy`.

    Raises:
        ValueError: a number out of range.
    """

    one_gradient = True

    def __init__(
        self, rate: float = 1e-4, maturity: int = 100, decay: float = 0.99, reset_optimizer: bool = True
    ) -> None:
        super().__init__(reset_optimizer)
        for name, value in (("rate", rate), ("decay", decay)):
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"continual_backprop.{name} must be from 0 to 1, got {value}")
        if maturity < 1:
            raise ValueError(f"continual_backprop.maturity must be at least 1 step, got {maturity}")
        self.rate, self.maturity, self.decay = rate, maturity, decay

    def check(self, training: Training) -> None:
        """Refuses models without hidden units of affine layers."""
        model = training.model
        there = all(hasattr(model, name) for name in ("weights", "biases", "activations", "initial_bound"))
        if (
            not there
            or getattr(model, "expansion", 1) != 1
            or len(getattr(model, "norms", ()))
            or len(_affine(model)) < 2
        ):
            raise ValueError(
                "ContinualBackprop replaces hidden units of affine layers, each with one value and without layer_norm, "
                f"such as those of model=mlp; {type(model).__name__} has none as it is here"
            )

    def begin(self, session: Session) -> None:
        """All units are new, unless a state comes."""
        self._session, self._model = session, session.model
        self._generators = session.generators("continual_backprop")
        hidden = [bias[:, 0].detach() for bias in _affine(session.model, "biases")[:-1]]
        self._utility = [torch.zeros_like(each) for each in hidden]
        self._age = [torch.zeros_like(each) for each in hidden]
        self._due = [torch.zeros_like(each[:, 0]) for each in hidden]

    def step_data(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Remembers the samples of the step."""
        self._inputs = inputs
        return inputs, targets

    @torch.no_grad()
    def loss_gradients(self, model: StackedModel) -> None:
        """Looks at what the units do, before the step."""
        entering = self._model.activations(self._inputs)  # type: ignore[attr-defined]
        self._sizes = [each.abs().mean(dim=1) for each in entering[1:-1]]

    @torch.no_grad()
    def after_step(self, task: int, step: int, losses: Tensor) -> None:
        """Brings utilities up to date."""
        for layer, size in enumerate(self._sizes):
            weights = _affine(self._model)[layer + 1].abs().sum(dim=2)
            self._utility[layer] = self.decay * self._utility[layer] + (1.0 - self.decay) * size * weights
            self._age[layer] = self._age[layer] + 1.0

    @torch.no_grad()
    def before_step(self, moment: Moment) -> Change | None:
        """Replaces the units whose time has come."""
        if self.rate == 0.0:
            return None
        replaced = 0
        for layer, (utility, age) in enumerate(zip(self._utility, self._age, strict=True)):
            mature = age > self.maturity
            due = self._due[layer] + self.rate * mature.sum(dim=1)
            self._due[layer] = due - due.floor()
            worth = (utility / (1.0 - self.decay**age)).masked_fill(~mature, torch.inf)
            ranks = worth.argsort(dim=1, stable=True).argsort(dim=1, stable=True)
            chosen = (ranks < due.floor().unsqueeze(1)) & mature
            for member, units in enumerate(chosen):
                if bool(units.any()):
                    self._replace(layer, member, units)
            self._utility[layer] = utility.masked_fill(chosen, 0.0)
            self._age[layer] = age.masked_fill(chosen, 0.0)
            replaced += int(chosen.sum())
        return Change(f"{replaced} hidden units begin anew", reset_optimizer=False) if replaced else None

    def _replace(self, layer: int, member: int, units: Tensor) -> None:
        """Puts new units in the place of some, bool (J,), and takes what the optimizer holds of their weights."""
        weights, biases = _affine(self._model), _affine(self._model, "biases")
        bound: float = self._model.initial_bound(layer)  # type: ignore[attr-defined]
        shape = (weights[layer].shape[1], int(units.sum()))
        drawn = 2.0 * torch.rand(shape, generator=self._generators[member], dtype=torch.float64) - 1.0
        state = self._session.optimizer.state
        for parameter, where, new in (
            (weights[layer], (slice(None), units), bound * drawn),
            (biases[layer], (slice(None), units), torch.zeros(())),
            (weights[layer + 1], (units,), torch.zeros(())),
        ):
            parameter[member][where] = new.to(parameter)
            for value in state.get(parameter, {}).values():
                if isinstance(value, Tensor) and value.shape == parameter.shape:
                    value[member][where] = 0.0

    def state_dict(self) -> dict[str, Any]:
        """Utilities, ages, accounts, and the generators' states."""
        states = [generator.get_state() for generator in self._generators]
        return {"utility": self._utility, "age": self._age, "due": self._due, "generators": states}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Gives them back."""
        self._utility, self._age, self._due = (list(state[name]) for name in ("utility", "age", "due"))
        for generator, saved in zip(self._generators, state["generators"], strict=True):
            generator.set_state(saved.cpu())


def _affine(model: StackedModel, name: str = "weights") -> list[Tensor]:
    """The weights (M, J, K) of a network's affine layers, or their biases (M, 1, K)."""
    return list(getattr(model, name))
