"""Optimizers that keep members apart: Adam, L-BFGS, Levenberg–Marquardt, and one after the other."""

__all__ = [
    "LBFGS",
    "Adam",
    "LeastSquares",
    "LevenbergMarquardt",
    "Staged",
]

from continual.optimizers.adam import Adam
from continual.optimizers.lbfgs import LBFGS
from continual.optimizers.least_squares import LeastSquares
from continual.optimizers.levenberg_marquardt import LevenbergMarquardt
from continual.optimizers.staged import Staged
