"""Strategies that keep samples, or their gradients, of what came before."""

__all__ = ["AGEM", "DERPP", "OGD", "Replay", "Reservoir"]

from continual.strategies.memory.agem import AGEM
from continual.strategies.memory.derpp import DERPP
from continual.strategies.memory.ogd import OGD
from continual.strategies.memory.replay import Replay
from continual.strategies.memory.reservoir import Reservoir
