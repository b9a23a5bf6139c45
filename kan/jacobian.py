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

__all__ = ["jacobian", "normal_equations", "sparse_jacobian", "write_columns"]

from array import array
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from kan.edge_layer import EdgeLayer, LayeredNetwork
from kan.engines.local.running import ONES, compiled, spread, usable
from kan.members import stacked_input
from kan.symbolic.edges import SymbolicEdges

_SPARSE = 2.0
"""How many times as many columns as entries a row must have for normal equations from its entries."""


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
    network, x = _chosen(network, x, members)
    predictions, passes = _passes(network, x)
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    sizes = [parameter[0].numel() for parameter in trained]
    result = predictions.new_empty(*predictions.shape, sum(sizes))
    columns = dict(zip(trained, result.split(sizes, dim=3), strict=True))
    for layer, inputs, delta in passes:
        write_columns(layer, inputs, delta.unsqueeze(3), columns)
        if layer.symbolic is not None and layer.symbolic.affine.requires_grad:
            slopes = _formula_slopes(layer.symbolic, layer.mask, inputs)
            out = columns[layer.symbolic.affine].unflatten(-1, slopes.shape[2:])
            torch.mul(delta[:, :, :, None, :, None], slopes.unsqueeze(2), out=out)
    return predictions, result


def _chosen(network: LayeredNetwork, x: Tensor, members: Sequence[int] | None) -> tuple[LayeredNetwork, Tensor]:
    """Some members, or all, and what enters them."""
    x = stacked_input(x, network.members, network.in_features, network.like()).detach()
    if members is not None:
        network = network.rebuilt([layer.select(members) for layer in network.each_layer()])
        x = x[torch.as_tensor(list(members), device=x.device)]
    return network, x


def _passes(network: LayeredNetwork, x: Tensor) -> tuple[Tensor, Iterator[tuple[EdgeLayer, Tensor, Tensor]]]:
    r"""Predictions; and from the last layer on what enters it, (M, B, I), and its \(\delta\), (M, B, Q, O)."""
    entering, leaving = [], []
    with torch.enable_grad():
        for layer in network.each_layer():
            entering.append(x.detach().requires_grad_())
            x = layer(entering[-1])
            leaving.append(x)
    predictions = x.detach()

    def backwards() -> Iterator[tuple[EdgeLayer, Tensor, Tensor]]:
        outputs = predictions.shape[2]
        delta = torch.eye(outputs, dtype=x.dtype, device=x.device).expand(*predictions.shape, outputs)
        for index in reversed(range(network.depth)):
            yield network.layer(index), entering[index].detach(), delta
            if index:
                backward = [
                    torch.autograd.grad(leaving[index], entering[index], each.contiguous(), retain_graph=True)[0]
                    for each in delta.contiguous().unbind(2)
                ]
                delta = torch.stack(backward, dim=2)

    return predictions, backwards()


def sparse_jacobian(
    network: LayeredNetwork, x: Tensor, members: Sequence[int] | None = None
) -> tuple[Tensor, Tensor, Tensor] | None:
    """What may differ from zero in the Jacobian: of a spline the k + 1 coefficients whose bases live at a sample.

    Args:
        network: see `jacobian`.
        x: see there.
        members: see there.

    Returns:
        Predictions (M', B, Q); columns in ascending order, (M', B, Z), where entries that are zero may have any; and
        the entries (M', B, Q, Z). None where a layer has no local bases, or edges that follow formulas.
    """
    network, x = _chosen(network, x, members)
    if not all(layer.local_width and layer.symbolic is None for layer in network.each_layer()):
        return None
    predictions, passes = _passes(network, x)
    starts, start = {}, 0
    for parameter in network.parameters():
        if parameter.requires_grad:
            starts[parameter] = start
            start += parameter[0].numel()
    found = [part for layer, inputs, delta in passes for part in _live_columns(layer, inputs, delta, starts)]
    found.sort(key=lambda part: part[0])
    columns, entries = torch.cat([part[1] for part in found], dim=2), torch.cat([part[2] for part in found], dim=3)
    return predictions, columns, entries


def _live_columns(
    layer: EdgeLayer, x: Tensor, delta: Tensor, starts: Mapping[nn.Parameter, int]
) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Of each trained parameter where it starts, its columns (M, B, z) and entries (M, B, Q, z)."""
    own = {name: p for name, p in layer.named_parameters(recurse=False) if p.requires_grad}
    if not own:
        return
    with torch.no_grad():
        live, first = layer.live_features(x)
        base = layer.other_features(x)
    outputs = torch.arange(layer.out_features, device=x.device)
    members, inputs = (torch.arange(size, device=x.device) for size in (len(x), layer.in_features))
    offsets = first.unsqueeze(-1) + torch.arange(live.shape[3], device=x.device)
    for (name, parameter), slopes in zip(own.items(), _weight_slopes(layer, list(own.values())), strict=True):
        start = starts[parameter]
        count = slopes.shape[2] - base.shape[3]
        place = offsets.clamp(0, count - 1)
        if len(layer.AXES[name]) == 3:  # one number an edge, on all of its features
            near = slopes[members[:, None, None, None], inputs[:, None], place]  # (M, B, I, n, O)
            edges = (live.unsqueeze(4) * near).sum(3) + torch.einsum("mbif,mifo->mbio", base, slopes[:, :, count:])
            entries = (delta.unsqueeze(3) * edges.unsqueeze(2)).flatten(3)
            columns = torch.arange(start, start + entries.shape[3], device=x.device).expand(*x.shape[:2], -1)
        else:
            entries = delta[:, :, :, None, None] * live[:, :, None, :, :, None]
            entries = (entries * slopes[:, None, None, :, :1]).flatten(3)  # alike for all bases of an edge
            row = place + count * inputs.unsqueeze(1)
            columns = start + (row.unsqueeze(-1) * layer.out_features + outputs).flatten(2)
        yield start, columns, entries


def normal_equations(
    network: LayeredNetwork, x: Tensor, targets: Tensor, members: Sequence[int] | None = None
) -> tuple[Tensor, Tensor, Tensor] | None:
    r"""The matrix \(\frac1R J^T J\) and the vector \(\frac1R J^T r\) of each member, without their Jacobian.

    A row of it has few entries, \(z\) of P, and \(z^2 / 2\) products of them are all that is added to the matrix.

    Args:
        network: see `jacobian`.
        x: see there.
        targets: of the same members, (M', B, Q).
        members: see `jacobian`.

    Returns:
        Residuals (M', R), R = B Q of them; matrices (M', P, P), of which only what is not above the diagonal is there;
        vectors (M', P); all in float64. None where the rows are not so sparse that this pays, or on other devices.
    """
    if x.device.type != "cpu" or not usable():
        return None
    count = sum(parameter[0].numel() for parameter in network.parameters() if parameter.requires_grad)
    row = sum(layer.in_features * layer.out_features * (layer.local_width + 2) for layer in network.each_layer())
    found = sparse_jacobian(network, x, members) if _SPARSE * row < count else None
    if found is None:
        return None
    predictions, columns, entries = found
    residuals = (predictions - targets).double().flatten(1)
    rows, own = residuals.shape[1], len(predictions)
    columns, values = columns.to(torch.int32).contiguous(), (entries.double() * rows**-0.5).contiguous()
    scaled = residuals * rows**-0.5
    matrix, vector = scaled.new_zeros(own, count, count), scaled.new_zeros(own, count)
    sizes = [rows, predictions.shape[2], values.shape[3], count]
    tensors = (columns, values, scaled, matrix, vector)
    plan = array("q", [*sizes, *(tensor.data_ptr() for tensor in tensors)])
    spread(compiled().normal, (ONES[torch.float64], plan.buffer_info()[0]), own, own * rows * row * row)
    return residuals, matrix, vector


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
