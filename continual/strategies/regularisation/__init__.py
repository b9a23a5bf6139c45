"""Strategies that add a term to the loss: on parameters that mattered, or on what was predicted before."""

__all__ = ["L2", "MAS", "SI", "Importance", "LwF"]

from continual.strategies.regularisation.importance import Importance
from continual.strategies.regularisation.l2 import L2
from continual.strategies.regularisation.lwf import LwF
from continual.strategies.regularisation.mas import MAS
from continual.strategies.regularisation.si import SI
