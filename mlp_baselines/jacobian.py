r"""Derivatives of an MLP's predictions in all of its trained parameters, sample by sample.

With a what enters an affine layer and z what leaves it, \(\partial y_q / \partial W_{i,o} = a_i \, \delta_{q,o}\) and
\(\partial y_q / \partial b_o = \delta_{q,o}\), where \(\delta_{q,o} = \partial y_q / \partial z_o\) comes from one
backward pass a prediction: no loop over samples, and nothing is batched over parameters. The same passes give those of
gains and shifts, which are affine maps of one feature each, and of activations with parameters of their own: edges, one
a unit (`kan.jacobian`).
"""

__all__ = ["jacobian"]

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from kan.edge_layer import EdgeLayer
from kan.jacobian import write_columns
from kan.members import stacked_input
from mlp_baselines.affine import LayerNorm, affine


class AffineNetwork(Protocol):
    """Affine layers with units between them; `mlp_baselines.mlp.MLP` and its kin."""

    weights: nn.ParameterList
    biases: nn.ParameterList
    norms: nn.ModuleList
    members: int
    in_features: int

    def units(self, members: Sequence[int] | None = None) -> Sequence[Callable[[Tensor], Tensor]]:
        """The nonlinearity of every hidden layer, for some members or all, (M, B, J) to (M, B, J e)."""

    def parameters(self) -> Iterator[nn.Parameter]:
        """All parameters, in the order of the columns."""


def jacobian(model: AffineNetwork, x: Tensor, members: Sequence[int] | None = None) -> tuple[Tensor, Tensor]:
    """Predictions and their derivatives in the trained parameters, without graph.

    Args:
        model: M members.
        x: inputs, (M, B, I) or (B, I).
        members: only these, M' of them, in this order; None for all.

    Returns:
        Predictions (M', B, Q) and the Jacobian (M', B, Q, P); its columns are the parameters that require a gradient,
        in the order of `model.parameters()`, each as flattened from its second axis on.

    Example:
        >>> from mlp_baselines import MLP
        >>> predictions, slopes = jacobian(MLP(2, 1, width=5, depth=2, members=3), torch.rand(7, 2))
        >>> predictions.shape, slopes.shape
        (torch.Size([3, 7, 1]), torch.Size([3, 7, 1, 21]))
    """
    x = stacked_input(x, model.members, model.in_features, model.weights[0]).detach()
    chosen = slice(None) if members is None else torch.as_tensor(list(members), device=x.device)
    x = x[chosen]
    units = model.units(members)
    entering: list[Tensor] = []
    leaving: list[Tensor] = []
    activated: list[Tensor] = []
    standardized: list[Tensor] = []
    normalized: list[Tensor] = []
    for index, (weight, bias) in enumerate(zip(model.weights, model.biases, strict=True)):
        with torch.enable_grad():
            if index:
                if model.norms:
                    norm = model.norms[index - 1]
                    assert isinstance(norm, LayerNorm)
                    standard = norm.standardized(x)
                    standardized.append(standard.detach())
                    x = standard * norm.gain.detach()[chosen] + norm.shift.detach()[chosen]
                    normalized.append(x)
                x = units[index - 1](x)
                activated.append(x)
            entering.append(x.detach())
            x = affine(x, weight.detach()[chosen], bias.detach()[chosen])
            leaving.append(x if index else x.requires_grad_())
    predictions = x.detach()
    *batch, outputs = predictions.shape
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    sizes = [parameter[0].numel() for parameter in trained]
    result = predictions.new_empty(*batch, outputs, sum(sizes))
    columns = dict(zip(trained, result.split(sizes, dim=3), strict=True))
    learned = [index for index, unit in enumerate(units) if isinstance(unit, EdgeLayer)]
    hidden = len(leaving) - 1
    wanted = [*leaving[:-1], *normalized, *(activated[index] for index in learned)]
    into_units: list[list[Tensor]] = []  # of each prediction, by what leaves the units
    for q in range(outputs):
        unit = torch.zeros_like(predictions)
        unit[..., q] = 1.0
        pulled = torch.autograd.grad(x, wanted, unit, retain_graph=True) if wanted else ()
        deltas = [*pulled[:hidden], unit]
        into_units.append(list(pulled[hidden + len(normalized) :]))
        for a, delta, weight, bias in zip(entering, deltas, model.weights, model.biases, strict=True):
            if weight in columns:
                out = columns[weight][:, :, q].unflatten(-1, weight.shape[1:])
                torch.mul(a.unsqueeze(3), delta.unsqueeze(2), out=out)
            if bias in columns:
                columns[bias][:, :, q] = delta
        for norm, standard, delta in zip(model.norms, standardized, pulled[hidden:], strict=False):  # no units after it
            assert isinstance(norm, LayerNorm)
            if norm.gain in columns:
                columns[norm.gain][:, :, q] = delta * standard
            if norm.shift in columns:
                columns[norm.shift][:, :, q] = delta
    for index, *each in zip(learned, *into_units, strict=True):
        layer, original = units[index], model.units()[index]
        assert isinstance(layer, EdgeLayer)
        assert isinstance(original, EdgeLayer)
        own = zip(layer.parameters(), original.parameters(), strict=True)
        places = {ours: columns[theirs] for ours, theirs in own if theirs in columns}
        write_columns(layer, leaving[index].detach(), torch.stack(each, dim=2).unsqueeze(4), places)
    return predictions, result
