"""Bounds: what no learner of one task after another can do, and others are measured against."""

__all__ = ["Independent", "Joint"]

from continual.strategies.bounds.independent import Independent
from continual.strategies.bounds.joint import Joint
