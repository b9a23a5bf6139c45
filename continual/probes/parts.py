"""Which part of a model a parameter is: its layer, and its kind, told from its name."""

__all__ = ["kind_of", "layer_of", "layers_of"]

from collections.abc import Iterable


def layer_of(name: str) -> int:
    """The layer, from 0: the first number in the dotted name; 0 where there is none.

    Example:
        >>> layer_of("layers.1.coefficients"), layer_of("weights.2"), layer_of("scale")
        (1, 2, 0)
    """
    return next((int(part) for part in name.split(".") if part.isdigit()), 0)


def kind_of(name: str) -> str:
    """The kind, what all layers have: the last part of the dotted name that is no number.

    Example:
        >>> kind_of("layers.1.coefficients"), kind_of("weights.2")
        ('coefficients', 'weights')
    """
    return next((part for part in reversed(name.split(".")) if not part.isdigit()), name)


def layers_of(names: Iterable[str]) -> dict[int, list[str]]:
    """The names of each layer's parameters, layers in order."""
    found: dict[int, list[str]] = {}
    for name in names:
        found.setdefault(layer_of(name), []).append(name)
    return dict(sorted(found.items()))
