"""How a model meets the tasks: which data it trains on at each one, and what of the optimizer survives a boundary."""

__all__ = ["Cumulative", "FineTune", "Strategy"]

from continual.strategies.cumulative import Cumulative
from continual.strategies.finetune import FineTune
from continual.strategies.strategy import Strategy
