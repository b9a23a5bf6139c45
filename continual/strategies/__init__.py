"""How a model meets the tasks: which data it trains on, and what is done so that it forgets less."""

__all__ = [
    "AGEM",
    "DERPP",
    "EWC",
    "L2",
    "MAS",
    "OGD",
    "SI",
    "ContinualBackprop",
    "Cumulative",
    "FineTune",
    "FreezeVisited",
    "Independent",
    "Joint",
    "LwF",
    "PackNet",
    "Replay",
    "ShrinkPerturb",
    "Strategy",
    "UpdateVisited",
    "WinningSubnetworks",
]

from continual.strategies.bounds import Independent, Joint
from continual.strategies.cumulative import Cumulative
from continual.strategies.ewc import EWC
from continual.strategies.finetune import FineTune
from continual.strategies.isolation import FreezeVisited, PackNet, UpdateVisited, WinningSubnetworks
from continual.strategies.memory import AGEM, DERPP, OGD, Replay
from continual.strategies.plasticity import ContinualBackprop, ShrinkPerturb
from continual.strategies.regularisation import L2, MAS, SI, LwF
from continual.strategies.strategy import Strategy
