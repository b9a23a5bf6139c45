"""Strategies that keep a network able to learn, by making some of it new again."""

__all__ = ["ContinualBackprop", "ShrinkPerturb"]

from continual.strategies.plasticity.continual_backprop import ContinualBackprop
from continual.strategies.plasticity.shrink_perturb import ShrinkPerturb
