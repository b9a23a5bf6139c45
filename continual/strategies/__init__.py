"""How a model meets the tasks: what it trains on at each one, what of the optimizer survives, what holds old ones."""

__all__ = ["EWC", "Cumulative", "FineTune", "Strategy"]

from continual.strategies.cumulative import Cumulative
from continual.strategies.ewc import EWC
from continual.strategies.finetune import FineTune
from continual.strategies.strategy import Strategy
