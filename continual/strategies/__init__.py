"""How a model meets the tasks: what it trains on at each one, what of the optimizer survives, what holds old ones."""

__all__ = [
    "EWC",
    "Cumulative",
    "FineTune",
    "FreezeVisited",
    "PackNet",
    "Strategy",
    "UpdateVisited",
    "WinningSubnetworks",
]

from continual.strategies.cumulative import Cumulative
from continual.strategies.ewc import EWC
from continual.strategies.finetune import FineTune
from continual.strategies.isolation import FreezeVisited, PackNet, UpdateVisited, WinningSubnetworks
from continual.strategies.strategy import Strategy
