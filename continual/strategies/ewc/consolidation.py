r"""Elastic weight consolidation with the exact Gauss–Newton matrix."""

__all__ = ["EWC", "Anchors"]

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import torch

from continual.extension import Change, Moment, Quadratic, Session, Training
from continual.models import JACOBIAN_NUMBERS, trainable
from continual.strategies.ewc.importance import Curvature, Kind, curvature_of, estimated_diagonal, places_of, shared
from continual.strategies.ewc.penalty import anchored, from_state, moved, to_state
from continual.strategies.layout import Layout, check_growth, layout_of, splines
from continual.strategies.strategy import Strategy

Anchors = Literal["online", "each"]
Estimate = Literal["exact", "sampled", "empirical"]


class EWC(Strategy):
    r"""Elastic weight consolidation (Kirkpatrick et al., 2017, https://arxiv.org/abs/1612.00796).

    After task t, with \(\theta_t\) the parameters and \(H_t\) the Gauss–Newton matrix of its loss there (exact, over
    all of its samples, see `curvature_of`), the loss of what comes later is

    .. math::
        L(\theta) + \tfrac12 (\theta - \theta_t)^T A_t \, (\theta - \theta_t), \qquad
        A_t = \gamma A_{t-1} + \lambda H_t

    with `anchors` online (Huszár, 2018, https://arxiv.org/abs/1712.03847; Schwarz et al., 2018,
    https://arxiv.org/abs/1805.06370), and with each, as in the paper,
    \(L(\theta) + \sum_t \frac{\gamma^{T-t}}2 \lambda (\theta - \theta_t)^T H_t (\theta - \theta_t)\), in as much
    memory. H is that of the loss, the mean of a task's squares: \(\lambda = 1\) weighs an earlier task as the
    present one. With the whole matrix, online, \(\lambda = \gamma = 1\), a model that is linear in its parameters and
    trained to the end ends at the least squares of all tasks together. With anchors of each it does not from the third
    task on: the second one's anchor holds what the first one's holds already.

    \(H_t\) knows no errors: it does not vanish at a perfect fit, as squared gradients of the loss do. For a Gaussian
    output it is the Fisher information \(J^T J / \sigma^2\) with \(\sigma^2 = n / 2\), n the numbers in the targets.

    Avalanche and mammoth differ, so that weights do not carry over: no ½, and a diagonal of squared gradients of the
    loss on the data's own labels, in Avalanche those of means over mini-batches, in mammoth of single samples.

    Args:
        weight: \(\lambda\); 0 is fine-tuning.
        curvature: which part of H: diagonal; knot, the diagonal with importances that the coefficients of an interval
            share (the idea of Cheon, 2026, https://arxiv.org/abs/2605.12306; the mean is ours, see `shared`); layer,
            blocks; or full.
        anchors: online, one for all earlier tasks; or each.
        decay: \(\gamma\), from 0 to 1.
        estimate: exact; or of a diagonal, for models and tasks whose Jacobian is too large: sampled, an estimate of the
            same, or empirical, squares of the gradients of batches, which is another measure. See `estimated_diagonal`.
        batch: samples of each pass of an estimate.
        most_memory: bytes that A of all members may take, at most.
        reset_optimizer: see `Strategy`.

    Raises:
        ValueError: a setting out of range.
    """

    capturable = True
    needs_boundaries = True

    def __init__(
        self,
        weight: float = 1.0,
        curvature: Kind = "diagonal",
        anchors: Anchors = "online",
        decay: float = 1.0,
        estimate: Estimate = "exact",
        batch: int = 64,
        most_memory: float = 2e9,
        reset_optimizer: bool = True,
    ) -> None:
        super().__init__(reset_optimizer)
        if not 0.0 <= weight < float("inf"):
            raise ValueError(f"strategy.ewc.weight must be at least 0 and finite, got {weight}")
        if not 0.0 <= decay <= 1.0:
            raise ValueError(f"strategy.ewc.decay must be between 0 and 1, got {decay}")
        for name, value, valid in (
            ("curvature", curvature, get_args(Kind)),
            ("anchors", anchors, get_args(Anchors)),
            ("estimate", estimate, get_args(Estimate)),
        ):
            if value not in valid:
                raise ValueError(f"strategy.ewc.{name} must be one of {', '.join(valid)}, got {value!r}")
        if estimate != "exact" and curvature not in ("diagonal", "knot"):
            raise ValueError(
                f"strategy.ewc.estimate={estimate} is of a diagonal, and curvature={curvature} is none: use "
                "estimate=exact, or curvature=diagonal or knot"
            )
        if batch < 1:
            raise ValueError(f"strategy.ewc.batch must be at least 1, got {batch}")
        self.weight, self.curvature, self.anchors, self.decay = weight, curvature, anchors, decay
        self.estimate: Estimate = estimate
        self.batch = batch
        self.most_memory = most_memory
        self._layout: Layout | None = None
        self._terms: Sequence[Quadratic] = ()

    def check(self, training: Training) -> None:
        """Adaptations must leave parameters what they are, and what is kept must fit into `most_memory`."""
        check_growth(training, "EWC")
        if self.curvature == "knot" and not any(True for _ in splines(training.model)):
            raise ValueError(
                "strategy.ewc.curvature=knot needs a model with grids, such as model=kan; "
                f"{type(training.model).__name__} has none: use diagonal"
            )
        self.memory(training, training.model.members)

    def memory(self, training: Training, members: int) -> int:
        """See `Extension.memory`: A twice while a task is added, an anchor and a slope, a piece of the Jacobian.

        Raises:
            ValueError: A is larger than `most_memory`.
        """
        layout = layout_of(training.model)
        places, vector = (
            places_of(self.curvature, layout),
            members * layout.count * trainable(training.model)[0].element_size(),
        )
        held = vector if places is None else vector * sum(len(each) ** 2 for each in places) // layout.count
        if self.weight > 0.0 and held > self.most_memory:
            raise ValueError(
                f"EWC's {self.curvature} matrix of {layout.count} parameters takes {held:.3g} bytes for {members} "
                f"members, more than strategy.ewc.most_memory={self.most_memory:.3g}: use curvature=diagonal"
            )
        if self.weight == 0.0:
            return 0
        passing = max(8 * JACOBIAN_NUMBERS, vector * training.curriculum.out_features)
        return 2 * (held + vector) + (passing if self.estimate == "exact" else 3 * vector)

    def begin(self, session: Session) -> None:
        """See `Extension`."""
        self._loss = session.loss
        self._signs = session.generators("ewc") if self.estimate == "sampled" else None

    def quadratics(self) -> Sequence[Quadratic]:
        """See `Extension.quadratics`: the penalty, once a task was learned."""
        return self._terms

    @torch.no_grad()
    def after_task(self, moment: Moment) -> None:
        """Adds the task's matrix to A, and moves the anchor to where the parameters are."""
        if self.weight == 0.0:
            return
        self._layout = layout_of(moment.model)
        places = places_of(self.curvature, self._layout, moment.inputs.device)
        data = (moment.model, self._loss, moment.inputs, moment.targets)
        if self.estimate == "exact":
            found = curvature_of(*data, places)
        else:
            found = Curvature(estimated_diagonal(*data, self.batch, self._signs))
        if self.curvature == "knot" and found.diagonal is not None:
            found = Curvature(shared(found.diagonal, moment.model, self._layout))
        found, before = found.scaled(self.weight), self._terms[0] if self._terms else None
        self._terms = (anchored(before, found, moment.model, self.decay, self.anchors == "each"),)

    @torch.no_grad()
    def changed(self, moment: Moment, change: Change) -> None:
        """Coefficients that were added matter to no earlier task."""
        layout = layout_of(moment.model)
        if self._layout is None or layout == self._layout:
            return
        columns = self._layout.moved(layout).to(moment.inputs.device)
        self._terms = (moved(self._terms[0], columns, moment.model, layout),)
        self._layout = layout

    def state_dict(self) -> dict[str, Any]:
        """See `Extension.state_dict`."""
        signs = {} if self._signs is None else {"signs": [generator.get_state() for generator in self._signs]}
        if self._layout is None:
            return signs
        return {**signs, "layout": self._layout.state(), "term": to_state(self._terms[0])}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """See `Extension.load_state_dict`."""
        self._layout = Layout.from_state(state["layout"]) if "layout" in state else None
        self._terms = (from_state(state["term"]),) if "term" in state else ()
        for generator, saved in zip(self._signs or (), state.get("signs", ()), strict=True):
            generator.set_state(saved)
