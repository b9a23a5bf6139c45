r"""Derivatives of a network's predictions in all of its trained parameters, sample by sample.

A layer's edges are linear in features that all edges of an input share (`kan.edge_layer`), so a parameter p of edge
(i, o) moves prediction q of sample b by

.. math::
    \frac{\partial y_{b,q}}{\partial p_{i,f,o}} = \delta_{b,q,o} \, F_{i,f}(x_b) \, \frac{\partial W_{i,f,o}}{\partial
    p_{i,f,o}}, \qquad \delta_{b,q,o} = \frac{\partial y_{b,q}}{\partial z_{b,o}},

with z what leaves the layer. The \(\delta\) come from one backward pass a prediction; the rest are products that write
the Jacobian where it belongs, once. Where the features are zero, and where edges are masked or follow a formula, so are
its entries, exactly.
"""

__all__ = ["jacobian", "write_columns"]

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from kan.edge_layer import EdgeLayer, LayeredNetwork
from kan.members import stacked_input
from kan.symbolic.edges import SymbolicEdges


def jacobian(network: LayeredNetwork, x: Tensor, members: Sequence[int] | None = None) -> tuple[Tensor, Tensor]:
    """Predictions and their derivatives in the trained parameters, without graph.

    Args:
        network: M members, any family of edges.
        x: inputs, (M, B, I) or (B, I).
        members: only these, M' of them, in this order; None for all.

    Returns:
        Predictions (M', B, Q) and the Jacobian (M', B, Q, P); its columns are the parameters that require a gradient,
        in the order of `network.parameters()`, each as flattened from its second axis on.

    Example:
        >>> from kan import KAN
        >>> predictions, slopes = jacobian(KAN(2, 1, layer_sizes=[2, 1, 1], grid_size=5, members=3), torch.rand(7, 2))
        >>> predictions.shape, slopes.shape
        (torch.Size([3, 7, 1]), torch.Size([3, 7, 1, 30]))
    """
    x = stacked_input(x, network.members, network.in_features, network.like()).detach()
    if members is not None:
        network = network.rebuilt([layer.select(members) for layer in network.each_layer()])
        x = x[torch.as_tensor(list(members), device=x.device)]
    entering, leaving = [], []
    with torch.enable_grad():
        for layer in network.each_layer():
            entering.append(x.detach().requires_grad_())
            x = layer(entering[-1])
            leaving.append(x)
    predictions = x.detach()
    outputs = predictions.shape[2]
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    sizes = [parameter[0].numel() for parameter in trained]
    result = predictions.new_empty(*predictions.shape, sum(sizes))
    columns = dict(zip(trained, result.split(sizes, dim=3), strict=True))
    delta = torch.eye(outputs, dtype=x.dtype, device=x.device).expand(*predictions.shape, outputs)
    for index in reversed(range(network.depth)):
        layer, inputs = network.layer(index), entering[index].detach()
        write_columns(layer, inputs, delta.unsqueeze(3), columns)
        if layer.symbolic is not None and layer.symbolic.affine.requires_grad:
            slopes = _formula_slopes(layer.symbolic, layer.mask, inputs)
            out = columns[layer.symbolic.affine].unflatten(-1, slopes.shape[2:])
            torch.mul(delta[:, :, :, None, :, None], slopes.unsqueeze(2), out=out)
        if index:
            upstream = delta.contiguous().unbind(2)
            backward = [
                torch.autograd.grad(leaving[index], entering[index], each.contiguous(), retain_graph=True)[0]
                for each in upstream
            ]
            delta = torch.stack(backward, dim=2)
    return predictions, result


def write_columns(layer: EdgeLayer, x: Tensor, delta: Tensor, columns: Mapping[nn.Parameter, Tensor]) -> None:
    r"""Writes the columns of a layer's own parameters.

    Args:
        layer: M members.
        x: what enters it, (M, B, I).
        delta: derivatives of the predictions in the values of its edges, (M, B, Q, I, O); (M, B, Q, 1, O) where the
            edges of an output are summed.
        columns: where the columns of each trained parameter go, (M, B, Q, numbers of the parameter).
    """
    own = {name: p for name, p in layer.named_parameters(recurse=False) if p.requires_grad}
    if not own:
        return
    with torch.no_grad():
        features = layer.edge_features(x)
    for (name, parameter), slopes in zip(own.items(), _weight_slopes(layer, list(own.values())), strict=True):
        out = columns[parameter].unflatten(-1, parameter.shape[1:])
        if len(layer.AXES[name]) == 3:  # one number an edge, on all of its features
            edges = torch.einsum("mbif,mifo->mbio", features, slopes)
            torch.mul(delta, edges.unsqueeze(2), out=out)
        else:  # one number a feature, in their order
            count = parameter.shape[2]
            torch.mul(delta.unsqueeze(4), features[:, :, None, :, :count, None], out=out)
            slopes = slopes[:, :, :count]
            if not bool((slopes == 1.0).all()):
                out.mul_(slopes[:, None, None])


def _weight_slopes(layer: EdgeLayer, parameters: Sequence[nn.Parameter]) -> tuple[Tensor, ...]:
    """What each of the weights (M, I, F, O) gains with the number of a parameter that it depends on, there at most one.

    The gradients of the parameters are linear in that of the weights; their coefficients are what is wanted.
    """
    with torch.enable_grad():
        weights = layer.edge_weights()
        dual = torch.zeros_like(weights, requires_grad=True)
        pulled = torch.autograd.grad(weights, parameters, dual, create_graph=True)
        return tuple(torch.autograd.grad(each.sum(), dual, retain_graph=True)[0] for each in pulled)


def _formula_slopes(symbolic: SymbolicEdges, mask: Tensor | None, x: Tensor) -> Tensor:
    """Derivatives of the formulas in (a, b, c, d), (M, B, I, O, 4), at inputs (M, B, I): each sample as a member."""
    members, samples, inputs = x.shape
    outputs = symbolic.function.shape[2]
    each = SymbolicEdges(members * samples, inputs, outputs, dtype=x.dtype, device=x.device)
    each.function = symbolic.function.repeat_interleave(samples, dim=0)
    each.affine = nn.Parameter(symbolic.affine.detach().repeat_interleave(samples, dim=0))
    masks = None if mask is None else mask.repeat_interleave(samples, dim=0)
    with torch.enable_grad():
        values = each.edge_values(x.reshape(members * samples, 1, inputs), masks)
        if not values.requires_grad:  # every formula is masked
            return torch.zeros_like(each.affine).unflatten(0, (members, samples))
        slopes = torch.autograd.grad(values.sum(), each.affine)[0]
    return slopes.unflatten(0, (members, samples))
