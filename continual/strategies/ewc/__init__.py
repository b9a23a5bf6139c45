"""Elastic weight consolidation: a quadratic penalty that holds parameters by how much earlier tasks need them."""

__all__ = ["EWC"]

from continual.strategies.ewc.consolidation import EWC
