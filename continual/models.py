"""What the suite asks of a model, and what can be said of any stacked model."""

__all__ = [
    "JACOBIAN_NUMBERS",
    "StackedModel",
    "columns_of",
    "edges",
    "jacobian",
    "jacobian_pieces",
    "parameter_counts",
    "portrait",
    "some_of",
    "trainable",
]

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap


@runtime_checkable
class StackedModel(Protocol):
    """M independent replicas of one network; every parameter has the leading axis M."""

    @property
    def members(self) -> int:
        """M."""
        ...

    @property
    def in_features(self) -> int:
        """I."""
        ...

    @property
    def out_features(self) -> int:
        """O."""
        ...

    def __call__(self, x: Tensor) -> Tensor:
        """Maps (M, B, I), or (B, I) shared by all members, to (M, B, O)."""
        ...

    def flops(self) -> int:
        """Floating-point operations of a forward pass of one sample of one member."""
        ...

    def describe(self) -> Mapping[str, Any]:
        """At least `family`, `layer_sizes` and `depth`, in plain types."""
        ...

    def parameters(self) -> Iterator[nn.Parameter]:
        """All parameters, trainable or not."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """All parameters and buffers by name."""
        ...

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> Any:
        """Takes over parameters and buffers."""
        ...


def edges(layer_sizes: Sequence[int]) -> int:
    """Σ n(l) n(l+1), the edges of a KAN and the weights of an MLP, without biases."""
    return sum(i * o for i, o in zip(layer_sizes[:-1], layer_sizes[1:], strict=True))


PICTURED = 120
"""Edges, at most, of a network whose picture is kept."""

LOOKED_AT = 1000
"""Samples, at most, on which the functions inside a model are looked at."""


def some_of(inputs: Tensor) -> Tensor:
    """At most `LOOKED_AT` of the samples (M, N, I), evenly spread over them."""
    return inputs[:, :: -(-inputs.shape[1] // LOOKED_AT)]


def portrait(model: StackedModel, inputs: Tensor) -> dict[str, NDArray[Any]] | None:
    """The functions on the edges of a model as arrays, for pictures; None where it has no such, or too many.

    Args:
        model: M members; a model of edges offers a method `portrait`.
        inputs: what its edges are looked at with, (M, N, I).
    """
    draw = getattr(model, "portrait", None)
    if draw is None or edges(model.describe()["layer_sizes"]) > PICTURED:
        return None
    arrays: dict[str, NDArray[Any]] = draw(some_of(inputs))
    return arrays


def trainable(model: StackedModel) -> list[nn.Parameter]:
    """The parameters that an optimizer gets."""
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def parameter_counts(model: StackedModel) -> dict[str, int]:
    """Parameters of one member: `trainable`, and `total` with the frozen ones.

    Of a pruned model, where members differ, `trainable` is the largest number that still acts on an output of one.
    """
    sizes = [(parameter.numel() // model.members, parameter.requires_grad) for parameter in model.parameters()]
    trained = sum(size for size, wanted in sizes if wanted)
    live = getattr(model, "live_parameters", None)
    return {
        "trainable": trained if live is None else int(live().max()),
        "total": sum(size for size, _ in sizes),
    }


def jacobian(model: StackedModel, inputs: Tensor, members: Sequence[int] | None = None) -> tuple[Tensor, Tensor]:
    """Predictions and their derivatives in the trained parameters, each sample's apart, without graph.

    A model may offer a method `jacobian(inputs, members)` that is faster. Any other is differentiated sample by sample
    by `torch.func`, for which it must be a `torch.nn.Module` made of operations of torch.

    Args:
        model: M members.
        inputs: (M, B, I).
        members: only these, M' of them; None for all.

    Returns:
        Predictions (M', B, O) and the Jacobian (M', B, O, P), its columns the trained parameters in the order of
        `model.parameters()`, each as flattened from its second axis on.

    Raises:
        ValueError: a model that can do neither.
    """
    own = getattr(model, "jacobian", None)
    if own is not None:
        result: tuple[Tensor, Tensor] = own(inputs, members)
        return result
    if not isinstance(model, nn.Module):
        raise ValueError(f"{type(model).__name__} needs a method `jacobian`, or to be a torch.nn.Module")
    module: nn.Module = model
    trained = {name: p.detach() for name, p in module.named_parameters() if p.requires_grad}

    def predict(parameters: dict[str, Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
        predictions = functional_call(module, parameters, (x.unsqueeze(1),)).squeeze(1)  # (M, O)
        # members share no parameter: the derivatives of their sum are those of each
        return predictions.sum(0), predictions

    slopes, predictions = vmap(jacrev(predict, has_aux=True), in_dims=(None, 1))(trained, inputs.detach())
    columns = torch.cat([each.flatten(3) for each in slopes.values()], dim=3)  # (B, O, M, P)
    predictions, columns = predictions.transpose(0, 1), columns.permute(2, 0, 1, 3)
    if members is None:
        return predictions, columns
    chosen = torch.as_tensor(list(members), device=inputs.device)
    return predictions[chosen], columns[chosen]


JACOBIAN_NUMBERS = 2**22
"""Numbers of a Jacobian that are held at a time: 32 MiB in float64. At least one sample's."""


def columns_of(model: StackedModel) -> int:
    """Trained parameters of a member, P."""
    return sum(parameter[0].numel() for parameter in trainable(model))


def jacobian_pieces(
    model: StackedModel, inputs: Tensor, numbers: int | None = None
) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """`jacobian` of a few samples at a time: which ones, predictions (M, b, O), and their Jacobian (M, b, O, P).

    Args:
        model: M members.
        inputs: (M, B, I).
        numbers: of the Jacobian to hold at a time; None for `JACOBIAN_NUMBERS`.
    """
    a_sample = model.members * model.out_features * columns_of(model)
    size = max(1, (numbers or JACOBIAN_NUMBERS) // max(1, a_sample))
    for start in range(0, inputs.shape[1], size):
        part = slice(start, min(start + size, inputs.shape[1]))
        yield part, *jacobian(model, inputs[:, part])
