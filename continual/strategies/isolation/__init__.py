"""Isolation: parameters, or parts of them, that belong to a task and that later ones do not move."""

__all__ = ["FreezeVisited", "PackNet", "UpdateVisited", "WinningSubnetworks"]

from continual.strategies.isolation.packnet import PackNet
from continual.strategies.isolation.visited import FreezeVisited, UpdateVisited
from continual.strategies.isolation.winning import WinningSubnetworks
