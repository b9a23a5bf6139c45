"""Target functions by name: those of the KAN paper's figures, of its special functions and of its Feynman equations."""

__all__ = ["FUNCTIONS", "TargetFunction", "target_function"]

from collections.abc import Mapping

from tasks.functions.feynman import FEYNMAN_EQUATIONS, FURTHER_FEYNMAN_EQUATIONS
from tasks.functions.further import FURTHER_FUNCTIONS
from tasks.functions.paper import PAPER_FUNCTIONS
from tasks.functions.special import SPECIAL_FUNCTIONS
from tasks.functions.target import TargetFunction

FUNCTIONS: Mapping[str, TargetFunction] = {
    **PAPER_FUNCTIONS,
    **SPECIAL_FUNCTIONS,
    **FEYNMAN_EQUATIONS,
    **FURTHER_FEYNMAN_EQUATIONS,
    **FURTHER_FUNCTIONS,
}
"""All target functions; those of Liu et al. (2024), https://arxiv.org/abs/2404.19756, and some of other studies."""


def target_function(name: str) -> TargetFunction:
    """The function of that name.

    Raises:
        ValueError: there is none.
    """
    if name not in FUNCTIONS:
        raise ValueError(f"function must be one of {', '.join(FUNCTIONS)}, got {name!r}")
    return FUNCTIONS[name]
